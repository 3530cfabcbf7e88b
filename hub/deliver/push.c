/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push (RFC 8935). One delivery is a machine:
 *
 *   sign -> send -> settled, or wait (backoff) -> sign ..., or buried (dead letter)
 *
 * The next event of a subject starts when the one before is settled; different subjects go in
 * parallel. It must never take an answer for a success that is not 2xx, nor give an event up
 * for anything but the receiver's own word (400) or age.
 */
#include "hub/deliver/deliver_priv.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/backoff.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"
#include "lib/ssf/set.h"
#include "lib/ssf/traceparent.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_FIRST 16       /* in flight to a stream; one more with every success, after a failure from 1 on */
#define WINDOW_MAX 64
/* Of all streams that push just now, each at least 1: connections; and curl (7.88) looks at all of its own whenever a call ends. */
#define WINDOWS_TOTAL 1024
#define FAILING_MAX 16        /* begun, of a stream that fails */
#define ANSWER_MAX (256 * 1024) /* a 2xx with more is taken for a failure, and sent again */
#define RETRY_AFTER_MAX_S 3600
#define TRACE_HEADER "traceparent: "
#define TRACE_HEADER_LEN (sizeof(TRACE_HEADER) + SSF_TRACEPARENT_LEN)

struct delivery {
	struct outlet *outlet;
	struct entry *entry;
	unsigned attempts;
	bool in_flight;
	bool probe;               /* of its endpoint's circuit */
	struct keys_sign *sign;
	struct http_call *call;
	struct loop_timer *wait;
};

static void delivery_begin(struct delivery *dl);

static void leave_flight(struct delivery *dl)
{
	if (dl->in_flight && --dl->outlet->in_flight == 0)
		dl->outlet->deliver->pushing--;
	dl->in_flight = false;
	if (dl->probe)
		endpoint_probe_cancelled(dl->outlet->endpoint);
	dl->probe = false;
	shards_kick(dl->outlet->deliver);
}

static void wait_stop(struct delivery *dl)
{
	if (dl->wait == NULL)
		return;
	loop_timer_cancel(dl->wait);
	dl->wait = NULL;
	dl->outlet->waiting_retries--;
}

static void delivery_free(struct delivery *dl)
{
	leave_flight(dl);
	keys_sign_cancel(dl->sign);
	http_call_cancel(dl->call);
	wait_stop(dl);
	dl->entry->delivery = NULL;
	free(dl);
}

/* --- wait -------------------------------------------------------------------------------------------- */

static void on_wait(void *arg);

static void wait_start(struct delivery *dl, int64_t ms)
{
	dl->wait = loop_timer_start(dl->outlet->deliver->loop, ms, on_wait, dl);
	dl->outlet->waiting_retries += dl->wait != NULL;
}

/* What the operator has sent again is as old as that: it is not given up at the first failure. */
static bool too_old(const struct outlet *o, const struct entry *e)
{
	int64_t since = e->event->at_ms > o->again_at_ms ? e->event->at_ms : o->again_at_ms;

	return wall_now_ms() - since > o->deliver->conf.max_age_ms;
}

static void bury(struct delivery *dl, const char *reason);

static void on_wait(void *arg)
{
	struct delivery *dl = arg;
	struct outlet *o = dl->outlet;
	const struct deliver_conf *conf = &o->deliver->conf;
	int64_t hold = o->not_before - loop_now_ms();

	dl->wait = NULL;
	o->waiting_retries--;
	if (o->deliver->draining)
		return;
	if (hold > 0)
		wait_start(dl, hold);
	else if (!endpoint_admits(o) && too_old(o, dl->entry))
		bury(dl, "expired: no answer from this endpoint");
	else if (!endpoint_admits(o))
		wait_start(dl, conf->retry_max_ms); /* the circuit calls when it closes */
	else if (!shards_act(o))
		wait_start(dl, conf->retry_min_ms); /* it may come back, or go */
	else if (o->in_flight > 0 && o->failures > 0) /* a receiver that fails gets one at a time */
		wait_start(dl, conf->retry_min_ms);
	else
		delivery_begin(dl);
}

int64_t push_backoff_ms(const struct deliver_conf *conf, unsigned attempts)
{
	return backoff_full_ms(conf->retry_min_ms, conf->retry_max_ms, attempts + 1);
}

/* Not before Retry-After, which the receiver says of itself, not of this event. */
static void retry(struct delivery *dl, int retry_after_s)
{
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (retry_after_s > 0)
		dl->outlet->not_before = loop_now_ms() + retry_after_s * 1000LL;
	leave_flight(dl);
	metric_add(push_retries, 1);
	wait_start(dl, push_backoff_ms(&dl->outlet->deliver->conf, dl->attempts++));
}

/* --- settle ------------------------------------------------------------------------------------------- */

static void bury(struct delivery *dl, const char *reason)
{
	struct outlet *o = dl->outlet;

	if (!outlet_bury(o, dl->entry, reason)) {
		retry(dl, 0); /* the receiver is asked again rather than the event lost */
		return;
	}
	delivery_free(dl);
}

/* Not delivered, and no word from the receiver that it never will be. */
static void failed(struct delivery *dl, const char *what, int retry_after_s)
{
	struct outlet *o = dl->outlet;
	char reason[200];

	o->failures++;
	o->push_window = 1;
	outlet_error(o, what);
	log_warn("deliver.push.failed", log_str("stream", o->stream->id),
		 log_str("txn", dl->entry->event->txn), log_int("attempt", dl->attempts + 1),
		 log_str("error", what));
	if (too_old(o, dl->entry)) {
		snprintf(reason, sizeof(reason), "expired: %s", what);
		bury(dl, reason);
	} else {
		retry(dl, retry_after_s);
	}
}

void push_hurry(struct outlet *o)
{
	struct entry *e;

	if (o->waiting_retries == 0)
		return;
	TAILQ_FOREACH(e, &o->entries, link) {
		if (e->delivery != NULL && e->delivery->wait != NULL) {
			wait_stop(e->delivery);
			wait_start(e->delivery, 0);
		}
	}
}

/*
 * If the receiver was away, and does not only dislike some events, what waits for its next
 * attempt need not wait any longer.
 */
static void recovered(struct outlet *o, unsigned failures)
{
	if (failures > o->waiting_retries)
		push_hurry(o);
}

static void delivered(struct delivery *dl, const struct http_result *r)
{
	struct outlet *o = dl->outlet;
	struct entry *e = dl->entry;
	unsigned failures = o->failures;

	if (o->push_window < WINDOW_MAX)
		o->push_window++;
	log_debug("deliver.push.done", log_str("stream", o->stream->id), log_str("txn", e->event->txn),
		 log_int("seq", e->event->seq), log_int("status", r->status),
		 log_int("us", r->elapsed_us));
	delivery_free(dl);
	outlet_settle(o, e, true);
	if (failures > 0)
		recovered(o, failures);
}

/* RFC 8935 section 2.3: the receiver says what is wrong with this SET. */
static void refused(struct delivery *dl, const struct http_result *r)
{
	json_auto_t *body = NULL;
	char reason[OUTLET_REASON_MAX];

	dl->outlet->failures = 0; /* it is there and answers */
	if (ssf_json_parse(r->body, &ssf_json_default, &body, NULL) < 0)
		body = NULL;
	outlet_refusal(body, reason);
	outlet_error(dl->outlet, reason);
	bury(dl, reason);
}

static void count(const struct http_result *r)
{
	if (r != NULL)
		metric_observe(push_seconds, r->elapsed_us);
	metric_add_of(push_attempts,
		      r != NULL && r->status >= 200 && r->status < 300 ? LABEL_push_delivered :
		      r != NULL && r->status == 400			 ? LABEL_push_refused :
									   LABEL_push_failed,
		      1);
}

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct delivery *dl = arg;
	struct outlet *o = dl->outlet;
	bool reached = err == NULL || http_call_connected(dl->call);
	char what[64];

	dl->call = NULL;
	dl->probe = false;
	/* who takes the request and gives no answer, or nonsense, is there: it may be one path of many that does */
	endpoint_result(o->endpoint, reached);
	count(r);
	if (err != NULL) {
		failed(dl, err->msg, 0);
	} else if (r->status >= 200 && r->status < 300) {
		delivered(dl, r);
	} else if (r->status == 400) {
		refused(dl, r);
	} else {
		snprintf(what, sizeof(what), "status %d", r->status);
		failed(dl, what, r->retry_after);
	}
	push_kick(o);
}

/* --- sign and send -------------------------------------------------------------------------------------- */

static int authorization(const struct outlet *o, struct ssf_buf *header, struct ssf_err *err)
{
	char context[256];

	if (o->stream->authorization == NULL)
		return 0;
	snprintf(context, sizeof(context), "stream/%s/delivery.authorization_header", o->stream->id);
	ssf_buf_adds(header, "Authorization: ");
	return unseal(o->deliver->master, context, ssf_str_c(o->stream->authorization), header, err);
}

/* Of the trace that led to the event, if there was one (W3C Trace Context); each attempt is a request of its own. */
static const char *trace_header(const struct event *e, char out[TRACE_HEADER_LEN])
{
	uint64_t parent_id = 0;

	if (e->trace == NULL || RAND_bytes((unsigned char *)&parent_id, sizeof(parent_id)) != 1)
		return NULL;
	memcpy(out, TRACE_HEADER, sizeof(TRACE_HEADER) - 1);
	ssf_traceparent_child(e->trace, parent_id | 1, out + sizeof(TRACE_HEADER) - 1);
	return out;
}

static void delivery_send(struct delivery *dl, struct ssf_str set)
{
	struct outlet *o = dl->outlet;
	ssf_auto_buf header = SSF_BUF(8192);
	char trace_text[TRACE_HEADER_LEN];
	const char *trace = trace_header(dl->entry->event, trace_text);
	struct ssf_err why;

	if (authorization(o, &header, &why) < 0) {
		failed(dl, why.msg, 0);
		return;
	}
	const char *own = header.len > 0 ? header.ptr : NULL;
	struct http_call_spec spec = {
		.method = "POST",
		.url = o->stream->endpoint,
		.headers = { "Content-Type: " SSF_SET_MEDIA_TYPE, "Accept: application/json",
			     "User-Agent: ssfhub", own != NULL ? own : trace, own != NULL ? trace : NULL },
		.body = set,
		.timeout_ms = (int)o->deliver->conf.push_timeout_ms,
		.max_body = ANSWER_MAX,
	};
	if (http_call_start(o->deliver->client, &spec, on_answer, dl, &dl->call, &why) < 0) {
		dl->call = NULL;
		failed(dl, why.msg, 0);
	}
}

/* As if it had not been begun. */
static void put_back(struct delivery *dl)
{
	struct outlet *o = dl->outlet;
	struct entry *e = dl->entry;

	delivery_free(dl);
	lanes_give_back(&o->lanes, e);
}

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct delivery *dl = arg;

	dl->sign = NULL;
	if (!shards_act(dl->outlet)) /* the stream has gone somewhere else meanwhile */
		put_back(dl);
	else if (err != NULL)
		failed(dl, err->msg, 0);
	else
		delivery_send(dl, set);
}

static void delivery_begin(struct delivery *dl)
{
	struct outlet *o = dl->outlet;
	const struct event *e = dl->entry->event;
	struct ssf_str set = keys_signed(o->deliver->keys, e, o->stream->audience, o->stream->alg);
	struct ssf_err err;

	dl->in_flight = true;
	dl->probe = endpoint_begin(o);
	if (o->in_flight++ == 0)
		o->deliver->pushing++;
	if (set.len > 0) {
		delivery_send(dl, set);
	} else if (keys_sign_start(o->deliver->keys, e, o->stream->audience, o->stream->alg, on_signed, dl,
				   &dl->sign, &err) < 0) {
		dl->sign = NULL;
		failed(dl, err.msg, 0);
	}
}

/* --- which ones ------------------------------------------------------------------------------------------ */

/*
 * A receiver that fails is tried one by one, and with no more than so many: it may be away, or may
 * dislike a few, which are not to hold up the rest.
 */
static bool has_room(const struct outlet *o)
{
	if (o->failures > 0)
		return o->in_flight == 0 && o->waiting_retries < FAILING_MAX;
	return o->in_flight == 0 || (o->in_flight < o->push_window && o->in_flight * o->deliver->pushing < WINDOWS_TOTAL);
}

/* What is too old and cannot even be tried is given up: the endpoint has not answered for so long. */
static void expire(struct outlet *o)
{
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&o->lanes.ready); e != NULL && too_old(o, e); e = next) {
		next = TAILQ_NEXT(e, ready_link);
		if (outlet_may_send(o, e) &&
		    !outlet_bury(o, e, "expired: no answer from this endpoint"))
			return; /* the tick tries again */
	}
}

static void on_push(void *arg)
{
	struct outlet *o = arg;
	struct entry *e, *next;

	o->push = NULL;
	if (o->endpoint == NULL || o->deliver->draining || loop_now_ms() < o->not_before || !shards_act(o))
		return;
	if (!endpoint_admits(o)) {
		expire(o);
		return;
	}
	for (e = TAILQ_FIRST(&o->lanes.ready); e != NULL && has_room(o) && endpoint_admits(o);
	     e = next) {
		struct delivery *dl;

		next = TAILQ_NEXT(e, ready_link);
		if (!outlet_may_send(o, e))
			continue;
		dl = calloc(1, sizeof(*dl));
		if (dl == NULL)
			return; /* the next kick tries again */
		lanes_take(&o->lanes, e);
		dl->outlet = o;
		dl->entry = e;
		e->delivery = dl;
		delivery_begin(dl);
	}
}

void push_start(struct outlet *o)
{
	o->push_window = WINDOW_FIRST;
}

void push_kick(struct outlet *o)
{
	if (o->push == NULL)
		o->push = loop_defer_start(o->deliver->loop, on_push, o);
}

void push_again(struct outlet *o)
{
	struct entry *e;

	TAILQ_FOREACH(e, &o->entries, link) {
		struct delivery *dl = e->delivery;
		if (dl == NULL || dl->call == NULL)
			continue;
		http_call_cancel(dl->call);
		dl->call = NULL;
		leave_flight(dl);
		if (shards_act(o))
			delivery_begin(dl);
		else
			put_back(dl);
	}
}

void push_cancel(struct entry *e)
{
	if (e->delivery != NULL)
		delivery_free(e->delivery);
}

void push_stop(struct outlet *o)
{
	struct entry *e;

	TAILQ_FOREACH(e, &o->entries, link)
		push_cancel(e);
}
