/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the signatures in progress. Only the claims as bytes and a reference to the key cross into the
 * pool. A SET is never handed out if its key does not sign any more: it is then signed again, under the
 * same jti.
 *
 *   start -> (cached) answer
 *         -> (RS256) pool -> answer
 *         -> (ES256) loop -> answer       answer: the key still signs? call the waiting; else sign again
 */
#include "hub/keys/set_signer.h"

#include "hub/keys/set_cache.h"
#include "hub/keys/set_claims.h"
#include "hub/metrics/metrics.h"
#include "lib/ssf/jws.h"
#include "lib/ssf/set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 1024           /* of signatures in progress */
#define LOW_PRIORITY_MS 5000   /* SETs of older events are signed after those of newer ones */
#define ANSWERS_PER_TURN 256

/* What the pool works on. */
struct sign_work {
	struct ssf_key *key;
	struct ssf_buf claims;
	struct ssf_buf set;
	struct ssf_err err;
	int result;
	struct signature *signature;
};

/* One SET in progress. work->set is empty until it is signed; then the waiting are answered. */
struct signature {
	LIST_ENTRY(signature) link; /* in its bucket */
	struct set_signer *signer;
	int64_t seq;
	int64_t event_ms;
	enum ssf_alg alg;
	char *audience;
	TAILQ_HEAD(, set_signer_wait) waiting;
	bool answering;
	struct pool_job *job;
	struct loop_defer *defer;   /* to sign on the loop, or to answer */
	struct sign_work *work;     /* NULL while the pool has it */
	int64_t began_us;
};

struct set_signer_wait {
	TAILQ_ENTRY(set_signer_wait) link;
	struct signature *signature;
	set_signer_done_f *f;
	void *arg;
};

struct set_signer {
	struct set_signer_deps deps;
	struct jti *jti;
	struct set_cache *cache;
	struct set_claims *claims;
	LIST_HEAD(signature_list, signature) signatures[BUCKETS];
	struct signature_list failing; /* not to be joined any more */
	bool stopped;
};

int set_signer_new(const struct set_signer_deps *deps, struct set_signer **out, struct ssf_err *err)
{
	struct set_signer *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET signer");
	s->deps = *deps;
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&s->signatures[i]);
	LIST_INIT(&s->failing);
	s->cache = set_cache_new();
	s->claims = set_claims_new(deps->issuer);
	if (s->cache == NULL || s->claims == NULL) {
		set_signer_free(s);
		return ssf_fail(err, SSF_E_NOMEM, "SET signer");
	}
	if (jti_new(deps->master, &s->jti, err) < 0) {
		set_signer_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void set_signer_jti(const struct set_signer *s, int64_t seq, const char *audience, char out[JTI_LEN])
{
	jti_make(s->jti, seq, audience, out);
}

int set_signer_jti_seq(const struct set_signer *s, struct ssf_str jti, const char *audience,
		       int64_t *seq)
{
	return jti_seq(s->jti, jti, audience, seq);
}

/* --- work of one signature ---------------------------------------------------------------------- */

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
	char jti[JTI_LEN];

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	ssf_buf_init(&w->claims, SSF_JWS_MAX / 2);
	ssf_buf_init(&w->set, SSF_JWS_MAX);
	jti_make(g->signer->jti, e->seq, g->audience, jti);
	if (set_claims_compose(g->signer->claims, e, g->audience, jti, &w->claims, err) < 0) {
		work_free(w);
		return -1;
	}
	w->signature = g;
	g->work = w;
	return 0;
}

/* Gives the work the key that signs now, in place of the one that it may have. */
static int work_set_key(struct signature *g, struct ssf_err *err)
{
	struct ssf_key *key = keyring_signing_key(g->signer->deps.keyring, g->alg);

	if (key == NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key yet");
	ssf_key_free(g->work->key);
	g->work->key = ssf_key_ref(key);
	ssf_buf_reset(&g->work->set);
	return 0;
}

/* In a thread of the pool, or on the loop. */
static void work_run(void *arg)
{
	struct sign_work *w = arg;

	w->result = ssf_jws_sign(w->key, SSF_SET_TYP, ssf_buf_str(&w->claims), &w->set, &w->err);
}

static void work_drop(void *arg)
{
	work_free(arg);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void signature_free(struct signature *g)
{
	struct set_signer_wait *w;

	while ((w = TAILQ_FIRST(&g->waiting)) != NULL) {
		TAILQ_REMOVE(&g->waiting, w, link);
		free(w);
	}
	LIST_REMOVE(g, link);
	pool_cancel(g->job); /* the work is dropped now, or when it has run */
	loop_defer_cancel(g->defer);
	work_free(g->work);
	free(g->audience);
	free(g);
}

/* Calls up to max of the waiting. They may cancel others and start new requests. */
static void answer(struct signature *g, size_t max, struct ssf_str set, const struct ssf_err *err)
{
	struct set_signer_wait *w;

	g->answering = true;
	for (; max > 0 && (w = TAILQ_FIRST(&g->waiting)) != NULL; max--) {
		set_signer_done_f *f = w->f;
		void *arg = w->arg;
		TAILQ_REMOVE(&g->waiting, w, link);
		free(w);
		f(arg, set, err);
	}
	g->answering = false;
}

static void signature_fail(struct signature *g, const struct ssf_err *err)
{
	/* a request that a callback starts must not join this signature */
	LIST_REMOVE(g, link);
	LIST_INSERT_HEAD(&g->signer->failing, g, link);
	answer(g, SIZE_MAX, (struct ssf_str){ NULL, 0 }, err);
	signature_free(g);
}

static int signature_sign(struct signature *g, struct ssf_err *err);

static void on_answer_turn(void *arg);

/* Answers a slice of the waiting. The signature goes with the last. */
static void answer_some(struct signature *g)
{
	struct ssf_err err;

	if (g->work->key != keyring_signing_key(g->signer->deps.keyring, g->alg)) {
		/* rotated or revoked since it signed */
		if (signature_sign(g, &err) < 0)
			signature_fail(g, &err);
		return;
	}
	answer(g, ANSWERS_PER_TURN, ssf_buf_str(&g->work->set), NULL);
	if (TAILQ_EMPTY(&g->waiting)) {
		signature_free(g);
	} else if ((g->defer = loop_defer_start(g->signer->deps.loop, on_answer_turn, g)) == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "SET");
		signature_fail(g, &err);
	}
}

static void on_answer_turn(void *arg)
{
	struct signature *g = arg;

	g->defer = NULL;
	answer_some(g);
}

/* --- signing ------------------------------------------------------------------------------------ */

static void signature_done(struct signature *g)
{
	struct sign_work *w = g->work;
	enum label_alg alg = g->alg == SSF_ALG_RS256 ? LABEL_alg_rs256 : LABEL_alg_es256;

	metric_add_of2(signatures, alg, w->result == 0 ? LABEL_result_ok : LABEL_result_failed, 1);
	metric_observe_of(sign_seconds, alg, loop_now_us() - g->began_us);
	if (w->result < 0) {
		struct ssf_err err = w->err;
		signature_fail(g, &err);
		return;
	}
	if (w->key == keyring_signing_key(g->signer->deps.keyring, g->alg))
		set_cache_put(g->signer->cache, g->seq, g->audience, w->key, ssf_buf_str(&w->set));
	answer_some(g);
}

static void on_pool_done(void *arg)
{
	struct sign_work *w = arg;
	struct signature *g = w->signature;

	g->job = NULL;
	g->work = w;
	signature_done(g);
}

/* RS256 takes some 250 us: not on the loop. */
static int sign_in_pool(struct signature *g, struct ssf_err *err)
{
	/* a stream that catches up must not delay what has just happened */
	bool low_priority = wall_now_ms() - g->event_ms > LOW_PRIORITY_MS;
	struct pool_work work = { work_run, on_pool_done, work_drop, g->work, low_priority };

	g->began_us = loop_now_us();
	if (work_set_key(g, err) < 0 || pool_submit(g->signer->deps.pool, &work, &g->job, err) < 0)
		return -1;
	g->work = NULL;
	return 0;
}

static void on_sign_turn(void *arg)
{
	struct signature *g = arg;
	struct ssf_err err;

	g->defer = NULL;
	if (work_set_key(g, &err) < 0) {
		signature_fail(g, &err);
		return;
	}
	g->began_us = loop_now_us();
	work_run(g->work);
	signature_done(g);
}

/* Deferred: a callback never fires inside set_signer_start(). */
static int sign_on_loop(struct signature *g, struct ssf_err *err)
{
	g->defer = loop_defer_start(g->signer->deps.loop, on_sign_turn, g);
	return g->defer != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "SET");
}

static int signature_sign(struct signature *g, struct ssf_err *err)
{
	return g->alg == SSF_ALG_RS256 ? sign_in_pool(g, err) : sign_on_loop(g, err);
}

/* --- requests ----------------------------------------------------------------------------------- */

static struct ssf_str find_cached(const struct set_signer *s, const struct set_request *r)
{
	return set_cache_find(s->cache, r->event->seq, r->audience,
			      keyring_signing_key(s->deps.keyring, r->alg));
}

struct ssf_str set_signer_cached(const struct set_signer *s, const struct set_request *request)
{
	struct ssf_str set = { NULL, 0 };

	if (!s->stopped)
		set = find_cached(s, request);
	metric_add_of(sign_requests, LABEL_from_cache, set.len > 0);
	return set;
}

static struct signature_list *bucket_of(struct set_signer *s, const struct set_request *r)
{
	uint64_t h = (uint64_t)r->event->seq * 0x9e3779b97f4a7c15u + (uint64_t)r->alg;

	return &s->signatures[(h >> 32) % BUCKETS];
}

static struct signature *signature_find(struct set_signer *s, const struct set_request *r)
{
	struct signature *g;

	LIST_FOREACH(g, bucket_of(s, r), link) {
		if (g->seq == r->event->seq && g->alg == r->alg && strcmp(g->audience, r->audience) == 0)
			return g;
	}
	return NULL;
}

/* The SET is in the cache: it is copied, and the answer deferred. */
static int start_from_cache(struct signature *g, struct ssf_str set, struct ssf_err *err)
{
	if (work_set_key(g, err) < 0 || ssf_buf_append(&g->work->set, set, err) < 0)
		return -1;
	g->defer = loop_defer_start(g->signer->deps.loop, on_answer_turn, g);
	return g->defer != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "SET");
}

static int signature_new(struct set_signer *s, const struct set_request *r, struct signature **out,
			 struct ssf_err *err)
{
	struct signature *g = calloc(1, sizeof(*g));
	struct ssf_str cached = find_cached(s, r);

	if (g == NULL || (g->audience = strdup(r->audience)) == NULL) {
		free(g);
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	}
	g->signer = s;
	g->seq = r->event->seq;
	g->event_ms = r->event->at_ms;
	g->alg = r->alg;
	TAILQ_INIT(&g->waiting);
	LIST_INSERT_HEAD(bucket_of(s, r), g, link);
	metric_add_of(sign_requests, cached.len > 0 ? LABEL_from_cache : LABEL_from_made, 1);
	if (work_new(g, r->event, err) < 0 ||
	    (cached.len > 0 ? start_from_cache(g, cached, err) : signature_sign(g, err)) < 0) {
		signature_free(g);
		return -1;
	}
	*out = g;
	return 0;
}

int set_signer_start(struct set_signer *s, const struct set_request *request, set_signer_done_f *f,
		     void *arg, struct set_signer_wait **out, struct ssf_err *err)
{
	struct signature *g = signature_find(s, request);
	struct set_signer_wait *w;

	if (s->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	metric_add_of(sign_requests, LABEL_from_joined, g != NULL);
	if (g == NULL && signature_new(s, request, &g, err) < 0) {
		free(w);
		return -1;
	}
	*w = (struct set_signer_wait){ .signature = g, .f = f, .arg = arg };
	TAILQ_INSERT_TAIL(&g->waiting, w, link);
	*out = w;
	return 0;
}

void set_signer_cancel(struct set_signer_wait *w)
{
	struct signature *g;

	if (w == NULL)
		return;
	g = w->signature;
	TAILQ_REMOVE(&g->waiting, w, link);
	free(w);
	if (TAILQ_EMPTY(&g->waiting) && !g->answering)
		signature_free(g);
}

/* --- end ---------------------------------------------------------------------------------------- */

void set_signer_stop(struct set_signer *s)
{
	struct ssf_err err;

	if (s == NULL)
		return;
	s->stopped = true;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!LIST_EMPTY(&s->signatures[i]))
			signature_fail(LIST_FIRST(&s->signatures[i]), &err);
	}
}

void set_signer_free(struct set_signer *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!LIST_EMPTY(&s->signatures[i]))
			signature_free(LIST_FIRST(&s->signatures[i]));
	}
	set_cache_free(s->cache);
	set_claims_free(s->claims);
	jti_free(s->jti);
	free(s);
}
