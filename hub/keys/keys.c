/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the cache of signed SETs and the signatures under way. Signing work that crosses into the
 * pool carries the claims as bytes and a reference to the key, nothing else. It must never hand out
 * a SET whose key does not sign any more.
 */
#include "hub/keys/keys.h"

#include "hub/metrics/metrics.h"
#include "lib/ssf/set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CACHE_SLOTS 4096  /* signed SETs kept; one of about 1 KiB each */
#define SHARED_SLOTS 64   /* claims of the newest events, but aud and jti */
#define BUCKETS 1024      /* of signatures under way */
#define LATER_MS 5000     /* older events are signed when no newer ones wait, mostly */
#define SLICE 256         /* of those who wait for one are called before others have their turn */

/* A signed SET, by what decides its bytes. */
struct cached {
	int64_t seq;
	struct ssf_key *key;
	char *audience;
	char *set;
	size_t len;
};

/* What all SETs of an event have in common. */
struct shared {
	int64_t seq;
	struct ssf_buf text; /* empty: nothing */
};

/* What the pool works on. */
struct sign_work {
	struct ssf_key *key;
	struct ssf_buf claims;
	struct ssf_buf set;
	struct ssf_err err;
	int result;
	struct signature *owner;
};

/* One that is asked for, by one or more. It is answered while work->set is there, else it is made. */
struct signature {
	LIST_ENTRY(signature) link; /* in its bucket */
	struct keys *keys;
	int64_t seq;
	int64_t at_ms;              /* the event's */
	enum ssf_alg alg;
	char *audience;
	TAILQ_HEAD(, keys_sign) waiting;
	bool answering;
	struct pool_job *job;
	struct loop_defer *defer;   /* to sign on the loop, or to answer */
	struct sign_work *work;     /* ours unless it is in the pool */
	int64_t began_us;
};

struct keys_sign {
	TAILQ_ENTRY(keys_sign) link;
	struct signature *of;
	keys_signed_f *f;
	void *arg;
};

struct keys {
	struct loop *loop;
	struct pool *pool;
	const char *issuer;
	struct jti *jti;
	struct ring *ring;
	loop_f *listener;
	void *listener_arg;
	uint64_t gone;
	struct cached cache[CACHE_SLOTS];
	struct shared shared[SHARED_SLOTS];
	LIST_HEAD(signatures, signature) signatures[BUCKETS];
	struct signatures failing; /* not to be joined any more */
	bool stopped;
};

static void on_gone(void *arg)
{
	struct keys *k = arg;

	k->gone++;
	if (k->listener != NULL)
		k->listener(k->listener_arg);
}

/* The ring is made last: it calls us. */
static int open_ring(struct keys *k, struct db *db, const struct master_key *master,
		     const struct key_schedule_conf *conf, loop_f *ready, void *ready_arg, struct ssf_err *err)
{
	const struct ring_hooks hooks = { ready, ready_arg, on_gone, k };

	return ring_new(k->loop, db, k->pool, master, conf, &hooks, &k->ring, err);
}

int keys_new(struct loop *loop, struct db *db, struct pool *pool, const struct master_key *master,
	     const struct key_schedule_conf *conf, const char *issuer, loop_f *ready, void *arg, struct keys **out,
	     struct ssf_err *err)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys");
	k->loop = loop;
	k->pool = pool;
	k->issuer = issuer;
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&k->signatures[i]);
	LIST_INIT(&k->failing);
	for (size_t i = 0; i < SHARED_SLOTS; i++)
		ssf_buf_init(&k->shared[i].text, SSF_JWS_MAX / 2);
	if (jti_new(master, &k->jti, err) < 0 || open_ring(k, db, master, conf, ready, arg, err) < 0) {
		keys_free(k);
		return -1;
	}
	*out = k;
	return 0;
}

static void signature_fail(struct signature *g, const struct ssf_err *err);
static void signature_free(struct signature *g);

void keys_stop(struct keys *k)
{
	struct ssf_err err;

	if (k == NULL)
		return;
	k->stopped = true;
	ring_stop(k->ring);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!LIST_EMPTY(&k->signatures[i]))
			signature_fail(LIST_FIRST(&k->signatures[i]), &err);
	}
}

static void cached_done(struct cached *c)
{
	ssf_key_free(c->key);
	free(c->audience);
	free(c->set);
}

void keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!LIST_EMPTY(&k->signatures[i]))
			signature_free(LIST_FIRST(&k->signatures[i]));
	}
	ring_free(k->ring);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		cached_done(&k->cache[i]);
	for (size_t i = 0; i < SHARED_SLOTS; i++)
		ssf_buf_done(&k->shared[i].text);
	jti_free(k->jti);
	free(k);
}

struct ring *keys_ring(struct keys *k)
{
	return k->ring;
}

bool keys_locked_out(const struct keys *k)
{
	return ring_locked_out(k->ring);
}

json_t *keys_jwks(const struct keys *k)
{
	return ring_jwks(k->ring);
}

const struct ssf_key *keys_find(const struct keys *k, struct ssf_str kid, enum ssf_alg alg)
{
	return ring_find(k->ring, kid, alg);
}

void keys_listen(struct keys *k, loop_f *f, void *arg)
{
	k->listener = f;
	k->listener_arg = arg;
}

uint64_t keys_gone(const struct keys *k)
{
	return k->gone;
}

void keys_jti(const struct keys *k, int64_t seq, const char *audience, char out[KEYS_JTI_LEN])
{
	jti_make(k->jti, seq, audience, out);
}

int keys_jti_seq(const struct keys *k, struct ssf_str jti, const char *audience, int64_t *seq)
{
	return jti_seq(k->jti, jti, audience, seq);
}

/* --- cache ------------------------------------------------------------------------------ */

static uint64_t hash(int64_t seq, enum ssf_alg alg, const char *aud)
{
	uint64_t h = (uint64_t)seq * 0x9e3779b97f4a7c15u + (uint64_t)alg;

	for (const char *c = aud; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return h >> 17;
}

static struct cached *cache_slot(const struct keys *k, int64_t seq, enum ssf_alg alg, const char *aud)
{
	return (struct cached *)&k->cache[hash(seq, alg, aud) % CACHE_SLOTS];
}

/* What was signed by a key that does not sign any more is signed again, under the same jti. */
static const struct cached *cache_find(const struct keys *k, int64_t seq, enum ssf_alg alg,
				       const char *aud)
{
	const struct cached *c = cache_slot(k, seq, alg, aud);

	if (c->set == NULL || c->seq != seq || c->key != ring_signing(k->ring, alg) ||
	    strcmp(c->audience, aud) != 0)
		return NULL;
	return c;
}

struct ssf_str keys_signed(const struct keys *k, const struct event *e, const char *audience,
			   enum ssf_alg alg)
{
	const struct cached *c = k->stopped ? NULL : cache_find(k, e->seq, alg, audience);

	metric_add_of(sign_requests, LABEL_from_cache, c != NULL);
	return c != NULL ? (struct ssf_str){ c->set, c->len } : (struct ssf_str){ NULL, 0 };
}

static void cache_put(const struct signature *g, struct ssf_key *key, struct ssf_str set)
{
	struct cached *c = cache_slot(g->keys, g->seq, g->alg, g->audience);
	struct cached fresh = { .seq = g->seq, .len = set.len };

	fresh.audience = strdup(g->audience);
	fresh.set = ssf_str_dup(set);
	if (fresh.audience == NULL || fresh.set == NULL) { /* only a cache */
		cached_done(&fresh);
		return;
	}
	fresh.key = ssf_key_ref(key);
	cached_done(c);
	*c = fresh;
}

/* --- claims ------------------------------------------------------------------------------ */

/* What all SETs of e share; from the last time if it was composed lately. */
static int shared_claims(struct keys *k, const struct event *e, struct ssf_str *out, struct ssf_err *err)
{
	struct shared *sh = &k->shared[(uint64_t)e->seq % SHARED_SLOTS];
	const struct ssf_set_spec spec = {
		.iss = k->issuer,
		.txn = e->txn,
		.iat = e->at_ms / 1000,
		.sub_id = e->sub_id,
		.event_uri = e->type,
		.event_claims = e->body,
	};

	if (sh->text.len == 0 || sh->seq != e->seq) {
		ssf_buf_reset(&sh->text);
		if (ssf_set_compose_shared(&spec, &sh->text, err) < 0) {
			ssf_buf_reset(&sh->text);
			return -1;
		}
		sh->seq = e->seq;
	}
	*out = ssf_buf_str(&sh->text);
	return 0;
}

static void work_free(struct sign_work *w)
{
	if (w == NULL)
		return;
	ssf_key_free(w->key);
	ssf_buf_done(&w->claims);
	ssf_buf_done(&w->set);
	free(w);
}

static int work_new(struct signature *g, const struct event *e, struct ssf_err *err)
{
	struct sign_work *w = calloc(1, sizeof(*w));
	char jti[KEYS_JTI_LEN];
	struct ssf_str shared;

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	ssf_buf_init(&w->claims, SSF_JWS_MAX / 2);
	ssf_buf_init(&w->set, SSF_JWS_MAX);
	keys_jti(g->keys, e->seq, g->audience, jti);
	if (shared_claims(g->keys, e, &shared, err) < 0 ||
	    ssf_set_compose_for(shared, g->audience, jti, &w->claims, err) < 0) {
		work_free(w);
		return -1;
	}
	w->owner = g;
	g->work = w;
	return 0;
}

/* --- signing ----------------------------------------------------------------------------- */

static void signature_free(struct signature *g)
{
	struct keys_sign *s;

	while ((s = TAILQ_FIRST(&g->waiting)) != NULL) {
		TAILQ_REMOVE(&g->waiting, s, link);
		free(s);
	}
	LIST_REMOVE(g, link);
	if (g->job != NULL)
		pool_cancel(g->job); /* drops the work, now or when it has run */
	loop_defer_cancel(g->defer);
	work_free(g->work);
	free(g->audience);
	free(g);
}

/* Calls up to max of those who wait. They may cancel others, and ask for more. */
static void answer(struct signature *g, size_t max, struct ssf_str set, const struct ssf_err *err)
{
	struct keys_sign *s;

	g->answering = true;
	for (; max > 0 && (s = TAILQ_FIRST(&g->waiting)) != NULL; max--) {
		keys_signed_f *f = s->f;
		void *arg = s->arg;
		TAILQ_REMOVE(&g->waiting, s, link);
		free(s);
		f(arg, set, err);
	}
	g->answering = false;
}

static void signature_fail(struct signature *g, const struct ssf_err *err)
{
	/* who asks again while being told must not come to wait here */
	LIST_REMOVE(g, link);
	LIST_INSERT_HEAD(&g->keys->failing, g, link);
	answer(g, SIZE_MAX, (struct ssf_str){ NULL, 0 }, err);
	signature_free(g);
}

static void work_run(void *arg)
{
	struct sign_work *w = arg;

	w->result = ssf_jws_sign(w->key, SSF_SET_TYP, ssf_buf_str(&w->claims), &w->set, &w->err);
}

static void work_done(void *arg);

static void work_drop(void *arg)
{
	work_free(arg);
}

/* Gives the work the key that signs now, in place of the one that it may have. */
static int work_key(struct signature *g, struct ssf_err *err)
{
	struct ssf_key *key = ring_signing(g->keys->ring, g->alg);

	if (key == NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key yet");
	ssf_key_free(g->work->key);
	g->work->key = ssf_key_ref(key);
	ssf_buf_reset(&g->work->set);
	return 0;
}

/* Some 250 us: not on the loop. */
static int sign_in_pool(struct signature *g, struct ssf_err *err)
{
	/* who catches up must not hold up what has just happened */
	bool later = wall_now_ms() - g->at_ms > LATER_MS;
	struct pool_work work = { work_run, work_done, work_drop, g->work, later };

	g->began_us = loop_now_us();
	if (work_key(g, err) < 0 || pool_submit(g->keys->pool, &work, &g->job, err) < 0)
		return -1;
	g->work = NULL;
	return 0;
}

static int sign_on_loop(struct signature *g, struct ssf_err *err);

static int sign(struct signature *g, struct ssf_err *err)
{
	return g->alg == SSF_ALG_RS256 ? sign_in_pool(g, err) : sign_on_loop(g, err);
}

static void on_answer(void *arg);

/* It is signed. A slice of those who wait is answered, and the signature goes with the last. */
static void answer_some(struct signature *g)
{
	struct ssf_err err;

	if (g->work->key != ring_signing(g->keys->ring, g->alg)) { /* rotated or revoked meanwhile */
		if (sign(g, &err) < 0)
			signature_fail(g, &err);
		return;
	}
	answer(g, SLICE, ssf_buf_str(&g->work->set), NULL);
	if (TAILQ_EMPTY(&g->waiting))
		signature_free(g);
	else if ((g->defer = loop_defer_start(g->keys->loop, on_answer, g)) == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "SET");
		signature_fail(g, &err);
	}
}

static void on_answer(void *arg)
{
	struct signature *g = arg;

	g->defer = NULL;
	answer_some(g);
}

static void count(const struct signature *g)
{
	enum label_alg alg = g->alg == SSF_ALG_RS256 ? LABEL_alg_rs256 : LABEL_alg_es256;

	metric_add_of2(signatures, alg, g->work->result == 0 ? LABEL_result_ok : LABEL_result_failed, 1);
	metric_observe_of(sign_seconds, alg, loop_now_us() - g->began_us);
}

static void on_signed(struct signature *g)
{
	count(g);
	if (g->work->result < 0) {
		struct ssf_err err = g->work->err;
		signature_fail(g, &err);
		return;
	}
	if (g->work->key == ring_signing(g->keys->ring, g->alg))
		cache_put(g, g->work->key, ssf_buf_str(&g->work->set));
	answer_some(g);
}

static void work_done(void *arg)
{
	struct sign_work *w = arg;
	struct signature *g = w->owner;

	g->job = NULL;
	g->work = w;
	on_signed(g);
}

static void on_sign_here(void *arg)
{
	struct signature *g = arg;
	struct ssf_err err;

	g->defer = NULL;
	if (work_key(g, &err) < 0) {
		signature_fail(g, &err);
		return;
	}
	g->began_us = loop_now_us();
	work_run(g->work);
	on_signed(g);
}

/* Not from inside of who asks. */
static int sign_on_loop(struct signature *g, struct ssf_err *err)
{
	g->defer = loop_defer_start(g->keys->loop, on_sign_here, g);
	return g->defer != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "SET");
}

int keys_sign_now(struct keys *k, const char *typ, struct ssf_str payload, struct ssf_buf *out,
		  struct ssf_err *err)
{
	const struct ssf_key *key = ring_signing(k->ring, SSF_ALG_ES256);

	if (key == NULL || k->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key");
	return ssf_jws_sign(key, typ, payload, out, err);
}

/* Starts from what the cache has. */
static int take_cached(struct signature *g, const struct cached *c, struct ssf_err *err)
{
	g->work->key = ssf_key_ref(c->key);
	if (ssf_buf_append(&g->work->set, (struct ssf_str){ c->set, c->len }, err) < 0)
		return -1;
	g->defer = loop_defer_start(g->keys->loop, on_answer, g);
	return g->defer != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "SET");
}

static int signature_new(struct keys *k, const struct event *e, const char *audience, enum ssf_alg alg,
			 struct signature **out, struct ssf_err *err)
{
	struct signature *g = calloc(1, sizeof(*g));
	const struct cached *c = cache_find(k, e->seq, alg, audience);

	if (g == NULL || (g->audience = strdup(audience)) == NULL) {
		free(g);
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	}
	g->keys = k;
	g->seq = e->seq;
	g->at_ms = e->at_ms;
	g->alg = alg;
	TAILQ_INIT(&g->waiting);
	LIST_INSERT_HEAD(&k->signatures[hash(e->seq, alg, audience) % BUCKETS], g, link);
	metric_add_of(sign_requests, c != NULL ? LABEL_from_cache : LABEL_from_made, 1);
	if (work_new(g, e, err) < 0 || (c != NULL ? take_cached(g, c, err) : sign(g, err)) < 0) {
		signature_free(g);
		return -1;
	}
	*out = g;
	return 0;
}

static struct signature *signature_find(struct keys *k, int64_t seq, enum ssf_alg alg, const char *aud)
{
	struct signature *g;

	LIST_FOREACH(g, &k->signatures[hash(seq, alg, aud) % BUCKETS], link) {
		if (g->seq == seq && g->alg == alg && strcmp(g->audience, aud) == 0)
			return g;
	}
	return NULL;
}

int keys_sign_start(struct keys *k, const struct event *e, const char *audience, enum ssf_alg alg,
		    keys_signed_f *f, void *arg, struct keys_sign **out, struct ssf_err *err)
{
	struct signature *g = signature_find(k, e->seq, alg, audience);
	struct keys_sign *s;

	if (k->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	metric_add_of(sign_requests, LABEL_from_joined, g != NULL);
	if (g == NULL && signature_new(k, e, audience, alg, &g, err) < 0) {
		free(s);
		return -1;
	}
	s->of = g;
	s->f = f;
	s->arg = arg;
	TAILQ_INSERT_TAIL(&g->waiting, s, link);
	*out = s;
	return 0;
}

void keys_sign_cancel(struct keys_sign *s)
{
	struct signature *g;

	if (s == NULL)
		return;
	g = s->of;
	TAILQ_REMOVE(&g->waiting, s, link);
	free(s);
	if (TAILQ_EMPTY(&g->waiting) && !g->answering)
		signature_free(g);
}
