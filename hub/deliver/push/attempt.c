/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the signature or the POST under way, never both. */
#include "hub/deliver/push/attempt.h"

#include "hub/deliver/dead_letter.h"
#include "hub/metrics/metrics.h"
#include "lib/ssf/json.h"
#include "lib/ssf/set.h"
#include "lib/ssf/traceparent.h"

#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (256 * 1024) /* a 2xx with a larger body is a failure */
#define RETRY_AFTER_MAX_S 3600
#define HEADER_MAX 8192
#define TRACE_HEADER "traceparent: "
#define TRACE_HEADER_LEN (sizeof(TRACE_HEADER) + SSF_TRACEPARENT_LEN)

struct attempt {
	const struct attempt_deps *deps;
	struct attempt_spec spec;
	attempt_f *f;
	void *arg;
	struct set_signer_wait *sign;
	struct http_call *call;
};

void attempt_cancel(struct attempt *a)
{
	if (a == NULL)
		return;
	set_signer_cancel(a->sign);
	http_call_cancel(a->call);
	free(a);
}

bool attempt_is_posted(const struct attempt *a)
{
	return a->call != NULL;
}

static void end(struct attempt *a, const struct attempt_result *r)
{
	attempt_f *f = a->f;
	void *arg = a->arg;

	attempt_cancel(a);
	f(arg, r);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void classify_status(const struct http_result *r, struct attempt_result *out)
{
	if (r->status >= 200 && r->status < 300) {
		out->outcome = ATTEMPT_DELIVERED;
	} else if (r->status == 400) {
		json_auto_t *body = NULL;
		if (ssf_json_parse(r->body, &ssf_json_default, &body, NULL) < 0)
			body = NULL;
		out->outcome = ATTEMPT_REFUSED;
		dead_letter_refusal(body, out->what);
	} else {
		if (r->retry_after > 0)
			out->retry_after_s = r->retry_after < RETRY_AFTER_MAX_S ? r->retry_after : RETRY_AFTER_MAX_S;
		snprintf(out->what, sizeof(out->what), "status %d", r->status);
	}
}

void attempt_classify(const struct http_result *r, const struct ssf_err *err, bool connected, struct attempt_result *out)
{
	*out = (struct attempt_result){ .outcome = ATTEMPT_FAILED, .posted = true, .reached = connected };
	if (err != NULL) {
		snprintf(out->what, sizeof(out->what), "%s", err->msg);
		return;
	}
	out->reached = true;
	out->status = r->status;
	out->elapsed_us = r->elapsed_us;
	classify_status(r, out);
}

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct attempt *a = arg;
	struct attempt_result result;

	attempt_classify(r, err, http_call_connected(a->call), &result);
	a->call = NULL;
	if (r != NULL)
		metric_observe(push_seconds, r->elapsed_us);
	metric_add_of(push_attempts, result.outcome == ATTEMPT_DELIVERED ? LABEL_push_delivered :
				     result.outcome == ATTEMPT_REFUSED	 ? LABEL_push_refused :
									   LABEL_push_failed, 1);
	end(a, &result);
}

/* --- the request ------------------------------------------------------------------------------ */

static int authorization(const struct attempt *a, struct ssf_buf *header, struct ssf_err *err)
{
	const struct stream *s = a->spec.stream;
	char context[256];

	if (s->authorization == NULL)
		return 0;
	snprintf(context, sizeof(context), "stream/%s/delivery.authorization_header", s->id);
	ssf_buf_adds(header, "Authorization: ");
	return unseal(a->deps->master, context, ssf_str_c(s->authorization), header, err);
}

/* In the trace that led to the event, if there is one (W3C Trace Context); each attempt is a span of its own. */
static const char *trace_header(const struct event *e, char out[TRACE_HEADER_LEN])
{
	uint64_t parent_id = 0;

	if (e->trace == NULL || RAND_bytes((unsigned char *)&parent_id, sizeof(parent_id)) != 1)
		return NULL;
	memcpy(out, TRACE_HEADER, sizeof(TRACE_HEADER) - 1);
	ssf_traceparent_child(e->trace, parent_id | 1, out + sizeof(TRACE_HEADER) - 1);
	return out;
}

static int post(struct attempt *a, struct ssf_str set, struct ssf_err *err)
{
	ssf_auto_buf header = SSF_BUF(HEADER_MAX);
	char trace_text[TRACE_HEADER_LEN];
	const char *trace = trace_header(a->spec.event, trace_text);

	if (authorization(a, &header, err) < 0)
		return -1;
	const char *own = header.len > 0 ? header.ptr : NULL;
	struct http_call_spec spec = {
		.method = "POST",
		.url = a->spec.stream->endpoint,
		.headers = { "Content-Type: " SSF_SET_MEDIA_TYPE, "Accept: application/json",
			     "User-Agent: ssfhub", own != NULL ? own : trace, own != NULL ? trace : NULL },
		.body = set,
		.timeout_ms = (int)a->deps->timeout_ms,
		.max_body = ANSWER_MAX,
	};
	if (http_call_start(a->deps->client, &spec, on_answer, a, &a->call, err) == 0)
		return 0;
	a->call = NULL;
	return -1;
}

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct attempt *a = arg;
	struct attempt_result result = { .outcome = ATTEMPT_WITHDRAWN };
	struct ssf_err why;

	a->sign = NULL;
	if (a->spec.may_send(a->arg)) {
		if (err == NULL && post(a, set, &why) == 0)
			return;
		result.outcome = ATTEMPT_FAILED;
		snprintf(result.what, sizeof(result.what), "%s", err != NULL ? err->msg : why.msg);
	}
	end(a, &result);
}

int attempt_start(const struct attempt_deps *deps, const struct attempt_spec *spec, attempt_f *f, void *arg,
		  struct attempt **out, struct ssf_err *err)
{
	const struct stream *s = spec->stream;
	const struct set_request request = { spec->event, s->audience, s->alg };
	struct ssf_str set = set_signer_cached(deps->signer, &request);
	struct attempt *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "push");
	*a = (struct attempt){ .deps = deps, .spec = *spec, .f = f, .arg = arg };
	if (set.len > 0 ? post(a, set, err) < 0 :
			  set_signer_start(deps->signer, &request, on_signed, a, &a->sign, err) < 0) {
		free(a);
		return -1;
	}
	*out = a;
	return 0;
}
