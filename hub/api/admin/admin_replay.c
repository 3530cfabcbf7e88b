/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the request and answers it; the transaction is hub/deliver's and goes on when the client goes away.
 */
#include "hub/api/admin/admin_replay.h"

#include "hub/api/reply.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"
#include "lib/ssf/timestamp.h"

#include <stdlib.h>
#include <string.h>

struct replay_request {
	struct http_req *req;
	char stream[API_REQUEST_PART_LEN];
};

static struct replay_request *request_new(const struct api_request *rq, struct ssf_err *err)
{
	struct replay_request *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		ssf_fail(err, SSF_E_NOMEM, "request");
		return NULL;
	}
	r->req = rq->http;
	memcpy(r->stream, rq->part[0], sizeof(r->stream));
	return r;
}

static void fail_request(struct replay_request *r, const struct ssf_err *err)
{
	http_reply_error(r->req, 0, err);
	free(r);
}

/* The number of an event; 0: absent. */
static int parse_seq(const json_t *body, int64_t *seq, struct ssf_err *err)
{
	json_int_t value = 0;

	if (ssf_json_opt_int(body, "seq", &value, err) < 0)
		return -1;
	if (value < 1 && json_is_integer(json_object_get(body, "seq")))
		return ssf_fail(err, SSF_E_MALFORMED, "seq: must be the number of an event");
	*seq = value;
	return 0;
}

/* --- redrive ------------------------------------------------------------------------------------------ */

static void on_redriven(void *arg, const struct replay_redriven *done, const struct ssf_err *err)
{
	struct replay_request *r = arg;

	if (err != NULL) {
		fail_request(r, err);
		return;
	}
	log_info("api.redriven", log_str("stream", r->stream), log_int("events", done->redriven),
		 log_str("peer", http_peer(r->req)));
	reply_json(r->req, 200,
		   json_pack("{s:s, s:I, s:I, s:I}", "stream", r->stream, "redriven",
			     (json_int_t)done->redriven, "gone", (json_int_t)done->gone, "remaining",
			     (json_int_t)done->remaining));
	free(r);
}

static int redrive(const struct stream_api *api, const struct api_request *rq, struct ssf_err *err)
{
	static const char *const names[] = { "seq", "all", NULL };
	json_auto_t *body = NULL;
	bool all = false;
	int64_t seq;
	struct replay_request *r;

	if (reply_parse_body(rq->http, &body, err) < 0 || ssf_json_only(body, names, err) < 0 ||
	    ssf_json_opt_bool(body, "all", &all, err) < 0 || parse_seq(body, &seq, err) < 0)
		return -1;
	if (all == (seq != 0))
		return ssf_fail(err, SSF_E_MALFORMED, "give either seq or \"all\": true");
	r = request_new(rq, err);
	if (r == NULL)
		return -1;
	if (deliver_redrive(api->deliver, r->stream, seq, on_redriven, r, err) < 0) {
		free(r);
		return -1;
	}
	return 0;
}

void admin_replay_redrive(const struct stream_api *api, const struct api_request *rq)
{
	struct ssf_err err;

	if (redrive(api, rq, &err) < 0)
		http_reply_error(rq->http, 0, &err);
}

/* --- rewind ------------------------------------------------------------------------------------------- */

static void on_rewound(void *arg, int64_t first, const struct ssf_err *err)
{
	struct replay_request *r = arg;

	if (err != NULL) {
		fail_request(r, err);
		return;
	}
	log_info("api.rewound", log_str("stream", r->stream), log_int("seq", first),
		 log_str("peer", http_peer(r->req)));
	reply_json(r->req, 200, json_pack("{s:s, s:I}", "stream", r->stream, "first", (json_int_t)first));
	free(r);
}

static int parse_point(const json_t *body, struct replay_point *to, struct ssf_err *err)
{
	static const char *const names[] = { "seq", "time", NULL };
	const char *time = NULL;

	if (ssf_json_only(body, names, err) < 0 || parse_seq(body, &to->seq, err) < 0 ||
	    ssf_json_opt_str(body, "time", &time, err) < 0)
		return -1;
	if ((time != NULL) == (to->seq != 0))
		return ssf_fail(err, SSF_E_MALFORMED, "give either seq or time");
	if (time != NULL && ssf_timestamp_parse(ssf_str_c(time), &to->at_ms, err) < 0)
		return ssf_fail_prefix(err, "time");
	return 0;
}

static int rewind_to(const struct stream_api *api, const struct api_request *rq, struct ssf_err *err)
{
	json_auto_t *body = NULL;
	struct replay_point to = { 0 };
	struct replay_request *r;

	if (reply_parse_body(rq->http, &body, err) < 0 || parse_point(body, &to, err) < 0)
		return -1;
	r = request_new(rq, err);
	if (r == NULL)
		return -1;
	if (deliver_rewind(api->deliver, r->stream, to, on_rewound, r, err) < 0) {
		free(r);
		return -1;
	}
	return 0;
}

void admin_replay_rewind(const struct stream_api *api, const struct api_request *rq)
{
	struct ssf_err err;

	if (rewind_to(api, rq, &err) < 0)
		http_reply_error(rq->http, 0, &err);
}
