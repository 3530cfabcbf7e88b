/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/streams/{id}/test: does what we send arrive? One test is a machine:
 *
 *   append a verification event -> watch it -> answer
 *
 * The request may lose its client at any time; then nobody watches any more.
 */
#include "hub/api/ssf.h"

#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 10000
#define WAIT_MAX_MS 60000

struct test {
	struct api *api;
	struct http_req *req;
	char *stream;
	int64_t began_ms; /* monotonic */
	int64_t wait_ms;
	bool gone;        /* the client, while the event was being stored */
	struct deliver_watch *watch;
};

static void test_free(struct test *t)
{
	free(t->stream);
	free(t);
}

static void refuse(struct test *t, const struct ssf_err *err)
{
	http_reply_error(t->req, 0, err);
	test_free(t);
}

static void on_client_gone(void *arg)
{
	struct test *t = arg;
	struct ssf_err err;

	t->gone = true;
	if (t->watch == NULL)
		return; /* on_stored ends it */
	deliver_watch_cancel(t->watch);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "the client is gone"); /* the answer goes nowhere */
	refuse(t, &err);
}

static void answer(struct test *t, const struct deliver_seen *seen)
{
	bool delivered = seen->fate == DELIVER_TAKEN;
	int64_t ms = loop_now_ms() - t->began_ms;

	log_info("api.tested", log_str("stream", t->stream), log_str("jti", seen->jti),
		 log_str("fate", delivered ? "delivered" : seen->fate == DELIVER_BURIED ? "buried" : "late"),
		 log_int("ms", ms));
	reply_json(t->req, 200,
		   json_pack("{s:s, s:s, s:b, s:b, s:I, s:s*}", "stream", t->stream, "jti", seen->jti,
			     "delivered", delivered, "dead_lettered", seen->fate == DELIVER_BURIED,
			     "ms", (json_int_t)ms, "last_error", seen->error));
	test_free(t);
}

static void on_seen(void *arg, const struct deliver_seen *seen)
{
	struct test *t = arg;
	struct ssf_err err;

	t->watch = NULL;
	if (seen->fate == DELIVER_GONE)
		ssf_fail(&err, SSF_E_NOT_FOUND, "the stream was deleted meanwhile");
	else if (seen->fate == DELIVER_STOPPED)
		ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	else {
		answer(t, seen);
		return;
	}
	refuse(t, &err);
}

static int watch(struct test *t, int64_t seq, struct ssf_err *err)
{
	int64_t left = t->wait_ms - (loop_now_ms() - t->began_ms);

	if (t->gone)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the client is gone");
	if (deliver_watch_start(t->api->deliver, t->stream, seq, left > 0 ? left : 0, on_seen, t, &t->watch,
				err) == 0)
		return 0;
	if (err->code == SSF_E_NOT_FOUND && registry_get(t->api->registry, KIND_STREAM, t->stream) != NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the stream is moving to another process");
	return -1;
}

static void on_stored(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct test *t = arg;
	struct ssf_err why;

	if (err != NULL)
		refuse(t, err);
	else if (watch(t, first->seq, &why) < 0)
		refuse(t, &why);
}

/* The body may be empty, or say how long to wait: otherwise *wait_ms stays. */
static int parse(const struct call *c, int64_t *wait_ms, struct ssf_err *err)
{
	static const char *const names[] = { "wait_ms", NULL };
	json_auto_t *body = NULL;
	json_int_t ms = *wait_ms;

	if (http_body(c->req).len > 0 &&
	    (ssf_api_body(c, &body, err) < 0 || ssf_json_only(body, names, err) < 0 ||
	     ssf_json_opt_int(body, "wait_ms", &ms, err) < 0))
		return -1;
	if (ms < 1 || ms > WAIT_MAX_MS)
		return ssf_fail(err, SSF_E_MALFORMED, "wait_ms: must be 1 to %d", WAIT_MAX_MS);
	*wait_ms = ms;
	return 0;
}

static int start(struct test *t, struct ssf_err *err)
{
	ssf_auto(drafts) drafts = drafts_new();
	struct batch_append *append;

	if (drafts == NULL || t->stream == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "test");
	if (ssf_api_verification(t->stream, NULL, NULL, drafts, err) < 0 ||
	    batch_append_start(t->api->batch, drafts, on_stored, t, &append, err) < 0)
		return -1;
	http_on_close(t->req, on_client_gone, t);
	return 0;
}

void api_stream_test(const struct call *c)
{
	struct ssf_err err;
	int64_t wait_ms = WAIT_MS;
	struct test *t = NULL;
	int r;

	if (registry_get(c->api->registry, KIND_STREAM, c->arg[0]) == NULL)
		r = ssf_fail(&err, SSF_E_NOT_FOUND, "no such stream");
	else
		r = parse(c, &wait_ms, &err);
	if (r == 0 && (t = calloc(1, sizeof(*t))) == NULL)
		r = ssf_fail(&err, SSF_E_NOMEM, "test");
	if (r < 0) {
		http_reply_error(c->req, 0, &err);
		return;
	}
	*t = (struct test){ .api = c->api, .req = c->req, .stream = strdup(c->arg[0]),
			    .began_ms = loop_now_ms(), .wait_ms = wait_ms };
	if (start(t, &err) < 0)
		refuse(t, &err);
}
