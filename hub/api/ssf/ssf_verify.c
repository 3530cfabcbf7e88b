/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interval begins when the event is committed, so that a failure does not turn the retry into a 429. While
 * the append is under way the stream counts as verified, or many requests at once would pass.
 */
#include "hub/api/ssf/ssf_verify.h"

#include "hub/api/reply.h"
#include "hub/api/ssf/client_stream.h"
#include "hub/api/ssf/ssf_api.h"
#include "hub/streams/verification.h"
#include "lib/http/http_error.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX 100000 /* whose last verification is remembered */

struct ssf_verify {
	json_t *at_ms; /* stream id to the time of the last verification, monotonic */
};

struct verify_request {
	struct ssf_verify *verify;
	struct http_req *req;
	char *stream;
	int64_t at_ms;
};

struct ssf_verify *ssf_verify_new(void)
{
	struct ssf_verify *v = calloc(1, sizeof(*v));

	if (v == NULL || (v->at_ms = json_object()) == NULL) {
		free(v);
		return NULL;
	}
	return v;
}

void ssf_verify_free(struct ssf_verify *v)
{
	if (v == NULL)
		return;
	json_decref(v->at_ms);
	free(v);
}

/* Seconds until the stream may be verified again; 0: now. */
static int64_t wait_s(const struct stream_api *api, const char *stream, int64_t now_ms)
{
	const json_t *last = json_object_get(api->verifications->at_ms, stream);
	int64_t passed = now_ms - json_integer_value(last), interval = api->verify_interval_s * 1000;

	return last != NULL && passed < interval ? (interval - passed + 999) / 1000 : 0;
}

static int note(struct ssf_verify *v, const char *stream, int64_t now_ms, struct ssf_err *err)
{
	if (json_object_size(v->at_ms) >= STREAMS_MAX)
		json_object_clear(v->at_ms); /* streams come and go */
	return json_object_set_new(v->at_ms, stream, json_integer(now_ms)) < 0 ?
		       ssf_fail(err, SSF_E_NOMEM, "verification") :
		       0;
}

static void request_free(struct verify_request *v)
{
	if (v == NULL)
		return;
	free(v->stream);
	free(v);
}

/* The interval does not begin, unless another request has begun it meanwhile. */
static void take_back(struct verify_request *v)
{
	json_t *last = json_object_get(v->verify->at_ms, v->stream);

	if (last != NULL && json_integer_value(last) == v->at_ms)
		json_object_del(v->verify->at_ms, v->stream);
}

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct verify_request *v = arg;

	(void)first;
	if (err != NULL) {
		take_back(v);
		http_reply_error(v->req, 0, err);
	} else {
		http_reply_json(v->req, 204, NULL);
	}
	request_free(v);
}

static int verify(const struct stream_api *api, const struct api_request *r, struct http_hint *hint,
		  struct ssf_err *err)
{
	ssf_auto(drafts) drafts = drafts_new();
	json_auto_t *body = NULL;
	const char *id, *state = NULL;
	struct verify_request *v;
	struct batch_append *append;
	int64_t now_ms = loop_now_ms();
	const json_t *spec;

	if (reply_parse_body(r->http, &body, err) < 0 ||
	    client_stream_of(api->registry, api->activity, r, body, &id, &spec, err) < 0 ||
	    ssf_json_opt_str(body, "state", &state, err) < 0)
		return -1;
	if (state != NULL && strlen(state) > SSF_API_TEXT_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "state: longer than %d bytes", SSF_API_TEXT_MAX);
	hint->retry_after_s = wait_s(api, id, now_ms);
	if (hint->retry_after_s > 0)
		return ssf_fail(err, SSF_E_RATE, "min_verification_interval has not passed");
	if (drafts == NULL || (v = calloc(1, sizeof(*v))) == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "verification");
	*v = (struct verify_request){ api->verifications, r->http, strdup(id), now_ms };
	if (v->stream == NULL || verification_add(drafts, id, state, NULL, err) < 0 ||
	    note(v->verify, id, now_ms, err) < 0) {
		if (v->stream == NULL)
			ssf_fail(err, SSF_E_NOMEM, "verification");
		request_free(v);
		return -1;
	}
	if (batch_append_start(api->batch, drafts, on_appended, v, &append, err) < 0) {
		take_back(v);
		request_free(v);
		return -1;
	}
	return 0;
}

void ssf_verify_post(const struct stream_api *api, const struct api_request *r)
{
	struct http_hint hint = { .challenge = NULL };
	struct ssf_err err;

	if (verify(api, r, &hint, &err) < 0)
		http_reply_error_hint(r->http, 0, &err, &hint);
}
