/* SPDX-License-Identifier: Apache-2.0 */
/* Owns no event: what it sends stays open until it is acknowledged. */
#include "hub/deliver/poll/poll.h"

#include "hub/deliver/dead_letter.h"
#include "hub/deliver/poll/answer.h"
#include "hub/deliver/poll/waiters.h"
#include "lib/http/http_error.h"
#include "lib/ssf/json.h"

#include <stdlib.h>

#define ACKS_MAX 10000 /* in one request */

struct poll_sender {
	struct sender sender;
	const struct poll_deps *deps;
	struct sender_spec spec;
	struct poll_waiters waiters;
	struct run_node wake;
};

static struct poll_sender *poll_of(const struct sender *s)
{
	return (struct poll_sender *)s;
}

/* --- choose and answer ------------------------------------------------------------------------ */

/* The next event that may be sent, oldest first. */
static struct window_entry *next_to_send(const struct poll_sender *p, size_t *at)
{
	struct window_entry *e;

	while ((e = window_next(p->spec.window, at)) != NULL) {
		if (p->spec.events->may_send(p->spec.arg, e))
			break;
	}
	return e;
}

static bool has_something(const struct poll_sender *p)
{
	size_t at = 0;

	return next_to_send(p, &at) != NULL;
}

static void answer(struct poll_sender *p, struct http_req *req, size_t max)
{
	size_t open = window_open_count(p->spec.window), at = 0, chosen = 0;
	struct poll_answer *a = poll_answer_new(req, p->deps->keyring, p->deps->signer, open < max ? open : max);
	struct window_entry *e;

	if (a == NULL)
		return;
	for (; (e = next_to_send(p, &at)) != NULL && chosen < max; chosen++)
		poll_answer_add(a, e->event, p->spec.stream->audience, p->spec.stream->alg);
	poll_answer_start(a, e != NULL);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Acknowledgements that cannot be looked at yet must not be lost: the client repeats them after a 503. */
static void answer_nothing(struct http_req *req, bool for_load)
{
	struct ssf_err err;

	if (!for_load) {
		poll_answer_empty(req);
		return;
	}
	ssf_fail(&err, SSF_E_UNAVAILABLE, "the stream is being loaded");
	http_reply_error(req, 0, &err);
}

static void on_wait_over(void *arg, struct http_req *req, bool for_load)
{
	struct poll_sender *p = arg;

	p->spec.events->active(p->spec.arg); /* until now */
	answer_nothing(req, for_load);
}

static void wait_for(struct poll_sender *p, struct http_req *req, size_t max, bool for_load)
{
	if (poll_waiters_add(&p->waiters, req, max, for_load) < 0)
		answer_nothing(req, for_load); /* a long poll becomes a short one */
}

/* One waiter gets what there is: two would get the same. */
static void on_wake_run(void *arg)
{
	struct poll_sender *p = arg;
	struct http_req *req;
	size_t max;

	if (p->waiters.count == 0 || !p->spec.events->is_owned(p->spec.arg) || !has_something(p))
		return;
	req = poll_waiters_take(&p->waiters, false, &max);
	if (req == NULL)
		return;
	p->spec.events->active(p->spec.arg); /* until now */
	answer(p, req, max);
}

/* --- acknowledge ------------------------------------------------------------------------------ */

/* The open event of a jti; NULL: it is settled, or the jti is none of this stream's audience. */
static struct window_entry *entry_of(const struct poll_sender *p, const char *jti)
{
	int64_t seq;

	if (jti == NULL || set_signer_jti_seq(p->deps->signer, ssf_str_c(jti), p->spec.stream->audience,
					      &seq) < 0)
		return NULL;
	return window_find(p->spec.window, seq);
}

static void acknowledge(struct poll_sender *p, const json_t *acks, const json_t *errors)
{
	const json_t *jti;
	const char *key;
	json_t *what;
	size_t i;

	json_array_foreach(acks, i, jti) {
		struct window_entry *e = entry_of(p, json_string_value(jti));
		if (e != NULL)
			p->spec.events->settled(p->spec.arg, e);
	}
	json_object_foreach((json_t *)errors, key, what) {
		struct window_entry *e = entry_of(p, key);
		char reason[DEAD_LETTER_REASON_MAX];
		if (e == NULL)
			continue;
		dead_letter_refusal(what, reason);
		p->spec.events->error(p->spec.arg, reason, false);
		(void)p->spec.events->give_up(p->spec.arg, e, reason); /* or it is sent again */
	}
}

/* --- the request ------------------------------------------------------------------------------ */

struct poll_params {
	json_int_t max;
	bool now;  /* returnImmediately */
	bool wait; /* returnImmediately is false, not absent */
	const json_t *acks;
	const json_t *errors;
};

static int parse_params(const json_t *body, struct poll_params *p, struct ssf_err *err)
{
	const char *jti;
	json_t *what;

	*p = (struct poll_params){ .max = POLL_ANSWER_MAX };
	if (!json_is_object(body))
		return ssf_fail(err, SSF_E_MALFORMED, "the body must be an object");
	if (ssf_json_opt_int(body, "maxEvents", &p->max, err) < 0 ||
	    ssf_json_opt_bool(body, "returnImmediately", &p->now, err) < 0 ||
	    ssf_json_opt_strings(body, "ack", ACKS_MAX, &p->acks, err) < 0)
		return -1;
	p->wait = json_is_false(json_object_get(body, "returnImmediately"));
	if (p->max < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "maxEvents: must not be negative");
	p->errors = json_object_get(body, "setErrs");
	if (p->errors != NULL && !json_is_object(p->errors) && !json_is_null(p->errors))
		return ssf_fail(err, SSF_E_MALFORMED, "setErrs: must be an object");
	if (json_object_size(p->errors) > ACKS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "setErrs: more than %d members", ACKS_MAX);
	json_object_foreach((json_t *)p->errors, jti, what) {
		if (!json_is_string(json_object_get(what, "err")))
			return ssf_fail(err, SSF_E_MALFORMED, "setErrs: must be objects with err");
	}
	if (p->max > POLL_ANSWER_MAX)
		p->max = POLL_ANSWER_MAX;
	return 0;
}

static int parse_request(const struct http_req *req, json_t **body, struct poll_params *p, struct ssf_err *err)
{
	if (ssf_json_parse(http_body(req), &ssf_json_default, body, err) == 0 && parse_params(*body, p, err) == 0)
		return 0;
	if (err->code == SSF_E_LIMIT && http_body(req).len <= ssf_json_default.max_bytes)
		err->code = SSF_E_MALFORMED; /* what is in it is too much, not the whole */
	return -1;
}

void poll_request(struct sender *s, struct http_req *req)
{
	struct poll_sender *p = poll_of(s);
	const struct sender_events *events = p->spec.events;
	json_auto_t *body = NULL;
	struct poll_params params;
	struct ssf_err err;

	events->active(p->spec.arg);
	if (parse_request(req, &body, &params, &err) < 0) {
		http_reply_error(req, 0, &err);
		return;
	}
	if (!events->is_loaded(p->spec.arg) && (json_array_size(params.acks) > 0 || json_object_size(params.errors) > 0)) {
		wait_for(p, req, 0, true);
		return;
	}
	acknowledge(p, params.acks, params.errors);
	if (params.max > 0 && has_something(p))
		answer(p, req, (size_t)params.max);
	/* RFC 8936 section 2.4.2: a client that wants no SETs waits if it says so; without a word it has its answer */
	else if (params.now || !events->may_begin(p->spec.arg) || (params.max == 0 && !params.wait))
		poll_answer_empty(req);
	else
		wait_for(p, req, (size_t)params.max, false);
}

/* --- as a sender ------------------------------------------------------------------------------ */

static void on_add(struct sender *s, struct window_entry *e)
{
	(void)s;
	(void)e;
}

static void on_wake(struct sender *s)
{
	struct poll_sender *p = poll_of(s);

	if (p->waiters.count > 0)
		run_queue_push(p->deps->runs, &p->wake);
}

static void on_retry_now(struct sender *s)
{
	(void)s;
}

static void on_loaded(struct sender *s, bool failing)
{
	struct poll_sender *p = poll_of(s);
	struct http_req *req;
	size_t max;

	(void)failing;
	while ((req = poll_waiters_take(&p->waiters, true, &max)) != NULL) {
		if (p->spec.events->is_owned(p->spec.arg))
			poll_request(s, req);
		else
			answer_nothing(req, true);
	}
}

static void on_release(struct sender *s)
{
	poll_waiters_end(&poll_of(s)->waiters);
}

static void on_status(const struct sender *s, struct sender_status *out)
{
	*out = (struct sender_status){ .waiting_polls = poll_of(s)->waiters.count };
}

static void poll_sender_free(struct sender *s)
{
	struct poll_sender *p = poll_of(s);

	poll_waiters_end(&p->waiters);
	run_node_cancel(&p->wake);
	free(p);
}

static const struct sender_ops ops = {
	.add = on_add, .remove = on_add, .give_back = on_add, .wake = on_wake, .retry_now = on_retry_now,
	.resend = on_retry_now, .loaded = on_loaded, .release = on_release, .status = on_status,
	.free = poll_sender_free,
};

struct sender *poll_sender_new(const struct poll_deps *deps, const struct sender_spec *spec)
{
	struct poll_sender *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->sender.ops = &ops;
	p->deps = deps;
	p->spec = *spec;
	p->wake.f = on_wake_run;
	p->wake.arg = p;
	poll_waiters_init(&p->waiters, deps->loop, deps->wait_ms, on_wait_over, p);
	return &p->sender;
}
