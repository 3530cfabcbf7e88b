/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One test is a machine:
 *
 *   append a verification event -> wait until it is settled -> answer
 *
 * When the client goes away the wait is cancelled; the event is delivered all the same.
 */
#include "hub/api/admin/admin_test.h"

#include "hub/api/reply.h"
#include "hub/streams/verification.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 10000
#define WAIT_MAX_MS 60000

struct stream_test {
	const struct stream_api *api;
	struct http_req *req;
	char *stream;
	int64_t began_ms; /* monotonic */
	int64_t wait_ms;
	bool gone;        /* the client went away during the append */
	struct delivery_waiter *waiter;
};

static void test_free(struct stream_test *t)
{
	free(t->stream);
	free(t);
}

static void fail_test(struct stream_test *t, const struct ssf_err *err)
{
	http_reply_error(t->req, 0, err);
	test_free(t);
}

static void on_client_gone(void *arg)
{
	struct stream_test *t = arg;

	t->gone = true;
	if (t->waiter == NULL)
		return; /* on_appended ends the test */
	delivery_waiter_cancel(t->waiter);
	reply_gone(t->req);
	test_free(t);
}

static void answer(struct stream_test *t, const struct delivery_report *r)
{
	bool delivered = r->outcome == DELIVERY_ACKNOWLEDGED;
	int64_t ms = loop_now_ms() - t->began_ms;

	log_info("api.tested", log_str("stream", t->stream), log_str("jti", r->jti),
		 log_str("outcome", delivered ? "delivered" : r->outcome == DELIVERY_DEAD_LETTERED ? "dead_lettered" : "late"),
		 log_int("ms", ms));
	reply_json(t->req, 200,
		   json_pack("{s:s, s:s, s:b, s:b, s:I, s:s*}", "stream", t->stream, "jti", r->jti,
			     "delivered", delivered, "dead_lettered", r->outcome == DELIVERY_DEAD_LETTERED,
			     "ms", (json_int_t)ms, "last_error", r->error));
	test_free(t);
}

static void on_settled(void *arg, const struct delivery_report *r)
{
	struct stream_test *t = arg;
	struct ssf_err err;

	t->waiter = NULL;
	if (r->outcome == DELIVERY_STREAM_GONE)
		ssf_fail(&err, SSF_E_NOT_FOUND, "the stream was deleted meanwhile");
	else if (r->outcome == DELIVERY_STOPPED)
		ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	else {
		answer(t, r);
		return;
	}
	fail_test(t, &err);
}

static int wait_for_delivery(struct stream_test *t, int64_t seq, struct ssf_err *err)
{
	int64_t left = t->wait_ms - (loop_now_ms() - t->began_ms);

	if (t->gone)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the client is gone");
	if (deliver_wait_start(t->api->deliver, t->stream, seq, left > 0 ? left : 0, on_settled, t, &t->waiter,
				err) == 0)
		return 0;
	if (err->code == SSF_E_NOT_FOUND && registry_get(t->api->registry, KIND_STREAM, t->stream) != NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the stream is moving to another process");
	return -1;
}

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct stream_test *t = arg;
	struct ssf_err why;

	if (err != NULL)
		fail_test(t, err);
	else if (wait_for_delivery(t, first->seq, &why) < 0)
		fail_test(t, &why);
}

/* The body may be empty; then *wait_ms stays. */
static int parse_wait(const struct api_request *r, int64_t *wait_ms, struct ssf_err *err)
{
	static const char *const names[] = { "wait_ms", NULL };
	json_auto_t *body = NULL;
	json_int_t ms = *wait_ms;

	if (http_body(r->http).len > 0 &&
	    (reply_parse_body(r->http, &body, err) < 0 || ssf_json_only(body, names, err) < 0 ||
	     ssf_json_opt_int(body, "wait_ms", &ms, err) < 0))
		return -1;
	if (ms < 1 || ms > WAIT_MAX_MS)
		return ssf_fail(err, SSF_E_MALFORMED, "wait_ms: must be 1 to %d", WAIT_MAX_MS);
	*wait_ms = ms;
	return 0;
}

static int start_test(struct stream_test *t, struct ssf_err *err)
{
	ssf_auto(drafts) drafts = drafts_new();
	struct batch_append *append;

	if (drafts == NULL || t->stream == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "test");
	if (verification_add(drafts, t->stream, NULL, NULL, err) < 0 ||
	    batch_append_start(t->api->batch, drafts, on_appended, t, &append, err) < 0)
		return -1;
	http_on_cancel(t->req, on_client_gone, t);
	return 0;
}

void admin_test_post(const struct stream_api *api, const struct api_request *r)
{
	struct ssf_err err;
	int64_t wait_ms = WAIT_MS;
	struct stream_test *t = NULL;
	int ok;

	if (registry_get(api->registry, KIND_STREAM, r->part[0]) == NULL)
		ok = ssf_fail(&err, SSF_E_NOT_FOUND, "no such stream");
	else
		ok = parse_wait(r, &wait_ms, &err);
	if (ok == 0 && (t = calloc(1, sizeof(*t))) == NULL)
		ok = ssf_fail(&err, SSF_E_NOMEM, "test");
	if (ok < 0) {
		http_reply_error(r->http, 0, &err);
		return;
	}
	*t = (struct stream_test){ .api = api, .req = r->http, .stream = strdup(r->part[0]),
				   .began_ms = loop_now_ms(), .wait_ms = wait_ms };
	if (start_test(t, &err) < 0)
		fail_test(t, &err);
}
