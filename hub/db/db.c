/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connections and the statements that wait for one. It must never hold a statement back for a connection
 * that may come later.
 */
#include "hub/db/db.h"

#include "hub/db/conn.h"
#include "hub/db/sqlstate.h"
#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"
#include "lib/ssf/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/*
 * Every statement is meant to go by an index, whatever the size of its tables, and is planned once: a plan made while
 * a table was small must not read it through when it is large.
 */
#define SESSION_SQL \
	"select count(set_config(n, v, false)) = 3 from (values ('enable_seqscan', 'off'), ('jit', 'off')," \
	" ('plan_cache_mode', 'force_generic_plan')) s (n, v)"

struct db_op {
	TAILQ_ENTRY(db_op) link; /* in db->queue, until a connection takes it */
	struct db *db;
	struct slot *slot;	 /* whose connection runs it; NULL: queued */
	enum stmt stmt;
	struct db_encoded_params params;
	db_done_f *done;
	void *arg;
	bool detached;
	struct loop_timer *deadline;
	int64_t queued_us, sent_us; /* monotonic */
};

struct slot {
	struct db *db;
	struct conn *conn;
	struct db_op *op; /* that it runs */
};

struct db {
	struct loop *loop;
	char *conninfo;
	char *session_sql;
	size_t queue_max;
	int timeout_ms;
	db_state_f *state;
	void (*notified)(void *arg, const char *payload);
	void *arg;
	unsigned up;	     /* connections that are ready or busy */
	size_t queued;
	size_t detached;     /* statements without a handle */
	int64_t answered_us; /* when the database last answered anything, monotonic */
	TAILQ_HEAD(, db_op) queue;
	struct loop_defer *dispatch;
	unsigned slot_count;
	struct slot *slots;
};

/* --- statements ------------------------------------------------------------------------- */

static void op_free(struct db_op *op)
{
	loop_timer_cancel(op->deadline);
	op->db->detached -= op->detached;
	db_encoded_params_done(&op->params);
	free(op);
}

/* Takes op off the queue or its connection, tells its owner, frees it. */
static void op_finish(struct db_op *op, const struct db_result *result, const struct ssf_err *err)
{
	int64_t us = loop_now_us() - op->queued_us;

	metric_add_of2(db_statements, op->stmt, err == NULL ? LABEL_result_ok : LABEL_result_failed, 1);
	metric_add_of(db_statement_time, op->stmt, us);
	metric_observe(db_statement_seconds, us);
	if (op->slot != NULL) {
		op->slot->op = NULL;
	} else {
		TAILQ_REMOVE(&op->db->queue, op, link);
		op->db->queued--;
	}
	if (op->done != NULL)
		op->done(op->arg, result, err);
	op_free(op);
}

static void slot_run(struct slot *s, struct db_op *op)
{
	TAILQ_REMOVE(&op->db->queue, op, link);
	op->db->queued--;
	op->slot = s;
	op->sent_us = loop_now_us();
	s->op = op;
	conn_start_stmt(s->conn, op->stmt, &op->params);
}

static void start_queued(struct db *db)
{
	for (unsigned i = 0; i < db->slot_count && !TAILQ_EMPTY(&db->queue); i++) {
		if (conn_is_ready(db->slots[i].conn))
			slot_run(&db->slots[i], TAILQ_FIRST(&db->queue));
	}
}

static void on_dispatch(void *arg)
{
	struct db *db = arg;

	db->dispatch = NULL;
	start_queued(db);
}

static void plan_dispatch(struct db *db)
{
	if (db->dispatch == NULL && !TAILQ_EMPTY(&db->queue))
		db->dispatch = loop_defer_start(db->loop, on_dispatch, db);
}

/* A statement that takes too long takes its connection with it: its outcome is unknown. */
static void on_deadline(void *arg)
{
	struct db_op *op = arg;
	struct ssf_err err;

	op->deadline = NULL;
	if (op->slot != NULL) {
		conn_drop(op->slot->conn, SSF_E_TIMEOUT, "statement took too long");
		return;
	}
	ssf_fail(&err, SSF_E_TIMEOUT, "database: no connection was free in time");
	op_finish(op, NULL, &err);
}

/* --- what connections tell ---------------------------------------------------------------- */

static void on_conn_up(void *arg)
{
	struct slot *s = arg;
	struct db *db = s->db;

	if (db->up++ == 0 && db->state != NULL)
		db->state(db->arg, true);
	plan_dispatch(db);
}

static void on_conn_down(void *arg, bool was_up, const struct ssf_err *err)
{
	struct slot *s = arg;
	struct db *db = s->db;

	db->up -= was_up;
	if (s->op != NULL)
		op_finish(s->op, NULL, err);
	if (!was_up || db->up > 0)
		return;
	/* only those that wait now: what a callback adds fails by itself, as no connection is up */
	for (size_t n = db->queued; n > 0 && !TAILQ_EMPTY(&db->queue); n--)
		op_finish(TAILQ_FIRST(&db->queue), NULL, err);
	if (db->state != NULL)
		db->state(db->arg, false);
}

static void on_conn_done(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct slot *s = arg;

	s->db->answered_us = loop_now_us();
	plan_dispatch(s->db);
	op_finish(s->op, result, err);
}

static void on_conn_notified(void *arg, const char *payload)
{
	struct slot *s = arg;

	if (s->db->notified != NULL)
		s->db->notified(s->db->arg, payload);
}

static const struct conn_events conn_events = { on_conn_up, on_conn_down, on_conn_done, on_conn_notified };

/* --- the pool ----------------------------------------------------------------------------- */

static int open_slots(struct db *db, const struct db_conf *conf)
{
	db->slots = calloc(conf->connections, sizeof(*db->slots));
	if (db->conninfo == NULL || db->session_sql == NULL || db->slots == NULL)
		return -1;
	for (; db->slot_count < conf->connections; db->slot_count++) {
		struct slot *s = &db->slots[db->slot_count];
		const struct conn_conf conn = { db->conninfo, db->session_sql, conf->detect_dead_peer,
						&conn_events, s };
		s->db = db;
		s->conn = conn_new(db->loop, &conn);
		if (s->conn == NULL)
			return -1;
	}
	return 0;
}

int db_new(struct loop *loop, const struct db_conf *conf, db_state_f *state, void *arg,
	   struct db **out, struct ssf_err *err)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "database");
	TAILQ_INIT(&db->queue);
	db->loop = loop;
	db->queue_max = conf->queue_max;
	db->timeout_ms = conf->timeout_ms;
	db->notified = conf->notified;
	db->state = state;
	db->arg = arg;
	db->conninfo = strdup(conf->conninfo);
	if (asprintf(&db->session_sql, SESSION_SQL ";%s", conf->session_sql != NULL ? conf->session_sql : "") < 0)
		db->session_sql = NULL;
	if (open_slots(db, conf) < 0) {
		db_free(db);
		return ssf_fail(err, SSF_E_NOMEM, "database");
	}
	for (int i = 0; i < STMT_COUNT; i++)
		metrics_name_statement[i] = stmt_info(i)->name;
	*out = db;
	return 0;
}

void db_stop(struct db *db)
{
	if (db == NULL)
		return;
	db->state = NULL;
	db->notified = NULL;
	for (unsigned i = 0; i < db->slot_count; i++)
		conn_stop(db->slots[i].conn);
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	assert(db->detached == 0);
	for (unsigned i = 0; i < db->slot_count; i++) {
		conn_free(db->slots[i].conn);
		if (db->slots[i].op != NULL)
			op_free(db->slots[i].op);
	}
	while (!TAILQ_EMPTY(&db->queue)) {
		struct db_op *op = TAILQ_FIRST(&db->queue);
		TAILQ_REMOVE(&db->queue, op, link);
		op_free(op);
	}
	loop_defer_cancel(db->dispatch);
	free(db->slots);
	free(db->conninfo);
	free(db->session_sql);
	free(db);
}

void db_drop(struct db *db, const char *why)
{
	for (unsigned i = 0; i < db->slot_count; i++)
		conn_drop(db->slots[i].conn, SSF_E_UNAVAILABLE, why);
}

bool db_is_up(const struct db *db)
{
	return db->up > 0;
}

int64_t db_silent_ms(const struct db *db)
{
	int64_t since = INT64_MAX;

	for (unsigned i = 0; i < db->slot_count; i++) {
		const struct db_op *op = db->slots[i].op;
		if (op != NULL && op->sent_us < since)
			since = op->sent_us;
	}
	if (since == INT64_MAX)
		return 0;
	return (loop_now_us() - (since > db->answered_us ? since : db->answered_us)) / 1000;
}

unsigned db_connections(const struct db *db)
{
	return db->up;
}

size_t db_queued(const struct db *db)
{
	return db->queued;
}

/* --- running a statement ------------------------------------------------------------------ */

static struct db_op *op_new(struct db *db, enum stmt stmt, db_done_f *done, void *arg, struct ssf_err *err)
{
	struct db_op *op;

	if (db->up == 0) {
		ssf_fail(err, SSF_E_UNAVAILABLE, "database: no connection");
		return NULL;
	}
	if (db->queued >= db->queue_max) {
		ssf_fail(err, SSF_E_BUSY, "database: too many statements are waiting");
		return NULL;
	}
	op = calloc(1, sizeof(*op));
	if (op == NULL || (op->deadline = loop_timer_start(db->loop, db->timeout_ms, on_deadline, op)) == NULL) {
		free(op);
		ssf_fail(err, SSF_E_NOMEM, "database");
		return NULL;
	}
	op->db = db;
	op->stmt = stmt;
	op->queued_us = loop_now_us();
	op->done = done;
	op->arg = arg;
	return op;
}

static void op_enqueue(struct db_op *op)
{
	struct db *db = op->db;

	TAILQ_INSERT_TAIL(&db->queue, op, link);
	db->queued++;
	start_queued(db);
}

int db_exec_params(struct db *db, enum stmt stmt, const struct db_params *params, db_done_f *done, void *arg,
		   struct db_op **out, struct ssf_err *err)
{
	const struct stmt_info *info = stmt_info(stmt);
	struct db_op *op = op_new(db, stmt, done, arg, err);

	assert(db_params_match(params, info->types, info->param_count));
	if (op == NULL)
		return -1;
	if (db_params_encode(params, &op->params, err) < 0) {
		op_free(op);
		return -1;
	}
	op_enqueue(op);
	*out = op;
	return 0;
}

int db_exec_detached(struct db *db, enum stmt stmt, const struct db_params *params, db_done_f *done, void *arg,
		     struct ssf_err *err)
{
	struct db_op *op;

	if (db_exec_params(db, stmt, params, done, arg, &op, err) < 0)
		return -1;
	op->detached = true;
	db->detached++;
	return 0;
}

int db_exec_text(struct db *db, enum stmt stmt, const char *const *params, db_done_f *done, void *arg,
		 struct db_op **out, struct ssf_err *err)
{
	struct db_op *op = op_new(db, stmt, done, arg, err);

	if (op == NULL)
		return -1;
	for (size_t i = 0; i < stmt_info(stmt)->param_count; i++) {
		if (params[i] == NULL)
			continue;
		op->params.values[i] = op->params.owned[i] = strdup(params[i]);
		if (op->params.owned[i] == NULL) {
			op_free(op);
			return ssf_fail(err, SSF_E_NOMEM, "database");
		}
	}
	op_enqueue(op);
	if (out != NULL)
		*out = op;
	return 0;
}

void db_cancel(struct db_op *op)
{
	if (op == NULL)
		return;
	if (op->slot != NULL) {
		op->done = NULL; /* stays with its connection, and keeps its deadline */
		return;
	}
	TAILQ_REMOVE(&op->db->queue, op, link);
	op->db->queued--;
	op_free(op);
}

/* [1,"a"] becomes {1,"a"}: escapes are the same in both. */
char *db_array(const json_t *list)
{
	char *text = json_dumps(list, JSON_COMPACT);

	if (text != NULL) {
		text[0] = '{';
		text[strlen(text) - 1] = '}';
	}
	return text;
}
