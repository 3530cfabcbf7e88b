/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop: send, handle the answer, [pause,] send. It owns at any time one of: the call, the
 * items of one answer, the timer of a pause. Acknowledgements are kept until an answer of 200
 * shows that the hub has them.
 */
#include "receivers/lib/poll_client.h"

#include "lib/kit/backoff.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"

#include <stdlib.h>

#define SETS_MAX 1000
#define ANSWER_MAX_BYTES (32 * 1024 * 1024)
#define AUTHORIZATION_MAX 8192
#define ANSWER_GRACE_MS 10000 /* beyond wait_s */
#define FINAL_ACK_MS 3000
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000
#define RETRY_AFTER_MAX_S 300
/* A hub that does not hold polls must not be polled in a tight loop. */
#define EMPTY_EVERY_MS 1000

/* One SET of the answer. */
struct answer_set {
	struct poll_client *p;
	const char *jti; /* borrowed from p->answer */
	struct set_inbox_item *item;
};

struct poll_client {
	const struct set_inbox *inbox;
	struct http_client *http;
	const struct poll_client_conf *conf;
	struct ssf_buf authorization; /* the header */
	struct http_call *call;
	struct loop_timer *pause;
	int64_t sent_ms;
	unsigned failures; /* in a row */
	json_t *acks; /* array, for the next poll */
	json_t *errs; /* object, for the next poll */
	json_t *answer;
	struct answer_set *sets;
	size_t set_count;
	size_t pending;
	bool retry_later; /* a SET of the answer failed for now */
	bool draining;
};

static void send_poll(void *arg);

static void pause_for(struct poll_client *p, int64_t ms)
{
	if (p->draining)
		return;
	p->pause = loop_timer_start(p->inbox->loop, ms, send_poll, p);
	if (p->pause == NULL)
		log_error("receiver.poll.stopped", log_str("error", "out of memory"));
}

static void poll_failed(struct poll_client *p, const struct ssf_err *err, int retry_after_s)
{
	int64_t ms = backoff_equal_ms(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, ++p->failures);

	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (ms < (int64_t)retry_after_s * 1000)
		ms = (int64_t)retry_after_s * 1000;
	log_warn("receiver.poll.failed", log_why(err), log_int("again_ms", ms));
	pause_for(p, ms);
}

/* --- one answer ---------------------------------------------------------------------------- */

static void answer_done(struct poll_client *p)
{
	for (size_t i = 0; i < p->set_count; i++)
		set_inbox_accept_cancel(p->sets[i].item);
	free(p->sets);
	p->sets = NULL;
	p->set_count = 0;
	p->pending = 0;
	json_decref(p->answer);
	p->answer = NULL;
}

static bool has_results(const struct poll_client *p)
{
	return json_array_size(p->acks) > 0 || json_object_size(p->errs) > 0;
}

static void answer_handled(struct poll_client *p)
{
	int64_t early = p->sent_ms + EMPTY_EVERY_MS - loop_now_ms();
	bool empty = p->set_count == 0;

	answer_done(p);
	if (p->draining) {
		if (has_results(p))
			send_poll(p);
		return;
	}
	if (p->retry_later) {
		pause_for(p, backoff_equal_ms(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, ++p->failures));
		return;
	}
	p->failures = 0;
	pause_for(p, empty && early > 0 ? early : 0);
}

/* Without memory for the note nothing is told, and the SET comes again. */
static void note_result(struct poll_client *p, const char *jti, const struct ssf_err *err)
{
	if (err == NULL) {
		json_array_append_new(p->acks, json_string(jti));
	} else if (set_inbox_is_transient(err)) {
		p->retry_later = true;
	} else {
		json_object_set_new(p->errs, jti,
				    json_pack("{s:s,s:s}", "err", set_inbox_error_code(err),
					      "description", err->msg));
	}
}

static void on_item(void *arg, const struct ssf_err *err)
{
	struct answer_set *set = arg;
	struct poll_client *p = set->p;

	set->item = NULL;
	note_result(p, set->jti, err);
	if (--p->pending == 0)
		answer_handled(p);
}

static void start_set(struct poll_client *p, const char *jti, const json_t *token)
{
	struct answer_set *set = &p->sets[p->set_count];
	struct ssf_str text = { json_string_value(token), json_string_length(token) };
	struct ssf_err err;

	*set = (struct answer_set){ .p = p, .jti = jti };
	p->set_count++;
	if (!json_is_string(token)) {
		ssf_fail(&err, SSF_E_MALFORMED, "sets: a SET must be a string");
		note_result(p, jti, &err);
	} else if (set_inbox_accept_start(p->inbox, text, on_item, set, &set->item, &err) < 0) {
		note_result(p, jti, &err);
	} else {
		p->pending++;
	}
}

static int handle_sets(struct poll_client *p, struct ssf_err *err)
{
	json_t *sets = json_object_get(p->answer, "sets");
	size_t n = json_object_size(sets);
	const char *jti;
	json_t *token;

	if (!json_is_object(sets))
		return ssf_fail(err, SSF_E_MALFORMED, "answer: sets is not an object");
	if (n > SETS_MAX)
		n = SETS_MAX; /* the hub sends the others again */
	p->sets = calloc(n > 0 ? n : 1, sizeof(p->sets[0]));
	if (p->sets == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "poll: out of memory");
	p->retry_later = false;
	json_object_foreach(sets, jti, token) {
		if (p->set_count < n)
			start_set(p, jti, token);
	}
	log_debug("receiver.poll.answered", log_int("sets", (int64_t)n));
	if (p->pending == 0)
		answer_handled(p);
	return 0;
}

static int read_answer(struct poll_client *p, const struct http_result *result,
		       const struct ssf_err *failed, struct ssf_err *err)
{
	static const struct ssf_json_limits limits = { ANSWER_MAX_BYTES, 8 };

	if (failed != NULL) {
		*err = *failed;
		return -1;
	}
	if (result->status != 200)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "status %d", result->status);
	json_array_clear(p->acks);
	json_object_clear(p->errs);
	return ssf_json_parse(result->body, &limits, &p->answer, err);
}

static void on_answer(void *arg, const struct http_result *result, const struct ssf_err *failed)
{
	struct poll_client *p = arg;
	struct ssf_err err;

	p->call = NULL;
	if (read_answer(p, result, failed, &err) < 0 || handle_sets(p, &err) < 0) {
		answer_done(p);
		poll_failed(p, &err, result != NULL ? result->retry_after : -1);
	}
}

/* --- one request --------------------------------------------------------------------------- */

static char *request_text(const struct poll_client *p)
{
	json_auto_t *body =
		json_pack("{s:i,s:b}", "maxEvents", p->draining ? 0 : p->conf->max_events,
			  "returnImmediately", p->draining);

	if (body == NULL)
		return NULL;
	if ((json_array_size(p->acks) > 0 && json_object_set(body, "ack", p->acks) < 0) ||
	    (json_object_size(p->errs) > 0 && json_object_set(body, "setErrs", p->errs) < 0))
		return NULL;
	return json_dumps(body, JSON_COMPACT);
}

static int start_call(struct poll_client *p, struct ssf_err *err)
{
	ssf_auto_free char *text = request_text(p);
	const struct http_call_spec spec = {
		.method = "POST",
		.url = p->conf->url,
		.headers = { "Content-Type: application/json", "Accept: application/json",
			     "Content-Language: en", p->authorization.ptr },
		.body = ssf_str_c(text),
		.timeout_ms = p->draining ? FINAL_ACK_MS : p->conf->wait_s * 1000 + ANSWER_GRACE_MS,
		.max_body = ANSWER_MAX_BYTES,
	};

	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "poll: out of memory");
	return http_call_start(p->http, &spec, on_answer, p, &p->call, err);
}

static void send_poll(void *arg)
{
	struct poll_client *p = arg;
	struct ssf_err err;

	p->pause = NULL;
	p->sent_ms = loop_now_ms();
	if (start_call(p, &err) < 0)
		poll_failed(p, &err, -1);
}

int poll_client_new(const struct set_inbox *inbox, struct http_client *http,
	     const struct poll_client_conf *conf, struct poll_client **out, struct ssf_err *err)
{
	struct poll_client *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "poll: out of memory");
	p->inbox = inbox;
	p->http = http;
	p->conf = conf;
	ssf_buf_init(&p->authorization, AUTHORIZATION_MAX);
	ssf_buf_addf(&p->authorization, "Authorization: Bearer %s", conf->token);
	p->acks = json_array();
	p->errs = json_object();
	p->pause = loop_timer_start(inbox->loop, 0, send_poll, p);
	if (ssf_buf_failed(&p->authorization) || p->acks == NULL || p->errs == NULL ||
	    p->pause == NULL) {
		poll_client_free(p);
		return ssf_fail(err, SSF_E_NOMEM, "poll: out of memory");
	}
	*out = p;
	return 0;
}

void poll_client_free(struct poll_client *p)
{
	if (p == NULL)
		return;
	http_call_cancel(p->call);
	loop_timer_cancel(p->pause);
	answer_done(p);
	json_decref(p->acks);
	json_decref(p->errs);
	ssf_buf_done(&p->authorization);
	free(p);
}

/* Cancels a poll that the hub still holds: nothing of its answer has been acknowledged. */
void poll_client_drain(struct poll_client *p)
{
	if (p->draining)
		return;
	p->draining = true;
	loop_timer_cancel(p->pause);
	p->pause = NULL;
	http_call_cancel(p->call);
	p->call = NULL;
	if (p->pending == 0 && has_results(p))
		send_poll(p);
}

bool poll_client_is_idle(const struct poll_client *p)
{
	return p->call == NULL && p->pending == 0 && p->pause == NULL;
}
