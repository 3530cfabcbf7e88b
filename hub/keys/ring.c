/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thing at a time, so that what was read earlier never replaces what was read later:
 *
 *   read -> due? make -> store ->\
 *        -> asked for? plan -> (make ->) store -> ... -> wait (a boundary, or a minute) -> read
 *                                             \-> (all others know ->) told
 *
 * Every statement gives the whole ring back, so a change and what follows of it are seen as one.
 */
#include "hub/keys/ring.h"

#include "hub/keys/key_snapshot.h"
#include "hub/keys/keygen.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_MS 500
#define CHANGES_MAX 16      /* asked for and not begun */
#define JWKS_MAX_AGE_S 300

static const enum ssf_alg algs[] = { SSF_ALG_RS256, SSF_ALG_ES256 };

enum what { SCHEDULED, ROTATE, REVOKE };

struct change {
	TAILQ_ENTRY(change) link;
	enum what what;
	enum ssf_alg alg;       /* ROTATE: NONE for all */
	bool now;
	char *kid;              /* REVOKE */
	ring_changed_f *f;      /* NULL: SCHEDULED */
	void *arg;
	json_t *batch;          /* for rotate_signing_keys(); REVOKE: the replacement, if any */
	struct ring *ring;
	struct owner_wait *settling; /* it is stored, and waits for the others */
};

struct ring {
	struct loop *loop;
	struct db *db;
	struct pool *pool;
	const struct master_key *master;
	struct key_schedule_conf conf;
	struct ring_hooks hooks;
	struct key_snapshot *held;
	int64_t clock_ms;       /* the database's time minus the loop's */
	bool stale;             /* to be read before anything else */
	bool looked_for;        /* news, since the last reading was begun */
	bool told_ready, locked_out, stopped;
	struct owner *owner;
	TAILQ_HEAD(change_list, change) changes;
	struct change_list settling;
	size_t change_count;
	struct change *current;
	struct keygen *mint;
	struct db_op *op;
	struct loop_timer *timer;
};

static void step(struct ring *r);

static int64_t now_ms(const struct ring *r)
{
	return loop_now_ms() + r->clock_ms;
}

/* --- what is there -------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct ring *r = arg;

	r->timer = NULL;
	r->stale = true;
	step(r);
}

static void wait_ms(struct ring *r, int64_t ms)
{
	loop_timer_cancel(r->timer);
	r->timer = loop_timer_start(r->loop, ms, on_timer, r);
}

static void log_added(const struct ring *r, const struct key_snapshot *before)
{
	for (size_t i = 0; i < r->held->n; i++) {
		const struct held_key *k = &r->held->keys[i];
		if (key_snapshot_find(before, ssf_str_c(k->kid)) < 0 && k->key != NULL)
			log_info("keys.added", log_str("kid", k->kid),
				 log_str("alg", ssf_alg_name(r->held->times[i].alg)));
	}
}

/* Whether one of those before is not published any more. */
static bool log_gone(const struct ring *r, const struct key_snapshot *before)
{
	bool gone = false;

	for (size_t i = 0; i < before->n; i++) {
		const struct held_key *k = &before->keys[i];
		if (key_snapshot_find(r->held, ssf_str_c(k->kid)) < 0 && k->key != NULL) {
			log_info("keys.gone", log_str("kid", k->kid),
				 log_str("alg", ssf_alg_name(before->times[i].alg)));
			gone = true;
		}
	}
	return gone;
}

static int take(struct ring *r, const struct db_result *rows, struct ssf_err *err)
{
	struct key_snapshot *fresh = NULL;
	ssf_auto(key_snapshot) before = NULL;

	if (key_snapshot_read(rows, r->master, r->held, &fresh, err) < 0)
		return -1;
	before = r->held;
	r->held = fresh;
	r->stale = r->looked_for;
	if (fresh->now_ms != 0)
		r->clock_ms = fresh->now_ms - loop_now_ms();
	/* new keys beside old ones that do not open would help nobody */
	r->locked_out = fresh->n > 0 && !key_snapshot_any_usable(fresh);
	if (before != NULL) {
		log_added(r, before);
		if (log_gone(r, before))
			r->hooks.gone(r->hooks.gone_arg);
	}
	if (r->owner != NULL)
		owner_applied(r->owner, OWNER_KEYS, fresh->change);
	return 0;
}

static void tell_waiting(struct ring *r, const struct ssf_err *err);

/* Who asks for a change is told rather than kept waiting. */
static void retry_later(struct ring *r, const struct ssf_err *err)
{
	log_warn("keys.load.failed", log_why(err));
	r->stale = true;
	tell_waiting(r, err);
	wait_ms(r, RETRY_MS);
}

static void on_read(void *arg, const struct db_result *rows, const struct ssf_err *err)
{
	struct ring *r = arg;
	struct ssf_err why;

	r->op = NULL;
	if (err != NULL)
		retry_later(r, err);
	else if (take(r, rows, &why) < 0)
		retry_later(r, &why);
	else
		step(r);
}

static void read_ring(struct ring *r)
{
	struct ssf_err err;

	r->looked_for = false;
	if (db_exec(r->db, STMT_signing_keys, NULL, on_read, r, &r->op, &err) < 0) {
		r->op = NULL;
		tell_waiting(r, &err);
		wait_ms(r, RETRY_MS / 10); /* said by who owns the connection */
	}
}

/* --- the end of a change ---------------------------------------------------------------------------- */

static void change_free(struct change *c)
{
	owner_settle_cancel(c->settling);
	json_decref(c->batch);
	free(c->kid);
	free(c);
}

/* Those of the ring that are in the batch. */
static json_t *changed_keys(const struct ring *r, const struct change *c)
{
	json_t *all = ring_list(r), *found = json_array();
	const json_t *item;
	json_t *key;
	size_t i, n;

	json_array_foreach(c->batch, i, item) {
		json_array_foreach(all, n, key) {
			if (json_equal(json_object_get(item, "kid"), json_object_get(key, "kid")))
				json_array_append(found, key);
		}
	}
	json_decref(all);
	return found;
}

static void change_tell(const struct ring *r, struct change *c, const struct ssf_err *err)
{
	json_t *keys = err == NULL ? changed_keys(r, c) : NULL;

	if (c->f != NULL)
		c->f(c->arg, keys, err);
	json_decref(keys);
	change_free(c);
}

static void tell_waiting(struct ring *r, const struct ssf_err *err)
{
	struct change *c;

	while ((c = TAILQ_FIRST(&r->changes)) != NULL) {
		TAILQ_REMOVE(&r->changes, c, link);
		r->change_count--;
		change_tell(r, c, err);
	}
}

static void on_settled(void *arg)
{
	struct change *c = arg;

	c->settling = NULL;
	TAILQ_REMOVE(&c->ring->settling, c, link);
	change_tell(c->ring, c, NULL);
}

/* What is stored is in force here; others may sign by what it was before until they know. */
static void change_done(struct ring *r)
{
	struct change *c = SSF_STEAL(r->current);

	if (r->owner == NULL || owner_settle_start(r->owner, OWNER_KEYS, r->held->change, on_settled, c,
						   &c->settling, NULL) < 0) {
		c->settling = NULL;
		change_tell(r, c, NULL);
	} else {
		TAILQ_INSERT_TAIL(&r->settling, c, link);
	}
	step(r);
}

/* Whatever failed, the ring is read again before anything else is done. */
static void change_failed(struct ring *r, const struct ssf_err *err)
{
	struct change *c = SSF_STEAL(r->current);

	r->stale = true;
	if (c->f == NULL && err->code == SSF_E_CONFLICT) { /* somebody else has made what was due */
		change_free(c);
		step(r);
	} else if (c->f == NULL) {
		retry_later(r, err);
		change_free(c);
	} else {
		change_tell(r, c, err);
		step(r);
	}
}

/* --- store ---------------------------------------------------------------------------------------------- */

static void on_stored(void *arg, const struct db_result *rows, const struct ssf_err *err)
{
	struct ring *r = arg;
	struct ssf_err why;

	r->op = NULL;
	if (err != NULL && err->code == SSF_E_CONFLICT) {
		ssf_fail(&why, SSF_E_CONFLICT, "the keys have changed meanwhile: look, and try again");
		change_failed(r, &why);
	} else if (err != NULL) {
		change_failed(r, err);
	} else if (take(r, rows, &why) < 0) {
		change_failed(r, &why);
	} else {
		change_done(r);
	}
}

static int store_rotation(struct ring *r, struct ssf_err *err)
{
	ssf_auto_free char *batch = json_dumps(r->current->batch, JSON_COMPACT);
	char keep[24];
	const char *params[] = { batch, keep };

	if (batch == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	snprintf(keep, sizeof(keep), "%lld", (long long)r->conf.keep_ms);
	return db_exec(r->db, STMT_signing_keys_rotate, params, on_stored, r, &r->op, err);
}

static int store_revocation(struct ring *r, struct ssf_err *err)
{
	const json_t *replacement = json_array_get(r->current->batch, 0);
	ssf_auto_free char *text = replacement != NULL ? json_dumps(replacement, JSON_COMPACT) : NULL;
	const char *params[] = { r->current->kid, text };

	if (replacement != NULL && text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	return db_exec(r->db, STMT_signing_key_revoke, params, on_stored, r, &r->op, err);
}

static int store(struct ring *r, struct ssf_err *err)
{
	int stored = r->current->what == REVOKE ? store_revocation(r, err) : store_rotation(r, err);

	if (stored < 0)
		r->op = NULL;
	return stored;
}

/* --- make ------------------------------------------------------------------------------------------------ */

/* An item of the batch without a kid is for a key that has still to be made. */
static void on_minted(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct ring *r = arg;
	struct ssf_err why;
	json_t *item;
	size_t i, made = 0;

	r->mint = NULL;
	if (err != NULL) {
		change_failed(r, err);
		return;
	}
	json_array_foreach(r->current->batch, i, item) {
		if (json_object_get(item, "kid") == NULL)
			json_object_update(item, json_array_get(keys, made++));
	}
	if (store(r, &why) < 0)
		change_failed(r, &why);
}

static int make_or_store(struct ring *r, struct ssf_err *err)
{
	enum ssf_alg missing[MINT_MAX];
	const json_t *item;
	size_t i, count = 0;

	json_array_foreach(r->current->batch, i, item) {
		if (json_object_get(item, "kid") == NULL)
			missing[count++] = ssf_alg_from_name(
				ssf_str_c(json_string_value(json_object_get(item, "alg"))));
	}
	if (count == 0)
		return store(r, err);
	return keygen_start(r->pool, r->master, missing, count, on_minted, r, &r->mint, err);
}

/* --- plan ------------------------------------------------------------------------------------------------- */

static int plan_item(struct ring *r, enum ssf_alg alg, int64_t ahead_ms, int64_t not_before_ms,
		     const char *kid, struct ssf_err *err)
{
	const struct key_snapshot *h = r->held;
	int newest = key_schedule_newest(h->times, h->n, alg);
	json_t *item = json_pack("{s:s, s:s?, s:I, s:I, s:s*}", "alg", ssf_alg_name(alg), "after",
				 newest >= 0 ? h->keys[newest].kid : NULL, "ahead_ms",
				 (json_int_t)ahead_ms, "not_before_ms", (json_int_t)not_before_ms, "kid",
				 kid);

	if (json_array_append_new(r->current->batch, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	return 0;
}

static bool due(const struct ring *r, enum ssf_alg alg)
{
	return key_schedule_due(&r->conf, r->held->times, r->held->n, alg, now_ms(r)) <= now_ms(r);
}

static int plan_scheduled(struct ring *r, enum ssf_alg alg, struct ssf_err *err)
{
	int signing = key_schedule_signing(r->held->times, r->held->n, alg, now_ms(r));

	if (!due(r, alg))
		return 0;
	if (signing < 0)
		return plan_item(r, alg, 0, 0, NULL, err);
	return plan_item(r, alg, r->conf.ahead_ms, key_schedule_ends(&r->conf, &r->held->times[signing]), NULL, err);
}

static int plan_rotation(struct ring *r, enum ssf_alg alg, struct ssf_err *err)
{
	const struct key_snapshot *h = r->held;
	bool now = r->current->now;
	int waiting = key_schedule_waiting(h->times, h->n, alg, now_ms(r));

	if (waiting >= 0 && !now)
		return ssf_fail(err, SSF_E_CONFLICT, "%s: the next key waits already", ssf_alg_name(alg));
	if (waiting >= 0)
		return plan_item(r, alg, 0, 0, h->keys[waiting].kid, err);
	if (key_schedule_full(h->times, h->n, alg, now_ms(r)))
		return ssf_fail(err, SSF_E_CONFLICT, "%s: %d keys are published: wait until one is not",
				ssf_alg_name(alg), KEY_SCHEDULE_PUBLISHED_MAX);
	return plan_item(r, alg, now ? 0 : r->conf.ahead_ms, 0, NULL, err);
}

static int plan_revocation(struct ring *r, struct ssf_err *err)
{
	const struct key_snapshot *h = r->held;
	int at = key_snapshot_find(h, ssf_str_c(r->current->kid));

	if (at < 0 || !key_schedule_published(&h->times[at], now_ms(r)))
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such key");
	for (int i = 0; i < (int)h->n; i++) {
		if (i != at && h->times[i].alg == h->times[at].alg &&
		    key_schedule_published(&h->times[i], now_ms(r)))
			return 0;
	}
	return plan_item(r, h->times[at].alg, 0, 0, NULL, err);
}

static int plan(struct ring *r, struct ssf_err *err)
{
	const struct change *c = r->current;
	int planned = 0;

	if (c->what == REVOKE)
		return plan_revocation(r, err);
	for (size_t i = 0; planned == 0 && i < SSF_ARRAY_SIZE(algs); i++) {
		if (c->what == SCHEDULED)
			planned = plan_scheduled(r, algs[i], err);
		else if (c->alg == SSF_ALG_NONE || c->alg == algs[i])
			planned = plan_rotation(r, algs[i], err);
	}
	return planned;
}

static void begin(struct ring *r, struct change *c)
{
	struct ssf_err err;

	r->current = c;
	if (plan(r, &err) < 0 || make_or_store(r, &err) < 0)
		change_failed(r, &err);
}

/* --- the machine ------------------------------------------------------------------------------------------- */

static struct change *change_new(struct ring *r, enum what what, ring_changed_f *f, void *arg)
{
	struct change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ring = r;
	c->what = what;
	c->f = f;
	c->arg = arg;
	c->batch = json_array();
	if (c->batch == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

/* By our own schedule; false if nothing is due. */
static bool begin_scheduled(struct ring *r)
{
	struct change *c;
	struct ssf_err err;
	bool any = false;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++)
		any = any || due(r, algs[i]);
	if (!any)
		return false;
	c = change_new(r, SCHEDULED, NULL, NULL);
	if (c != NULL) {
		begin(r, c);
	} else {
		ssf_fail(&err, SSF_E_NOMEM, "signing keys");
		retry_later(r, &err);
	}
	return true;
}

static void begin_next(struct ring *r)
{
	struct change *c = TAILQ_FIRST(&r->changes);

	TAILQ_REMOVE(&r->changes, c, link);
	r->change_count--;
	begin(r, c);
}

static void tell_ready(struct ring *r)
{
	if (r->told_ready)
		return;
	r->told_ready = true;
	r->hooks.ready(r->hooks.ready_arg);
}

static void step(struct ring *r)
{
	if (r->stopped || r->locked_out || r->op != NULL || r->current != NULL)
		return;
	if (r->held == NULL || r->stale) {
		if (r->timer == NULL)
			read_ring(r);
	} else if (!begin_scheduled(r)) {
		tell_ready(r);
		if (!TAILQ_EMPTY(&r->changes))
			begin_next(r);
		else
			wait_ms(r, key_schedule_look(&r->conf, r->held->times, r->held->n, algs,
					     SSF_ARRAY_SIZE(algs), now_ms(r)));
	}
}

int ring_new(struct loop *loop, struct db *db, struct pool *pool, const struct master_key *master,
	     const struct key_schedule_conf *conf, const struct ring_hooks *hooks, struct ring **out,
	     struct ssf_err *err)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	*r = (struct ring){ .loop = loop, .db = db, .pool = pool, .master = master, .conf = *conf,
			    .hooks = *hooks, .clock_ms = wall_now_ms() - loop_now_ms() };
	TAILQ_INIT(&r->changes);
	TAILQ_INIT(&r->settling);
	r->timer = loop_timer_start(loop, 0, on_timer, r);
	if (r->timer == NULL) {
		ring_free(r);
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	}
	*out = r;
	return 0;
}

void ring_stop(struct ring *r)
{
	struct ssf_err err;

	if (r == NULL)
		return;
	r->stopped = true;
	keygen_cancel(r->mint);
	r->mint = NULL;
	db_cancel(r->op);
	r->op = NULL;
	loop_timer_cancel(r->timer);
	r->timer = NULL;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	if (r->current != NULL)
		change_tell(r, SSF_STEAL(r->current), &err);
	while (!TAILQ_EMPTY(&r->settling)) {
		struct change *c = TAILQ_FIRST(&r->settling);
		TAILQ_REMOVE(&r->settling, c, link);
		change_tell(r, c, &err);
	}
	tell_waiting(r, &err);
}

void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	ring_stop(r);
	key_snapshot_free(r->held);
	free(r);
}

void ring_share(struct ring *r, struct owner *owner)
{
	r->owner = owner;
}

void ring_look(struct ring *r)
{
	r->stale = r->looked_for = true;
	if (!r->stopped && r->op == NULL && r->current == NULL)
		wait_ms(r, 0);
}

bool ring_locked_out(const struct ring *r)
{
	return r->locked_out;
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

struct ssf_key *ring_signing(const struct ring *r, enum ssf_alg alg)
{
	int at = r->held != NULL ? key_schedule_signing(r->held->times, r->held->n, alg, now_ms(r)) : -1;

	return at >= 0 ? r->held->keys[at].key : NULL;
}

const struct ssf_key *ring_find(const struct ring *r, struct ssf_str kid, enum ssf_alg alg)
{
	int at = r->held != NULL ? key_snapshot_find(r->held, kid) : -1;

	if (at < 0 || r->held->times[at].alg != alg || !key_schedule_published(&r->held->times[at], now_ms(r)))
		return NULL;
	return r->held->keys[at].key;
}

json_t *ring_jwks(const struct ring *r)
{
	return r->held != NULL ? key_snapshot_jwks(r->held, now_ms(r)) : json_pack("{s:[]}", "keys");
}

int64_t ring_jwks_max_age(const struct ring *r)
{
	int64_t quarter = r->conf.ahead_ms / 4 / 1000;

	return quarter < JWKS_MAX_AGE_S ? quarter : JWKS_MAX_AGE_S;
}

json_t *ring_list(const struct ring *r)
{
	return r->held != NULL ? key_snapshot_list(r->held, now_ms(r)) : json_array();
}

/* --- asking for a change ---------------------------------------------------------------------------------------- */

/* Takes c, which may be NULL. */
static int enqueue(struct ring *r, struct change *c, struct ssf_err *err)
{
	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	if (r->stopped || r->change_count == CHANGES_MAX) {
		change_free(c);
		return r->stopped ? ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down") :
				    ssf_fail(err, SSF_E_BUSY, "too many changes of keys wait");
	}
	TAILQ_INSERT_TAIL(&r->changes, c, link);
	r->change_count++;
	if (r->op == NULL && r->current == NULL)
		wait_ms(r, 0); /* reads first */
	return 0;
}

int ring_rotate(struct ring *r, enum ssf_alg alg, bool now, ring_changed_f *f, void *arg,
		struct ssf_err *err)
{
	struct change *c = change_new(r, ROTATE, f, arg);

	if (c != NULL) {
		c->alg = alg;
		c->now = now;
	}
	return enqueue(r, c, err);
}

int ring_revoke(struct ring *r, const char *kid, ring_changed_f *f, void *arg, struct ssf_err *err)
{
	struct change *c = change_new(r, REVOKE, f, arg);

	if (c != NULL && (c->kid = strdup(kid)) == NULL) {
		change_free(c);
		c = NULL;
	}
	return enqueue(r, c, err);
}
