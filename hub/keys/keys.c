/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the cache of signed SETs and the signatures under way. Signing work that crosses into the
 * pool carries the claims as bytes and a reference to the key, nothing else. It must never hand out
 * a SET whose key does not sign any more.
 */
#include "hub/keys/keys.h"

#include "lib/ssf/set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CACHE_SLOTS 4096 /* signed SETs kept; one of about 1 KiB each */

/* A signed SET, by what decides its bytes. */
struct cached {
	int64_t seq;
	struct ssf_key *key;
	char *audience;
	char *set;
	size_t len;
};

/* What the pool works on. */
struct sign_work {
	struct ssf_key *key;
	struct ssf_buf claims;
	struct ssf_buf set;
	struct ssf_err err;
	int result;
	struct keys_sign *owner;
};

struct keys_sign {
	LIST_ENTRY(keys_sign) link;
	struct keys *keys;
	int64_t seq;
	enum ssf_alg alg;
	char *audience;
	keys_signed_f *f;
	void *arg;
	struct pool_job *job;
	struct loop_defer *defer;  /* answered from the cache, or signed on the loop */
	struct sign_work *work;    /* ours unless it is in the pool; NULL: from the cache */
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
	LIST_HEAD(, keys_sign) signs;
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
		     const struct rota_conf *conf, loop_f *ready, void *ready_arg, struct ssf_err *err)
{
	const struct ring_hooks hooks = { ready, ready_arg, on_gone, k };

	return ring_new(k->loop, db, k->pool, master, conf, &hooks, &k->ring, err);
}

int keys_new(struct loop *loop, struct db *db, struct pool *pool, const struct master_key *master,
	     const struct rota_conf *conf, const char *issuer, loop_f *ready, void *arg, struct keys **out,
	     struct ssf_err *err)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys");
	k->loop = loop;
	k->pool = pool;
	k->issuer = issuer;
	LIST_INIT(&k->signs);
	if (jti_new(master, &k->jti, err) < 0 || open_ring(k, db, master, conf, ready, arg, err) < 0) {
		keys_free(k);
		return -1;
	}
	*out = k;
	return 0;
}

static void sign_finish(struct keys_sign *s, struct ssf_str set, const struct ssf_err *err);

void keys_stop(struct keys *k)
{
	struct ssf_err err;

	if (k == NULL)
		return;
	k->stopped = true;
	ring_stop(k->ring);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	while (!LIST_EMPTY(&k->signs)) {
		struct keys_sign *s = LIST_FIRST(&k->signs);
		if (s->job != NULL)
			pool_cancel(s->job);
		sign_finish(s, (struct ssf_str){ NULL, 0 }, &err);
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
	while (!LIST_EMPTY(&k->signs))
		keys_sign_cancel(LIST_FIRST(&k->signs));
	ring_free(k->ring);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		cached_done(&k->cache[i]);
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

static struct cached *cache_slot(struct keys *k, int64_t seq, enum ssf_alg alg, const char *aud)
{
	uint64_t h = (uint64_t)seq * 0x9e3779b97f4a7c15u + (uint64_t)alg;

	for (const char *c = aud; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return &k->cache[(h >> 17) % CACHE_SLOTS];
}

/* What was signed by a key that does not sign any more is signed again, under the same jti. */
static struct cached *cache_find(struct keys *k, int64_t seq, enum ssf_alg alg, const char *aud)
{
	struct cached *c = cache_slot(k, seq, alg, aud);

	if (c->set == NULL || c->seq != seq || c->key != ring_signing(k->ring, alg) ||
	    strcmp(c->audience, aud) != 0)
		return NULL;
	return c;
}

static void cache_put(const struct keys_sign *s, struct ssf_key *key, struct ssf_str set)
{
	struct cached *c = cache_slot(s->keys, s->seq, s->alg, s->audience);
	struct cached fresh = { .seq = s->seq, .len = set.len };

	fresh.audience = strdup(s->audience);
	fresh.set = ssf_str_dup(set);
	if (fresh.audience == NULL || fresh.set == NULL) { /* only a cache */
		cached_done(&fresh);
		return;
	}
	fresh.key = ssf_key_ref(key);
	cached_done(c);
	*c = fresh;
}

/* --- signing ---------------------------------------------------------------------------- */

static void work_free(struct sign_work *w)
{
	if (w == NULL)
		return;
	ssf_key_free(w->key);
	ssf_buf_done(&w->claims);
	ssf_buf_done(&w->set);
	free(w);
}

static void sign_free(struct keys_sign *s)
{
	LIST_REMOVE(s, link);
	loop_defer_cancel(s->defer);
	work_free(s->work);
	free(s->audience);
	free(s);
}

static void sign_finish(struct keys_sign *s, struct ssf_str set, const struct ssf_err *err)
{
	keys_signed_f *f = s->f;
	void *arg = s->arg;

	f(arg, set, err);
	sign_free(s);
}

static void sign_fail(struct keys_sign *s, const struct ssf_err *err)
{
	sign_finish(s, (struct ssf_str){ NULL, 0 }, err);
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
static int work_key(struct keys_sign *s, struct ssf_err *err)
{
	struct ssf_key *key = ring_signing(s->keys->ring, s->alg);

	if (key == NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key yet");
	ssf_key_free(s->work->key);
	s->work->key = ssf_key_ref(key);
	ssf_buf_reset(&s->work->set);
	return 0;
}

/* Some 250 us: not on the loop. */
static int sign_in_pool(struct keys_sign *s, struct ssf_err *err)
{
	struct pool_work work = { work_run, work_done, work_drop, s->work };

	if (work_key(s, err) < 0 || pool_submit(s->keys->pool, &work, &s->job, err) < 0)
		return -1;
	s->work = NULL;
	return 0;
}

static void on_signed(struct keys_sign *s)
{
	struct sign_work *w = s->work;

	if (w->result < 0) {
		sign_fail(s, &w->err);
		return;
	}
	cache_put(s, w->key, ssf_buf_str(&w->set));
	sign_finish(s, ssf_buf_str(&w->set), NULL);
}

static void work_done(void *arg)
{
	struct sign_work *w = arg;
	struct keys_sign *s = w->owner;
	struct ssf_err err;

	s->job = NULL;
	s->work = w;
	if (w->key == ring_signing(s->keys->ring, s->alg))
		on_signed(s);
	else if (sign_in_pool(s, &err) < 0) /* rotated or revoked meanwhile */
		sign_fail(s, &err);
}

static void on_sign_here(void *arg)
{
	struct keys_sign *s = arg;
	struct ssf_err err;

	s->defer = NULL;
	if (work_key(s, &err) < 0) {
		sign_fail(s, &err);
		return;
	}
	work_run(s->work);
	on_signed(s);
}

static void on_cached(void *arg)
{
	struct keys_sign *s = arg;
	struct cached *c = cache_find(s->keys, s->seq, s->alg, s->audience);
	struct ssf_err err;

	s->defer = NULL;
	if (c != NULL) {
		sign_finish(s, (struct ssf_str){ c->set, c->len }, NULL);
	} else { /* pushed out of the cache since, or its key has changed */
		ssf_fail(&err, SSF_E_BUSY, "signed SET: try again");
		sign_fail(s, &err);
	}
}

int keys_sign_now(struct keys *k, const char *typ, struct ssf_str payload, struct ssf_buf *out,
		  struct ssf_err *err)
{
	const struct ssf_key *key = ring_signing(k->ring, SSF_ALG_ES256);

	if (key == NULL || k->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key");
	return ssf_jws_sign(key, typ, payload, out, err);
}

static int work_new(const struct keys_sign *s, const struct event *e, struct sign_work **out,
		    struct ssf_err *err)
{
	struct sign_work *w = calloc(1, sizeof(*w));
	char jti[KEYS_JTI_LEN];

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	ssf_buf_init(&w->claims, SSF_JWS_MAX / 2);
	ssf_buf_init(&w->set, SSF_JWS_MAX);
	keys_jti(s->keys, e->seq, s->audience, jti);
	struct ssf_set_spec spec = {
		.iss = s->keys->issuer,
		.aud = s->audience,
		.jti = jti,
		.txn = e->txn,
		.iat = e->at_ms / 1000,
		.sub_id = e->sub_id,
		.event_uri = e->type,
		.event_claims = e->body,
	};
	if (ssf_set_compose(&spec, &w->claims, err) < 0) {
		work_free(w);
		return -1;
	}
	*out = w;
	return 0;
}

/* From the cache, in the pool, or on the loop, but never from inside. */
static int sign_begin(struct keys_sign *s, const struct event *e, struct ssf_err *err)
{
	struct keys *k = s->keys;

	if (cache_find(k, s->seq, s->alg, s->audience) != NULL) {
		s->defer = loop_defer_start(k->loop, on_cached, s);
		return s->defer != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "SET");
	}
	if (work_new(s, e, &s->work, err) < 0)
		return -1;
	s->work->owner = s;
	if (s->alg == SSF_ALG_RS256)
		return sign_in_pool(s, err);
	s->defer = loop_defer_start(k->loop, on_sign_here, s);
	return s->defer != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "SET");
}

int keys_sign_start(struct keys *k, const struct event *e, const char *audience, enum ssf_alg alg,
		    keys_signed_f *f, void *arg, struct keys_sign **out, struct ssf_err *err)
{
	struct keys_sign *s;

	if (k->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->audience = strdup(audience)) == NULL) {
		free(s);
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	}
	s->keys = k;
	s->seq = e->seq;
	s->alg = alg;
	s->f = f;
	s->arg = arg;
	LIST_INSERT_HEAD(&k->signs, s, link);
	if (sign_begin(s, e, err) < 0) {
		sign_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void keys_sign_cancel(struct keys_sign *s)
{
	if (s == NULL)
		return;
	if (s->job != NULL)
		pool_cancel(s->job); /* drops the work, now or when it has run */
	sign_free(s);
}
