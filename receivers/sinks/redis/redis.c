/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the hiredis context, its watches on the loop, and every op until its last reply has come.
 * hiredis calls back once for each command, in order: with the reply, or with NULL when the
 * connection ends. So an op that was sent is always released in on_reply().
 *
 * hiredis frees the context itself once connecting has failed or the connection is lost; a
 * callback tells of both, and the context is not touched after it. Only the API that hiredis
 * 0.14 and 1.2 have in common is used.
 */
#include "receivers/sinks/redis/redis.h"

#include "lib/kit/backoff.h"
#include "lib/kit/log.h"

#include <hiredis/async.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BATCH_MAX_BYTES (16 * 1024 * 1024)
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 5000

struct redis_batch {
	struct ssf_buf bytes; /* in the Redis protocol, one command after the other */
	size_t *ends;
	size_t n;
	size_t room;
};

struct redis_op {
	TAILQ_ENTRY(redis_op) entry;
	struct redis *r;
	redis_done_f *done; /* NULL: cancelled, or already called */
	void *arg;
	struct loop_timer *deadline;
	size_t waiting; /* replies to come */
	int64_t sum;
	struct ssf_err why; /* first failure; code SSF_OK when there is none */
};

enum state { STATE_AWAY, STATE_CONNECTING, STATE_READY };

struct redis {
	struct loop *loop;
	struct redis_conf conf;
	enum state state;
	redisAsyncContext *ac;
	struct loop_watch *reading;
	struct loop_watch *writing;
	struct loop_timer *deadline; /* of connecting and logging in */
	struct loop_timer *again;
	unsigned failures; /* to connect, in a row */
	TAILQ_HEAD(, redis_op) ops;
	size_t n_ops;
	bool closing;
};

static void connect_now(void *arg);

struct redis_batch *redis_batch_new(void)
{
	struct redis_batch *b = calloc(1, sizeof(*b));

	if (b != NULL)
		ssf_buf_init(&b->bytes, BATCH_MAX_BYTES);
	return b;
}

void redis_batch_free(struct redis_batch *b)
{
	if (b == NULL)
		return;
	ssf_buf_done(&b->bytes);
	free(b->ends);
	free(b);
}

int redis_batch_add(struct redis_batch *b, size_t n, const struct ssf_str *args,
		    struct ssf_err *err)
{
	if (b->n == b->room) {
		size_t room = b->room == 0 ? 16 : b->room * 2;
		size_t *ends = realloc(b->ends, room * sizeof(ends[0]));

		if (ends == NULL)
			return ssf_fail(err, SSF_E_NOMEM, "redis: out of memory");
		b->ends = ends;
		b->room = room;
	}
	ssf_buf_addf(&b->bytes, "*%zu\r\n", n);
	for (size_t i = 0; i < n; i++) {
		ssf_buf_addf(&b->bytes, "$%zu\r\n", args[i].len);
		ssf_buf_add(&b->bytes, args[i].ptr, args[i].len);
		ssf_buf_adds(&b->bytes, "\r\n");
	}
	if (ssf_buf_failed(&b->bytes))
		return ssf_fail(err, SSF_E_INTERNAL, "redis: batch larger than %d bytes",
				BATCH_MAX_BYTES);
	b->ends[b->n++] = b->bytes.len;
	return 0;
}

/* --- hiredis on the loop --------------------------------------------------------------------- */

static void on_readable(void *arg, bool readable, bool writable)
{
	struct redis *r = arg;

	(void)readable;
	(void)writable;
	redisAsyncHandleRead(r->ac);
}

static void on_writable(void *arg, bool readable, bool writable)
{
	struct redis *r = arg;

	(void)readable;
	(void)writable;
	redisAsyncHandleWrite(r->ac);
}

/* hiredis cannot be told that a watch failed: the deadlines end whatever hangs then. */
static void watch_read(void *arg)
{
	struct redis *r = arg;

	if (r->reading == NULL)
		r->reading = loop_watch_start(r->loop, r->ac->c.fd, true, false, on_readable, r);
}

static void unwatch_read(void *arg)
{
	struct redis *r = arg;

	loop_watch_cancel(r->reading);
	r->reading = NULL;
}

static void watch_write(void *arg)
{
	struct redis *r = arg;

	if (r->writing == NULL)
		r->writing = loop_watch_start(r->loop, r->ac->c.fd, false, true, on_writable, r);
}

static void unwatch_write(void *arg)
{
	struct redis *r = arg;

	loop_watch_cancel(r->writing);
	r->writing = NULL;
}

static void unwatch_all(void *arg)
{
	unwatch_read(arg);
	unwatch_write(arg);
}

/* --- the connection -------------------------------------------------------------------------- */

static void go_away(struct redis *r, const char *why)
{
	enum state before = r->state;

	r->state = STATE_AWAY;
	loop_timer_cancel(r->deadline);
	r->deadline = NULL;
	if (r->closing || before == STATE_AWAY)
		return;
	/* logged once for each loss, not for each attempt to reconnect */
	if (r->failures == 0)
		log_warn("redis.away", log_str("error", why));
	r->again = loop_timer_start(
		r->loop, backoff_equal_ms(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, ++r->failures),
		connect_now, r);
}

/* hiredis then calls on_reply() with NULL for each command that waits for its reply. */
static void drop_connection(struct redis *r, const char *why)
{
	redisAsyncContext *ac = r->ac;

	r->ac = NULL;
	go_away(r, why);
	if (ac != NULL)
		redisAsyncFree(ac);
}

/* The first word of an error is its kind; the rest may quote keys. */
static void error_kind(const redisReply *reply, char *out, size_t out_len)
{
	size_t n = strcspn(reply->str, " ");

	if (n >= out_len)
		n = out_len - 1;
	memcpy(out, reply->str, n);
	out[n] = '\0';
}

static void on_connect_deadline(void *arg)
{
	struct redis *r = arg;

	r->deadline = NULL;
	drop_connection(r, "no answer in time");
}

/* The answer to AUTH and to PING; the last one makes the connection ready. */
static void on_hello(redisAsyncContext *ac, void *data, void *privdata)
{
	struct redis *r = ac->data;
	const redisReply *reply = data;
	bool is_last = privdata != NULL;
	char kind[32];

	if (reply == NULL || r->ac != ac)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		error_kind(reply, kind, sizeof(kind));
		drop_connection(r, kind);
		return;
	}
	if (!is_last)
		return;
	loop_timer_cancel(r->deadline);
	r->deadline = NULL;
	r->state = STATE_READY;
	r->failures = 0;
	log_info("redis.ready");
}

static int say_hello(struct redis *r)
{
	const char *with_user[] = { "AUTH", r->conf.username, r->conf.password };
	const char *without[] = { "AUTH", r->conf.password };
	const char *ping[] = { "PING" };
	bool user = r->conf.username != NULL;

	if (r->conf.password != NULL &&
	    redisAsyncCommandArgv(r->ac, on_hello, NULL, user ? 3 : 2, user ? with_user : without,
				  NULL) != REDIS_OK)
		return -1;
	return redisAsyncCommandArgv(r->ac, on_hello, r, 1, ping, NULL) == REDIS_OK ? 0 : -1;
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct redis *r = ac->data;

	if (status == REDIS_OK)
		return;
	r->ac = NULL; /* hiredis frees it after this */
	go_away(r, ac->errstr);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct redis *r = ac->data;

	(void)status;
	if (r->ac != ac)
		return;
	r->ac = NULL; /* hiredis frees it after this */
	go_away(r, ac->err != 0 ? ac->errstr : "closed");
}

static void attach(struct redis *r)
{
	r->ac->data = r;
	r->ac->ev.data = r;
	r->ac->ev.addRead = watch_read;
	r->ac->ev.delRead = unwatch_read;
	r->ac->ev.addWrite = watch_write;
	r->ac->ev.delWrite = unwatch_write;
	r->ac->ev.cleanup = unwatch_all;
	redisAsyncSetConnectCallback(r->ac, on_connect);
	redisAsyncSetDisconnectCallback(r->ac, on_disconnect);
}

static void connect_now(void *arg)
{
	struct redis *r = arg;

	r->again = NULL;
	r->state = STATE_CONNECTING;
	r->deadline = loop_timer_start(r->loop, r->conf.timeout_ms, on_connect_deadline, r);
	r->ac = r->conf.path != NULL ? redisAsyncConnectUnix(r->conf.path)
				     : redisAsyncConnect(r->conf.host, r->conf.port);
	if (r->deadline == NULL || r->ac == NULL) {
		drop_connection(r, "out of memory");
	} else if (r->ac->err != 0) {
		drop_connection(r, r->ac->errstr);
	} else {
		attach(r);
		if (say_hello(r) < 0)
			drop_connection(r, "cannot send");
	}
}

int redis_new(struct loop *loop, const struct redis_conf *conf, struct redis **out,
	      struct ssf_err *err)
{
	struct redis *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "redis: out of memory");
	r->loop = loop;
	r->conf = *conf;
	TAILQ_INIT(&r->ops);
	r->again = loop_timer_start(loop, 0, connect_now, r);
	if (r->again == NULL) {
		free(r);
		return ssf_fail(err, SSF_E_NOMEM, "redis: out of memory");
	}
	*out = r;
	return 0;
}

void redis_free(struct redis *r)
{
	if (r == NULL)
		return;
	r->closing = true;
	drop_connection(r, "");
	loop_timer_cancel(r->again);
	free(r);
}

/* --- batches --------------------------------------------------------------------------------- */

static void op_free(struct redis_op *op)
{
	TAILQ_REMOVE(&op->r->ops, op, entry);
	op->r->n_ops--;
	loop_timer_cancel(op->deadline);
	free(op);
}

static void op_fail(struct redis_op *op, enum ssf_code code, const char *what)
{
	if (op->why.code == SSF_OK)
		ssf_fail(&op->why, code, "redis: %s", what);
}

/* Views of a SCAN reply's keys; NULL and *n 0 when there are none or no memory. */
static struct ssf_str *views_of(const redisReply *list, size_t *n)
{
	struct ssf_str *views = calloc(list->elements > 0 ? list->elements : 1, sizeof(*views));

	for (size_t i = 0; views != NULL && i < list->elements; i++)
		views[i] = (struct ssf_str){ list->element[i]->str, list->element[i]->len };
	*n = views != NULL ? list->elements : 0;
	return views;
}

static bool is_scan_reply(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i < reply->element[1]->elements; i++) {
		if (reply->element[1]->element[i]->type != REDIS_REPLY_STRING)
			return false;
	}
	return true;
}

static void op_end(struct redis_op *op, const redisReply *last)
{
	struct redis_result result = { .sum = op->sum };
	struct ssf_err why = op->why;
	redis_done_f *done = op->done;
	void *arg = op->arg;
	ssf_auto_free struct ssf_str *keys = NULL;

	op_free(op);
	if (done == NULL)
		return;
	if (why.code == SSF_OK && is_scan_reply(last)) {
		keys = views_of(last->element[1], &result.n_keys);
		result.keys = keys;
		result.cursor = (struct ssf_str){ last->element[0]->str, last->element[0]->len };
		if (keys == NULL)
			ssf_fail(&why, SSF_E_NOMEM, "redis: out of memory");
	}
	if (why.code == SSF_OK)
		done(arg, &result, NULL);
	else
		done(arg, NULL, &why);
}

static void on_reply(redisAsyncContext *ac, void *data, void *privdata)
{
	struct redis_op *op = privdata;
	const redisReply *reply = data;
	char kind[32];

	(void)ac;
	if (reply == NULL) {
		op_fail(op, SSF_E_UNAVAILABLE, "connection lost");
	} else if (reply->type == REDIS_REPLY_ERROR) {
		error_kind(reply, kind, sizeof(kind));
		op_fail(op, SSF_E_UNAVAILABLE, kind);
		/* after a failover the same address may lead to another server */
		if (strcmp(kind, "READONLY") == 0)
			drop_connection(op->r, kind);
	} else if (reply->type == REDIS_REPLY_INTEGER) {
		op->sum += reply->integer;
	}
	if (--op->waiting == 0)
		op_end(op, reply);
}

/* Gives up the connection to a server that does not answer: late replies have no reader. */
static void on_op_deadline(void *arg)
{
	struct redis_op *op = arg;

	op->deadline = NULL;
	op_fail(op, SSF_E_TIMEOUT, "no answer in time");
	drop_connection(op->r, "no answer in time");
}

int redis_start(struct redis *r, const struct redis_batch *batch, redis_done_f *done, void *arg,
		struct redis_op **out, struct ssf_err *err)
{
	struct redis_op *op;
	size_t start = 0;

	if (r->state != STATE_READY)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "redis: not connected");
	if (r->n_ops >= r->conf.max_ops)
		return ssf_fail(err, SSF_E_BUSY, "redis: too many batches are running");
	op = calloc(1, sizeof(*op));
	if (op != NULL)
		op->deadline = loop_timer_start(r->loop, r->conf.timeout_ms, on_op_deadline, op);
	if (op == NULL || op->deadline == NULL) {
		free(op);
		return ssf_fail(err, SSF_E_NOMEM, "redis: out of memory");
	}
	op->r = r;
	op->done = done;
	op->arg = arg;
	TAILQ_INSERT_TAIL(&r->ops, op, entry);
	r->n_ops++;
	for (size_t i = 0; i < batch->n; i++) {
		if (redisAsyncFormattedCommand(r->ac, on_reply, op, batch->bytes.ptr + start,
					       batch->ends[i] - start) == REDIS_OK)
			op->waiting++;
		else
			op_fail(op, SSF_E_UNAVAILABLE, "cannot send");
		start = batch->ends[i];
	}
	if (op->waiting == 0) {
		op_free(op);
		return ssf_fail(err, SSF_E_UNAVAILABLE, "redis: cannot send");
	}
	*out = op;
	return 0;
}

void redis_cancel(struct redis_op *op)
{
	if (op != NULL)
		op->done = NULL;
}
