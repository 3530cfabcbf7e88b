/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/db/conn.h"

#include "hub/db/sqlstate.h"
#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 2000
#define CONNECT_TIMEOUT_MS 10000

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_SESSION, CONN_READY, CONN_BUSY };

struct conn {
	struct loop *loop;
	struct conn_conf conf;
	PGconn *pg;
	enum conn_state state;
	bool stopped;
	struct loop_watch *watch;
	struct loop_timer *timer; /* next attempt when down, deadline when connecting */
	int64_t backoff_ms;
	bool writing;		  /* the watch waits for room in the socket, too */
	enum stmt stmt;		  /* under way */
	const struct db_encoded_params *params;
	bool preparing;		  /* the result under way is that of a prepare */
	bool failed;		  /* a result of this statement was an error: in err */
	struct ssf_err err;
	PGresult *result;	  /* first result of the statement under way */
	bool prepared[STMT_COUNT];
};

static void connect_start(void *arg);
static void read_results(struct conn *c);
static void on_socket(void *arg, bool readable, bool writable);

static void watch_set(struct conn *c, bool read, bool write, loop_watch_f *f)
{
	loop_watch_cancel(c->watch);
	c->watch = loop_watch_urgent_start(c->loop, PQsocket(c->pg), read, write, f, c);
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
	c->failed = false;
}

/* Gives the connection up and plans the next attempt. */
static void conn_down(struct conn *c, enum ssf_code code, const char *why)
{
	enum conn_state was = c->state;
	bool was_up = was == CONN_READY || was == CONN_BUSY;
	struct ssf_err err;

	ssf_fail(&err, code, "database: %.*s", (int)strcspn(why, "\n"), why);
	if (!c->stopped && (was_up || c->backoff_ms == RECONNECT_MAX_MS))
		log_warn("db.connection.failed", log_why(&err), log_int("retry_ms", c->backoff_ms));
	if (was == CONN_CONNECTING || was == CONN_SESSION)
		metric_add_of(db_connects, LABEL_result_failed, 1);
	conn_close(c); /* why may be libpq's */
	c->state = CONN_DOWN;
	if (!c->stopped)
		c->timer = loop_timer_start(c->loop, c->backoff_ms, connect_start, c);
	c->backoff_ms = c->backoff_ms * 2 > RECONNECT_MAX_MS ? RECONNECT_MAX_MS : c->backoff_ms * 2;
	ssf_fail(&err, code, "%s", sqlstate_public_text(code));
	c->conf.events->down(c->conf.arg, was_up, &err);
}

static void conn_broken(struct conn *c)
{
	conn_down(c, SSF_E_UNAVAILABLE, PQerrorMessage(c->pg));
}

void conn_drop(struct conn *c, enum ssf_code code, const char *why)
{
	if (c->state != CONN_DOWN)
		conn_down(c, code, why);
}

void conn_stop(struct conn *c)
{
	c->stopped = true;
	conn_drop(c, SSF_E_UNAVAILABLE, "shutting down");
	loop_timer_cancel(c->timer);
	c->timer = NULL;
}

/* --- connecting --------------------------------------------------------------------------- */

static void on_connect_timeout(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	conn_down(c, SSF_E_UNAVAILABLE, "no connection in time");
}

static void on_connecting(void *arg, bool readable, bool writable)
{
	struct conn *c = arg;

	(void)readable;
	(void)writable;
	/* libpq may use another socket after each step, so the watch is set each time */
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		watch_set(c, true, false, on_connecting);
		break;
	case PGRES_POLLING_WRITING:
		watch_set(c, false, true, on_connecting);
		break;
	case PGRES_POLLING_OK:
		if (PQsetnonblocking(c->pg, 1) < 0 || PQsendQuery(c->pg, c->conf.session_sql) != 1) {
			conn_broken(c);
			break;
		}
		watch_set(c, true, false, on_socket);
		c->state = CONN_SESSION;
		read_results(c);
		break;
	default:
		conn_broken(c);
	}
}

static void connect_start(void *arg)
{
	/* what the operator's conninfo says wins over the names before it */
	static const char *const names[] = { "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
					     "keepalives_count", "dbname", NULL };
	struct conn *c = arg;
	const char *const values[] = { "3000", "1", "1", "3", c->conf.conninfo, NULL };
	size_t from = c->conf.detect_dead_peer ? 0 : 4;

	c->timer = NULL;
	c->state = CONN_CONNECTING;
	c->pg = PQconnectStartParams(names + from, values + from, 1);
	if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
		conn_down(c, SSF_E_UNAVAILABLE, c->pg != NULL ? PQerrorMessage(c->pg) : "out of memory");
		return;
	}
	c->timer = loop_timer_start(c->loop, CONNECT_TIMEOUT_MS, on_connect_timeout, c);
	watch_set(c, false, true, on_connecting);
}

/* The session statement has ended. */
static void on_session(struct conn *c)
{
	PQclear(c->result);
	c->result = NULL;
	if (c->failed) {
		conn_down(c, SSF_E_UNAVAILABLE, "the session could not be set up");
		return;
	}
	loop_timer_cancel(c->timer);
	c->timer = NULL;
	metric_add_of(db_connects, LABEL_result_ok, 1);
	c->state = CONN_READY;
	c->backoff_ms = RECONNECT_MIN_MS;
	c->conf.events->up(c->conf.arg);
}

/* --- statements --------------------------------------------------------------------------- */

/* Sends what is buffered; the watch waits for the socket to take more as long as some is left. */
static int flush_output(struct conn *c)
{
	int r = PQflush(c->pg);

	if (r < 0)
		return -1;
	if (c->writing != (r > 0))
		watch_set(c, true, r > 0, on_socket);
	return c->watch != NULL ? 0 : -1;
}

static int send_stmt(struct conn *c)
{
	const struct stmt_info *s = stmt_info(c->stmt);
	const struct db_encoded_params *p = c->params;
	int count = (int)s->param_count, sent;

	c->preparing = !c->prepared[c->stmt];
	if (c->preparing)
		sent = PQsendPrepare(c->pg, s->name, s->sql, count, NULL);
	else
		sent = PQsendQueryPrepared(c->pg, s->name, count, p->values, p->lengths, p->formats, 0);
	return sent == 1 ? flush_output(c) : -1;
}

static void on_send_failed(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	conn_broken(c);
}

bool conn_is_ready(const struct conn *c)
{
	return c->state == CONN_READY;
}

void conn_start_stmt(struct conn *c, enum stmt stmt, const struct db_encoded_params *params)
{
	assert(c->state == CONN_READY);
	c->stmt = stmt;
	c->params = params;
	c->failed = false;
	c->state = CONN_BUSY;
	if (send_stmt(c) < 0) /* without memory for the timer, the statement's deadline ends it */
		c->timer = loop_timer_start(c->loop, 0, on_send_failed, c);
}

/* --- results ------------------------------------------------------------------------------ */

/* Functions in sql/ raise conflicts with a text that says what has changed: it goes to the caller. */
static bool is_raised(const PGresult *r)
{
	const char *where = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);

	return where != NULL && strcmp(where, "exec_stmt_raise") == 0;
}

static void take_error(struct conn *c, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	enum ssf_code code = sqlstate_code(state);
	struct log_field statement = log_str("statement", c->state == CONN_BUSY ? stmt_info(c->stmt)->name : "session");

	c->failed = true;
	if (code == SSF_E_CONFLICT && is_raised(r) && text != NULL)
		ssf_fail(&c->err, code, "%s", text);
	else
		ssf_fail(&c->err, code, "%s", sqlstate_public_text(code));
	if (code == SSF_E_CONFLICT) /* expected: another writer was quicker */
		log_debug("db.statement.failed", statement, log_str("error", text), log_str("sqlstate", state));
	else
		log_warn("db.statement.failed", statement, log_str("error", text), log_str("sqlstate", state));
}

/* Keeps the first result; an error of the server becomes c->err. Takes r over. */
static void take_result(struct conn *c, PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		take_error(c, r);
	else if (c->result == NULL)
		c->result = SSF_STEAL(r);
	PQclear(r);
}

/* The statement under way has given all its results. */
static void on_stmt_end(struct conn *c)
{
	PGresult *pg = SSF_STEAL(c->result);
	struct db_result result = { pg };
	bool failed = c->failed;
	struct ssf_err err = c->err;

	if (c->preparing && !failed) {
		PQclear(pg);
		c->prepared[c->stmt] = true;
		if (send_stmt(c) < 0)
			conn_broken(c);
		return;
	}
	c->state = CONN_READY;
	c->conf.events->done(c->conf.arg, failed ? NULL : &result, failed ? &err : NULL);
	PQclear(pg);
}

/* Takes all results that have arrived. */
static void read_results(struct conn *c)
{
	if (flush_output(c) < 0) {
		conn_broken(c);
		return;
	}
	while ((c->state == CONN_BUSY || c->state == CONN_SESSION) && !PQisBusy(c->pg)) {
		PGresult *r = PQgetResult(c->pg);
		if (r != NULL)
			take_result(c, r);
		else if (PQstatus(c->pg) == CONNECTION_BAD)
			conn_broken(c);
		else if (c->state == CONN_SESSION)
			on_session(c);
		else
			on_stmt_end(c);
	}
}

static void read_notifications(struct conn *c)
{
	PGnotify *n;

	while (c->pg != NULL && (n = PQnotifies(c->pg)) != NULL) {
		if (n->be_pid != PQbackendPID(c->pg) && c->conf.events->notified != NULL && !c->stopped)
			c->conf.events->notified(c->conf.arg, n->extra);
		PQfreemem(n);
	}
}

static void on_socket(void *arg, bool readable, bool writable)
{
	struct conn *c = arg;

	(void)writable;
	if ((readable && PQconsumeInput(c->pg) != 1) || PQstatus(c->pg) == CONNECTION_BAD) {
		conn_broken(c);
		return;
	}
	read_results(c);
	read_notifications(c);
}

/* --- life --------------------------------------------------------------------------------- */

struct conn *conn_new(struct loop *loop, const struct conn_conf *conf)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->conf = *conf;
	c->backoff_ms = RECONNECT_MIN_MS;
	c->timer = loop_timer_start(loop, 0, connect_start, c);
	if (c->timer == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void conn_free(struct conn *c)
{
	if (c == NULL)
		return;
	conn_close(c);
	free(c);
}
