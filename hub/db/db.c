/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only asynchronous libpq. A connection is a small machine:
 *
 *   down -> connecting -> session -> ready <-> busy, and from everywhere back to down
 *
 * It must never hold a statement back for a connection that may come later, and never
 * report an outcome that it does not know.
 */
#include "hub/db/db.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/json_plain.h"

#include <libpq-fe.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 2000
#define CONNECT_TIMEOUT_MS 10000
#define PLAIN_DEPTH 64
/*
 * Every statement here is meant to go by an index, whatever the size of its tables, and is planned once: a plan
 * that was made when a table was small must not read it through when it is large.
 */
#define SESSION_SQL \
	"select count(set_config(n, v, false)) = 3 from (values ('enable_seqscan', 'off'), ('jit', 'off')," \
	" ('plan_cache_mode', 'force_generic_plan')) s (n, v)"

struct statement {
	const char *name;
	int params;
	const char *sql;
};

static const struct statement statements[STMT_COUNT] = {
#define STMT(name, params, sql) [STMT_##name] = { #name, params, sql },
#include "hub/db/stmt.def"
#undef STMT
};
_Static_assert((int)STMT_COUNT <= (int)LABEL_statement_COUNT, "metrics.def: statement");

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_SESSION, CONN_READY, CONN_BUSY };

struct db_op {
	TAILQ_ENTRY(db_op) link; /* in db->queue, until a connection takes it */
	struct db *db;
	struct conn *conn;       /* that runs it, or NULL while queued */
	enum stmt stmt;
	char *params[DB_MAX_PARAMS];
	int lengths[DB_MAX_PARAMS]; /* of binary ones; text ends by itself */
	int formats[DB_MAX_PARAMS]; /* 1: binary */
	db_done_f *done;
	void *arg;
	struct loop_timer *deadline;
	int64_t queued_us, sent_us; /* monotonic */
};

struct conn {
	struct db *db;
	PGconn *pg;
	enum conn_state state;
	struct loop_watch *watch;
	struct loop_timer *timer;  /* next attempt when down, deadline when connecting */
	int64_t backoff_ms;
	bool writing;              /* the watch waits for room in the socket too */
	struct db_op *op;
	bool preparing;            /* the result under way is that of a prepare */
	bool op_failed;            /* a result of this statement was an error: in err */
	struct ssf_err err;
	PGresult *result;          /* first result of the statement under way */
	bool prepared[STMT_COUNT];
};

struct db {
	struct loop *loop;
	char *conninfo;
	char *session_sql;
	size_t queue_max;
	int timeout_ms;
	bool brisk;
	db_state_f *state_f;
	void (*notified)(void *arg, const char *payload);
	void *state_arg;
	bool stopped;
	unsigned up;               /* connections that are ready or busy */
	size_t queued;
	int64_t answered_us;       /* when anything was answered last, monotonic */
	TAILQ_HEAD(, db_op) queue;
	struct loop_defer *kick;
	unsigned conn_count;
	struct conn *conns;
};

struct db_result {
	const PGresult *pg;
};

static void conn_step(struct conn *c);
static void conn_connect(void *arg);
static void db_kick(struct db *db);

/* --- statements ------------------------------------------------------------------------- */

static void op_free(struct db_op *op)
{
	loop_timer_cancel(op->deadline);
	for (int i = 0; i < DB_MAX_PARAMS; i++)
		free(op->params[i]);
	free(op);
}

static void op_count(const struct db_op *op, bool ok)
{
	int64_t us = loop_now_us() - op->queued_us;

	metric_add_of2(db_statements, op->stmt, ok ? LABEL_result_ok : LABEL_result_failed, 1);
	metric_add_of(db_statement_time, op->stmt, us);
	metric_observe(db_statement_seconds, us);
}

/* Takes op out of wherever it is, tells its owner, frees it. */
static void op_finish(struct db_op *op, const PGresult *pg, const struct ssf_err *err)
{
	struct db_result result = { pg };

	op_count(op, err == NULL);
	if (op->conn != NULL) {
		op->conn->op = NULL;
	} else {
		TAILQ_REMOVE(&op->db->queue, op, link);
		op->db->queued--;
	}
	if (op->done != NULL)
		op->done(op->arg, err == NULL ? &result : NULL, err);
	op_free(op);
}

static void fail_all_queued(struct db *db, const struct ssf_err *err)
{
	/* only those that wait now: a callback may queue more, which then fail at once by themselves */
	for (size_t n = db->queued; n > 0 && !TAILQ_EMPTY(&db->queue); n--)
		op_finish(TAILQ_FIRST(&db->queue), NULL, err);
}

/* --- connections ------------------------------------------------------------------------ */

static void watch_set(struct conn *c, bool read, bool write, loop_watch_f *f)
{
	loop_watch_cancel(c->watch);
	c->watch = loop_watch_urgent_start(c->db->loop, PQsocket(c->pg), read, write, f, c);
	c->writing = write;
}

static void conn_close(struct conn *c)
{
	loop_watch_cancel(c->watch);
	c->watch = NULL;
	loop_timer_cancel(c->timer);
	c->timer = NULL;
	PQclear(c->result);
	c->result = NULL;
	if (c->pg != NULL)
		PQfinish(c->pg);
	c->pg = NULL;
	memset(c->prepared, 0, sizeof(c->prepared));
	c->preparing = false;
	c->op_failed = false;
}

/*
 * What a statement failed with goes to whoever asked the hub for something. What PostgreSQL says of it, or of
 * a connection, names hosts, users and tables: that is for the log.
 */
static void fail_shown(struct ssf_err *err, enum ssf_code code)
{
	ssf_fail(err, code, "%s",
		 code == SSF_E_CONFLICT	  ? "it has changed meanwhile" :
		 code == SSF_E_TIMEOUT	  ? "the database took too long" :
		 code == SSF_E_UNAVAILABLE ? "the database is away" :
					     "the database refused a statement; see the log");
}

/* Gives the connection up, fails what it ran, plans the next attempt. */
static void conn_down(struct conn *c, enum ssf_code code, const char *why)
{
	struct db *db = c->db;
	bool was_up = c->state == CONN_READY || c->state == CONN_BUSY;
	struct ssf_err err;
	struct db_op *op = c->op;

	ssf_fail(&err, code, "database: %.*s", (int)strcspn(why, "\n"), why);
	if (!db->stopped && (was_up || c->backoff_ms == RECONNECT_MAX_MS))
		log_warn("db.down", log_why(&err), log_int("retry_ms", c->backoff_ms));
	fail_shown(&err, code);
	conn_close(c);
	if (c->state == CONN_CONNECTING || c->state == CONN_SESSION)
		metric_add_of(db_connects, LABEL_result_failed, 1);
	c->state = CONN_DOWN;
	if (!db->stopped)
		c->timer = loop_timer_start(db->loop, c->backoff_ms, conn_connect, c);
	c->backoff_ms = c->backoff_ms * 2 > RECONNECT_MAX_MS ? RECONNECT_MAX_MS : c->backoff_ms * 2;
	if (was_up)
		db->up--;
	if (op != NULL)
		op_finish(op, NULL, &err);
	if (was_up && db->up == 0) {
		fail_all_queued(db, &err);
		if (db->state_f != NULL)
			db->state_f(db->state_arg, false);
	}
}

static void conn_up(struct conn *c)
{
	struct db *db = c->db;

	metric_add_of(db_connects, LABEL_result_ok, 1);
	c->state = CONN_READY;
	c->backoff_ms = RECONNECT_MIN_MS;
	if (db->up++ == 0 && db->state_f != NULL)
		db->state_f(db->state_arg, true);
	db_kick(db);
}

static void on_connect_timeout(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	conn_down(c, SSF_E_UNAVAILABLE, "no connection in time");
}

static void on_ready(void *arg, bool readable, bool writable);

static void on_connecting(void *arg, bool readable, bool writable)
{
	struct conn *c = arg;

	(void)readable;
	(void)writable;
	/* the socket may change at every step, so that the watch is made anew each time */
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		watch_set(c, true, false, on_connecting);
		break;
	case PGRES_POLLING_WRITING:
		watch_set(c, false, true, on_connecting);
		break;
	case PGRES_POLLING_OK:
		if (PQsetnonblocking(c->pg, 1) < 0) {
			conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
			break;
		}
		watch_set(c, true, false, on_ready);
		c->state = CONN_SESSION;
		if (PQsendQuery(c->pg, c->db->session_sql) != 1)
			conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
		else
			conn_step(c);
		break;
	default:
		conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
	}
}

/* What the operator's conninfo says wins over what stands before it. */
static PGconn *connect_start(const struct db *db)
{
	const char *const brisk[] = { "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
				      "keepalives_count", "dbname", NULL };
	const char *const values[] = { "3000", "1", "1", "3", db->conninfo, NULL };
	size_t from = db->brisk ? 0 : 4;

	return PQconnectStartParams(brisk + from, values + from, 1);
}

static void conn_connect(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	c->state = CONN_CONNECTING;
	c->pg = connect_start(c->db);
	if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
		conn_down(c, SSF_E_UNAVAILABLE,
			  c->pg != NULL ? PQerrorMessage(c->pg) : "out of memory");
		return;
	}
	c->timer = loop_timer_start(c->db->loop, CONNECT_TIMEOUT_MS, on_connect_timeout, c);
	watch_set(c, false, true, on_connecting);
}

/* Sends what is buffered; waits for the socket to take more as long as there is some. */
static int conn_flush(struct conn *c)
{
	int r = PQflush(c->pg);

	if (r < 0)
		return -1;
	if (c->writing != (r > 0))
		watch_set(c, true, r > 0, on_ready);
	return c->watch != NULL ? 0 : -1;
}

static int conn_send(struct conn *c)
{
	const struct statement *s = &statements[c->op->stmt];
	const char *const *params = (const char *const *)c->op->params;

	c->preparing = !c->prepared[c->op->stmt];
	if (c->preparing)
		return PQsendPrepare(c->pg, s->name, s->sql, s->params, NULL) == 1 ? 0 : -1;
	return PQsendQueryPrepared(c->pg, s->name, s->params, params, c->op->lengths, c->op->formats,
				   0) == 1 ? 0 : -1;
}

static void on_unsent(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
}

/* Tells nobody of a failure before it has returned. */
static void conn_start_op(struct conn *c, struct db_op *op)
{
	TAILQ_REMOVE(&op->db->queue, op, link);
	op->db->queued--;
	op->conn = c;
	op->sent_us = loop_now_us();
	c->op = op;
	c->op_failed = false;
	c->state = CONN_BUSY;
	if (conn_send(c) < 0 || conn_flush(c) < 0)
		c->timer = loop_timer_start(c->db->loop, 0, on_unsent, c); /* without it the deadline comes */
}

/* What an SQLSTATE means to who asked: the statement is at fault only if nothing else is. */
static enum ssf_code code_of(const char *state)
{
	/* connection, resources, locks, operator (shutdown, timeout), I/O, standby, deadlock */
	static const char *const away[] = { "08", "53", "55", "57", "58", "25006", "40P01" };

	if (state == NULL)
		return SSF_E_INTERNAL;
	if (strcmp(state, "40001") == 0)
		return SSF_E_CONFLICT;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(away); i++) {
		if (strncmp(state, away[i], strlen(away[i])) == 0)
			return SSF_E_UNAVAILABLE;
	}
	return SSF_E_INTERNAL;
}

/* By a function of ours (sql/), which says what has changed. */
static bool is_raised(const PGresult *r)
{
	const char *where = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);

	return where != NULL && strcmp(where, "exec_stmt_raise") == 0;
}

static void log_failed(const struct conn *c, const char *text, const char *state)
{
	struct log_field statement = log_str("statement", c->op != NULL ? statements[c->op->stmt].name : "session");

	if (c->err.code == SSF_E_CONFLICT) /* somebody was first, as may be */
		log_debug("db.statement.failed", statement, log_str("error", text), log_str("sqlstate", state));
	else
		log_warn("db.statement.failed", statement, log_str("error", text), log_str("sqlstate", state));
}

/* Keeps the first result; an error of the server becomes c->err. */
static void conn_take_result(struct conn *c, PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (c->result == NULL) {
			c->result = r;
			return;
		}
		break;
	default: {
		const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
		const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

		c->op_failed = true;
		if (code_of(state) == SSF_E_CONFLICT && is_raised(r) && text != NULL)
			ssf_fail(&c->err, SSF_E_CONFLICT, "%s", text);
		else
			fail_shown(&c->err, code_of(state));
		log_failed(c, text, state);
	}
	}
	PQclear(r);
}

/* The statement under way has given all its results. */
static void conn_op_done(struct conn *c)
{
	if (c->preparing && !c->op_failed) {
		c->prepared[c->op->stmt] = true;
		PQclear(c->result);
		c->result = NULL;
		if (conn_send(c) < 0 || conn_flush(c) < 0)
			conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
		return;
	}
	struct db_op *op = c->op;
	PGresult *result = SSF_STEAL(c->result);
	bool failed = c->op_failed;
	struct ssf_err err = c->err;
	c->db->answered_us = loop_now_us();
	c->state = CONN_READY;
	db_kick(c->db);
	op_finish(op, result, failed ? &err : NULL);
	PQclear(result);
}

/* The session statement has answered. */
static void conn_session_done(struct conn *c)
{
	PQclear(c->result);
	c->result = NULL;
	if (c->op_failed) {
		conn_down(c, SSF_E_UNAVAILABLE, "the session could not be set up");
		return;
	}
	loop_timer_cancel(c->timer);
	c->timer = NULL;
	conn_up(c);
}

/* Takes in whatever results are there. */
static void conn_step(struct conn *c)
{
	if (conn_flush(c) < 0) {
		conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
		return;
	}
	while (c->state == CONN_BUSY || c->state == CONN_SESSION) {
		if (PQisBusy(c->pg))
			return;
		PGresult *r = PQgetResult(c->pg);
		if (r == NULL) {
			if (PQstatus(c->pg) == CONNECTION_BAD) {
				conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
				return;
			}
			if (c->state == CONN_SESSION)
				conn_session_done(c);
			else
				conn_op_done(c);
		} else {
			conn_take_result(c, r);
		}
	}
}

static void take_notices(struct conn *c)
{
	PGnotify *n;

	while (c->pg != NULL && (n = PQnotifies(c->pg)) != NULL) {
		if (n->be_pid != PQbackendPID(c->pg) && c->db->notified != NULL && !c->db->stopped)
			c->db->notified(c->db->state_arg, n->extra);
		PQfreemem(n);
	}
}

static void on_ready(void *arg, bool readable, bool writable)
{
	struct conn *c = arg;

	(void)writable;
	if (readable && PQconsumeInput(c->pg) != 1) {
		conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
		return;
	}
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
		return;
	}
	conn_step(c);
	take_notices(c);
}

/* --- the pool --------------------------------------------------------------------------- */

static void start_queued(struct db *db)
{
	for (unsigned i = 0; i < db->conn_count && !TAILQ_EMPTY(&db->queue); i++) {
		if (db->conns[i].state == CONN_READY)
			conn_start_op(&db->conns[i], TAILQ_FIRST(&db->queue));
	}
}

static void on_kick(void *arg)
{
	struct db *db = arg;

	db->kick = NULL;
	start_queued(db);
}

static void db_kick(struct db *db)
{
	if (db->kick == NULL && !TAILQ_EMPTY(&db->queue))
		db->kick = loop_defer_start(db->loop, on_kick, db);
}

/* A statement that takes too long takes its connection with it: its outcome is unknown. */
static void on_deadline(void *arg)
{
	struct db_op *op = arg;
	struct ssf_err err;

	op->deadline = NULL;
	if (op->conn != NULL) {
		conn_down(op->conn, SSF_E_TIMEOUT, "statement took too long");
		return;
	}
	ssf_fail(&err, SSF_E_TIMEOUT, "database: no connection was free in time");
	op_finish(op, NULL, &err);
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
	db->brisk = conf->brisk;
	db->notified = conf->notified;
	db->state_f = state;
	db->state_arg = arg;
	db->conninfo = strdup(conf->conninfo);
	if (asprintf(&db->session_sql, SESSION_SQL ";%s", conf->session_sql != NULL ? conf->session_sql : "") < 0)
		db->session_sql = NULL;
	db->conns = calloc(conf->connections, sizeof(*db->conns));
	if (db->conninfo == NULL || db->conns == NULL || db->session_sql == NULL) {
		db_free(db);
		return ssf_fail(err, SSF_E_NOMEM, "database");
	}
	for (int i = 0; i < STMT_COUNT; i++)
		metrics_name_statement[i] = statements[i].name;
	db->conn_count = conf->connections;
	for (unsigned i = 0; i < db->conn_count; i++) {
		struct conn *c = &db->conns[i];
		c->db = db;
		c->backoff_ms = RECONNECT_MIN_MS;
		c->timer = loop_timer_start(loop, 0, conn_connect, c);
	}
	*out = db;
	return 0;
}

void db_stop(struct db *db)
{
	if (db == NULL)
		return;
	db->stopped = true;
	db->state_f = NULL;
	for (unsigned i = 0; i < db->conn_count; i++)
		conn_down(&db->conns[i], SSF_E_UNAVAILABLE, "shutting down");
}

void db_drop(struct db *db, const char *why)
{
	for (unsigned i = 0; i < db->conn_count; i++) {
		if (db->conns[i].state != CONN_DOWN)
			conn_down(&db->conns[i], SSF_E_UNAVAILABLE, why);
	}
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	db->state_f = NULL;
	for (unsigned i = 0; i < db->conn_count; i++) {
		if (db->conns[i].op != NULL)
			op_free(db->conns[i].op);
		conn_close(&db->conns[i]);
	}
	while (!TAILQ_EMPTY(&db->queue)) {
		struct db_op *op = TAILQ_FIRST(&db->queue);
		TAILQ_REMOVE(&db->queue, op, link);
		op_free(op);
	}
	loop_defer_cancel(db->kick);
	free(db->conns);
	free(db->conninfo);
	free(db->session_sql);
	free(db);
}

bool db_is_up(const struct db *db)
{
	return db->up > 0;
}

int64_t db_silent_ms(const struct db *db)
{
	int64_t since = INT64_MAX;

	for (unsigned i = 0; i < db->conn_count; i++) {
		const struct db_op *op = db->conns[i].op;
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

static int op_take_values(struct db_op *op, const struct db_value *values)
{
	for (int i = 0; i < statements[op->stmt].params; i++) {
		if (values[i].ptr == NULL)
			continue;
		op->lengths[i] = (int)values[i].len;
		op->formats[i] = values[i].binary;
		op->params[i] = ssf_str_dup((struct ssf_str){ values[i].ptr, values[i].len });
		if (op->params[i] == NULL)
			return -1;
	}
	return 0;
}

int db_exec_values(struct db *db, enum stmt stmt, const struct db_value *values, db_done_f *done,
		   void *arg, struct db_op **out, struct ssf_err *err)
{
	if (db->up == 0)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "database: no connection");
	if (db->queued >= db->queue_max)
		return ssf_fail(err, SSF_E_BUSY, "database: too many statements are waiting");
	struct db_op *op = calloc(1, sizeof(*op));
	if (op == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "database");
	op->db = db;
	op->stmt = stmt;
	op->queued_us = loop_now_us();
	op->done = done;
	op->arg = arg;
	op->deadline = loop_timer_start(db->loop, db->timeout_ms, on_deadline, op);
	if (op->deadline == NULL || op_take_values(op, values) < 0) {
		op_free(op);
		return ssf_fail(err, SSF_E_NOMEM, "database");
	}
	TAILQ_INSERT_TAIL(&db->queue, op, link);
	db->queued++;
	start_queued(db);
	if (out != NULL)
		*out = op;
	return 0;
}

int db_exec(struct db *db, enum stmt stmt, const char *const *params, db_done_f *done, void *arg,
	    struct db_op **out, struct ssf_err *err)
{
	struct db_value values[DB_MAX_PARAMS] = { { NULL, 0, false } };

	assert(statements[stmt].params <= DB_MAX_PARAMS);
	for (int i = 0; i < statements[stmt].params; i++)
		values[i] = (struct db_value){ params[i], params[i] != NULL ? strlen(params[i]) : 0, false };
	return db_exec_values(db, stmt, values, done, arg, out, err);
}

void db_cancel(struct db_op *op)
{
	if (op == NULL)
		return;
	if (op->conn != NULL) {
		op->done = NULL; /* stays with its connection, and keeps its deadline */
		return;
	}
	TAILQ_REMOVE(&op->db->queue, op, link);
	op->db->queued--;
	op_free(op);
}

size_t db_rows(const struct db_result *r)
{
	return (size_t)PQntuples(r->pg);
}

const char *db_text(const struct db_result *r, size_t row, int column)
{
	return PQgetisnull(r->pg, (int)row, column) ? NULL : PQgetvalue(r->pg, (int)row, column);
}

int64_t db_int(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

json_t *db_json(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);
	json_t *value;

	if (text == NULL)
		return NULL;
	value = ssf_json_plain(ssf_str_c(text), PLAIN_DEPTH);
	if (value != NULL)
		return value;
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	/* what came as 1e20 is an integer in jsonb, and larger than jansson's integers */
	return value != NULL ? value : json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}

/* [1,"a"] becomes {1,"a"}: what is escaped in one is so in the other. */
char *db_array(const json_t *list)
{
	char *text = json_dumps(list, JSON_COMPACT);

	if (text != NULL) {
		text[0] = '{';
		text[strlen(text) - 1] = '}';
	}
	return text;
}
