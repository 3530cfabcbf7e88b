/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that does one thing at a time, so that an earlier reading never replaces a later one:
 *
 *   read -> due by schedule?  plan -> make -> store -> update -> again
 *        -> asked for?        plan -> (make ->) store -> update -> barrier -> done
 *        -> nothing to do:    wait for a boundary of the schedule, a minute at most, then read
 *
 * Every statement returns the whole ring, so that a change and its effect are seen as one. A change
 * waits for the barrier (all other processes have it) apart from the machine, which goes on.
 */
#include "hub/keys/key_manager.h"

#include "hub/keys/key_revocation.h"
#include "hub/keys/key_rotation.h"
#include "hub/keys/keygen.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_MS 500
#define RETRY_NO_DATABASE_MS 50 /* the connection logs its state itself */
#define CHANGES_MAX 16          /* waiting to begin */

static const enum ssf_alg algs[] = { SSF_ALG_RS256, SSF_ALG_ES256 };

enum key_change_kind { KEY_CHANGE_SCHEDULED, KEY_CHANGE_ROTATE, KEY_CHANGE_REVOKE };

struct key_change {
	TAILQ_ENTRY(key_change) link;
	struct key_manager *manager;
	enum key_change_kind kind;
	enum ssf_alg alg;            /* ROTATE: NONE for all */
	bool now;                    /* ROTATE */
	char *kid;                   /* REVOKE */
	json_t *plan;                /* key_rotation.h */
	key_manager_done_f *done;    /* NULL: SCHEDULED */
	void *arg;
	struct owner_wait *barrier;  /* it is stored; other processes have still to apply it */
};

TAILQ_HEAD(key_change_list, key_change);

struct key_manager {
	struct key_manager_deps deps;
	loop_f *ready;
	void *ready_arg;
	bool is_ready, stopped;
	bool stale;                  /* the keys must be read before anything else */
	bool notified;               /* another process has changed them since the last reading began */
	struct key_change_list waiting, at_barrier;
	size_t waiting_count;
	struct key_change *current;
	struct keygen *keygen;
	struct db_op *op;
	struct loop_timer *timer;
};

static void advance(struct key_manager *m);

static void on_timer(void *arg)
{
	struct key_manager *m = arg;

	m->timer = NULL;
	m->stale = true;
	advance(m);
}

static void read_after(struct key_manager *m, int64_t ms)
{
	loop_timer_cancel(m->timer);
	m->timer = loop_timer_start(m->deps.loop, ms, on_timer, m);
}

/* --- changes ------------------------------------------------------------------------------------ */

static struct key_change *change_new(struct key_manager *m, enum key_change_kind kind,
				     key_manager_done_f *done, void *arg)
{
	struct key_change *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->plan = json_array()) == NULL) {
		free(c);
		return NULL;
	}
	c->manager = m;
	c->kind = kind;
	c->done = done;
	c->arg = arg;
	return c;
}

static void change_free(struct key_change *c)
{
	owner_settle_cancel(c->barrier);
	json_decref(c->plan);
	free(c->kid);
	free(c);
}

/* The keys of the plan as the ring has them now. */
static json_t *planned_keys(const struct key_manager *m, const struct key_change *c)
{
	json_auto_t *all = keyring_list(m->deps.keyring);
	json_t *found = json_array(), *key;
	const json_t *item;
	size_t i, n;

	json_array_foreach(c->plan, i, item) {
		json_array_foreach(all, n, key) {
			if (json_equal(json_object_get(item, "kid"), json_object_get(key, "kid")))
				json_array_append(found, key);
		}
	}
	return found;
}

/* Ends a change. err NULL: it is in force. */
static void change_end(struct key_manager *m, struct key_change *c, const struct ssf_err *err)
{
	json_auto_t *keys = err == NULL && c->done != NULL ? planned_keys(m, c) : NULL;

	if (c->done != NULL)
		c->done(c->arg, keys, err);
	change_free(c);
}

static void fail_waiting(struct key_manager *m, const struct ssf_err *err)
{
	struct key_change *c;

	while ((c = TAILQ_FIRST(&m->waiting)) != NULL) {
		TAILQ_REMOVE(&m->waiting, c, link);
		m->waiting_count--;
		change_end(m, c, err);
	}
}

/* Requests are answered with the error rather than kept waiting. */
static void retry_later(struct key_manager *m, const struct ssf_err *err)
{
	log_warn("keys.load.failed", log_why(err));
	m->stale = true;
	fail_waiting(m, err);
	read_after(m, RETRY_MS);
}

/* Whatever failed, the keys are read again before anything else happens. */
static void change_failed(struct key_manager *m, const struct ssf_err *err)
{
	struct key_change *c = SSF_STEAL(m->current);

	m->stale = true;
	if (c->kind != KEY_CHANGE_SCHEDULED) {
		change_end(m, c, err);
		advance(m);
		return;
	}
	change_free(c);
	if (err->code == SSF_E_CONFLICT) /* another process has made the key that was due */
		advance(m);
	else
		retry_later(m, err);
}

static void on_barrier(void *arg)
{
	struct key_change *c = arg;
	struct key_manager *m = c->manager;

	c->barrier = NULL;
	TAILQ_REMOVE(&m->at_barrier, c, link);
	change_end(m, c, NULL);
}

/* The change is in force here. Other processes may sign with the keys of before until they apply it. */
static void change_stored(struct key_manager *m)
{
	struct key_change *c = SSF_STEAL(m->current);
	int64_t version = keyring_snapshot(m->deps.keyring)->version;

	if (m->deps.owner == NULL ||
	    owner_settle_start(m->deps.owner, OWNER_KEYS, version, on_barrier, c, &c->barrier, NULL) < 0) {
		c->barrier = NULL;
		change_end(m, c, NULL);
	} else {
		TAILQ_INSERT_TAIL(&m->at_barrier, c, link);
	}
	advance(m);
}

/* --- read and store ----------------------------------------------------------------------------- */

static int update(struct key_manager *m, const struct db_result *rows, struct ssf_err *err)
{
	if (keyring_update(m->deps.keyring, rows, err) < 0)
		return -1;
	m->stale = m->notified;
	if (m->deps.owner != NULL)
		owner_applied(m->deps.owner, OWNER_KEYS, keyring_snapshot(m->deps.keyring)->version);
	return 0;
}

static void on_read(void *arg, const struct db_result *rows, const struct ssf_err *err)
{
	struct key_manager *m = arg;
	struct ssf_err why;

	m->op = NULL;
	if (err != NULL)
		retry_later(m, err);
	else if (update(m, rows, &why) < 0)
		retry_later(m, &why);
	else
		advance(m);
}

static void read_keys(struct key_manager *m)
{
	struct ssf_err err;

	m->notified = false;
	if (db_exec(m->deps.db, STMT_signing_keys, DB_NO_PARAMS, on_read, m, &m->op, &err) < 0) {
		m->op = NULL;
		fail_waiting(m, &err);
		read_after(m, RETRY_NO_DATABASE_MS);
	}
}

static void on_stored(void *arg, const struct db_result *rows, const struct ssf_err *err)
{
	struct key_manager *m = arg;
	struct ssf_err why;

	m->op = NULL;
	if (err != NULL && err->code == SSF_E_CONFLICT) {
		ssf_fail(&why, SSF_E_CONFLICT, "the keys have changed meanwhile: look, and try again");
		change_failed(m, &why);
	} else if (err != NULL) {
		change_failed(m, err);
	} else if (update(m, rows, &why) < 0) {
		change_failed(m, &why);
	} else {
		change_stored(m);
	}
}

static int store(struct key_manager *m, struct ssf_err *err)
{
	const struct key_change *c = m->current;
	int64_t keep_ms = keyring_schedule(m->deps.keyring)->keep_ms;
	int r = c->kind == KEY_CHANGE_REVOKE ?
			key_revocation_store(m->deps.db, c->kid, c->plan, on_stored, m, &m->op, err) :
			key_rotation_store(m->deps.db, c->plan, keep_ms, on_stored, m, &m->op, err);

	if (r < 0)
		m->op = NULL;
	return r;
}

/* --- plan and make ------------------------------------------------------------------------------ */

static void on_made(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct key_manager *m = arg;
	struct ssf_err why;
	json_t *item;
	size_t i, made = 0;

	m->keygen = NULL;
	if (err != NULL) {
		change_failed(m, err);
		return;
	}
	json_array_foreach(m->current->plan, i, item) {
		if (json_object_get(item, "kid") == NULL)
			json_object_update(item, json_array_get(keys, made++));
	}
	if (store(m, &why) < 0)
		change_failed(m, &why);
}

static int make_or_store(struct key_manager *m, struct ssf_err *err)
{
	const struct keygen_deps deps = { m->deps.pool, m->deps.master };
	enum ssf_alg missing[KEYGEN_MAX];
	const json_t *item;
	size_t i, count = 0;

	json_array_foreach(m->current->plan, i, item) {
		if (json_object_get(item, "kid") == NULL)
			missing[count++] = ssf_alg_from_name(
				ssf_str_c(json_string_value(json_object_get(item, "alg"))));
	}
	if (count == 0)
		return store(m, err);
	return keygen_start(&deps, missing, count, on_made, m, &m->keygen, err);
}

static int plan(const struct key_manager *m, const struct key_change *c, struct ssf_err *err)
{
	const struct keyring *k = m->deps.keyring;
	int r = 0;

	if (c->kind == KEY_CHANGE_REVOKE)
		return key_revocation_plan(k, c->kid, c->plan, err);
	for (size_t i = 0; r == 0 && i < SSF_ARRAY_SIZE(algs); i++) {
		if (c->kind == KEY_CHANGE_SCHEDULED)
			r = key_rotation_plan_due(k, algs[i], c->plan, err);
		else if (c->alg == SSF_ALG_NONE || c->alg == algs[i])
			r = key_rotation_plan(k, algs[i], c->now, c->plan, err);
	}
	return r;
}

static void begin_change(struct key_manager *m, struct key_change *c)
{
	struct ssf_err err;

	m->current = c;
	if (plan(m, c, &err) < 0 || make_or_store(m, &err) < 0)
		change_failed(m, &err);
}

/* --- the machine -------------------------------------------------------------------------------- */

static bool any_due(const struct key_manager *m)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		if (key_rotation_is_due(m->deps.keyring, algs[i]))
			return true;
	}
	return false;
}

static void begin_scheduled(struct key_manager *m)
{
	struct key_change *c = change_new(m, KEY_CHANGE_SCHEDULED, NULL, NULL);
	struct ssf_err err;

	if (c != NULL) {
		begin_change(m, c);
	} else {
		ssf_fail(&err, SSF_E_NOMEM, "signing keys");
		retry_later(m, &err);
	}
}

static void advance(struct key_manager *m)
{
	const struct keyring *k = m->deps.keyring;
	const struct key_snapshot *s = keyring_snapshot(k);
	struct key_change *c;

	if (m->stopped || keyring_is_locked_out(k) || m->op != NULL || m->current != NULL)
		return;
	if (s == NULL || m->stale) {
		if (m->timer == NULL)
			read_keys(m);
		return;
	}
	if (any_due(m)) {
		begin_scheduled(m);
		return;
	}
	if (!m->is_ready) {
		m->is_ready = true;
		m->ready(m->ready_arg);
	}
	c = TAILQ_FIRST(&m->waiting);
	if (c != NULL) {
		TAILQ_REMOVE(&m->waiting, c, link);
		m->waiting_count--;
		begin_change(m, c);
	} else {
		read_after(m, key_schedule_wait_ms(keyring_schedule(k), s->times, s->n, algs,
						SSF_ARRAY_SIZE(algs), keyring_now_ms(k)));
	}
}

int key_manager_new(const struct key_manager_deps *deps, loop_f *ready, void *arg,
		    struct key_manager **out, struct ssf_err *err)
{
	struct key_manager *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	m->deps = *deps;
	m->ready = ready;
	m->ready_arg = arg;
	TAILQ_INIT(&m->waiting);
	TAILQ_INIT(&m->at_barrier);
	m->timer = loop_timer_start(deps->loop, 0, on_timer, m);
	if (m->timer == NULL) {
		key_manager_free(m);
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	}
	*out = m;
	return 0;
}

void key_manager_stop(struct key_manager *m)
{
	struct ssf_err err;
	struct key_change *c;

	if (m == NULL)
		return;
	m->stopped = true;
	keygen_cancel(SSF_STEAL(m->keygen));
	db_cancel(SSF_STEAL(m->op));
	loop_timer_cancel(SSF_STEAL(m->timer));
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	if (m->current != NULL)
		change_end(m, SSF_STEAL(m->current), &err);
	while ((c = TAILQ_FIRST(&m->at_barrier)) != NULL) {
		TAILQ_REMOVE(&m->at_barrier, c, link);
		change_end(m, c, &err);
	}
	fail_waiting(m, &err);
}

void key_manager_free(struct key_manager *m)
{
	key_manager_stop(m);
	free(m);
}

void key_manager_reload(struct key_manager *m)
{
	m->stale = m->notified = true;
	if (!m->stopped && m->op == NULL && m->current == NULL)
		read_after(m, 0);
}

/* --- requests ----------------------------------------------------------------------------------- */

/* Takes c, which may be NULL. */
static int enqueue(struct key_manager *m, struct key_change *c, struct ssf_err *err)
{
	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	if (m->stopped || m->waiting_count == CHANGES_MAX) {
		change_free(c);
		return m->stopped ? ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down") :
				    ssf_fail(err, SSF_E_BUSY, "too many changes of keys wait");
	}
	TAILQ_INSERT_TAIL(&m->waiting, c, link);
	m->waiting_count++;
	if (m->op == NULL && m->current == NULL)
		read_after(m, 0);
	return 0;
}

int key_manager_rotate(struct key_manager *m, enum ssf_alg alg, bool now, key_manager_done_f *done,
		       void *arg, struct ssf_err *err)
{
	struct key_change *c = change_new(m, KEY_CHANGE_ROTATE, done, arg);

	if (c != NULL) {
		c->alg = alg;
		c->now = now;
	}
	return enqueue(m, c, err);
}

int key_manager_revoke(struct key_manager *m, const char *kid, key_manager_done_f *done, void *arg,
		       struct ssf_err *err)
{
	struct key_change *c = change_new(m, KEY_CHANGE_REVOKE, done, arg);

	if (c != NULL && (c->kid = strdup(kid)) == NULL) {
		change_free(c);
		c = NULL;
	}
	return enqueue(m, c, err);
}
