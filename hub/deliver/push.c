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

#include "lib/kit/log.h"
#include "lib/ssf/json.h"
#include "lib/ssf/set.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT_MAX 16
#define ANSWER_MAX (256 * 1024) /* a 2xx with more is taken for a failure, and sent again */
#define RETRY_AFTER_MAX_S 3600

struct delivery {
	struct outlet *outlet;
	struct entry *entry;
	unsigned attempts;
	bool in_flight;
	struct keys_sign *sign;
	struct http_call *call;
	struct loop_timer *wait;
};

static void delivery_begin(struct delivery *dl);

static void leave_flight(struct delivery *dl)
{
	if (dl->in_flight)
		dl->outlet->in_flight--;
	dl->in_flight = false;
}

static void delivery_free(struct delivery *dl)
{
	leave_flight(dl);
	keys_sign_cancel(dl->sign);
	http_call_cancel(dl->call);
	loop_timer_cancel(dl->wait);
	dl->entry->delivery = NULL;
	free(dl);
}

/* --- wait -------------------------------------------------------------------------------------------- */

static void on_wait(void *arg)
{
	struct delivery *dl = arg;

	int64_t hold = dl->outlet->not_before - loop_now_ms();

	dl->wait = NULL;
	if (dl->outlet->deliver->draining)
		return;
	if (hold > 0) {
		dl->wait = loop_timer_start(dl->outlet->deliver->loop, hold, on_wait, dl);
		return;
	}
	/* a receiver that is failing gets one at a time until one gets through */
	if (dl->outlet->in_flight > 0 && dl->outlet->failures > 0) {
		dl->wait = loop_timer_start(dl->outlet->deliver->loop,
					    dl->outlet->deliver->conf.retry_min_ms, on_wait, dl);
		return;
	}
	delivery_begin(dl);
}

/* Full jitter: anywhere between 0 and the doubling cap, but not before Retry-After. */
static void retry(struct delivery *dl, int retry_after_s)
{
	const struct deliver_conf *conf = &dl->outlet->deliver->conf;
	int64_t cap = conf->retry_min_ms << (dl->attempts < 20 ? dl->attempts : 20);
	uint32_t random = 0;
	int64_t ms;

	RAND_bytes((unsigned char *)&random, sizeof(random));
	cap = cap < conf->retry_max_ms ? cap : conf->retry_max_ms;
	ms = (int64_t)(random % (uint64_t)(cap + 1));
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (retry_after_s > 0) /* which it says of itself, not of this event */
		dl->outlet->not_before = loop_now_ms() + retry_after_s * 1000LL;
	dl->attempts++;
	leave_flight(dl);
	dl->wait = loop_timer_start(dl->outlet->deliver->loop, ms, on_wait, dl);
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
	int64_t age = wall_now_ms() - dl->entry->event->at_ms;
	char reason[200];

	o->failures++;
	outlet_error(o, what);
	log_warn("deliver.push.failed", log_str("stream", o->stream->id),
		 log_str("txn", dl->entry->event->txn), log_int("attempt", dl->attempts + 1),
		 log_str("error", what));
	if (age > o->deliver->conf.max_age_ms) {
		snprintf(reason, sizeof(reason), "expired: %s", what);
		bury(dl, reason);
	} else {
		retry(dl, retry_after_s);
	}
}

void push_hurry(struct outlet *o)
{
	struct entry *e;

	TAILQ_FOREACH(e, &o->entries, link) {
		if (e->delivery != NULL && e->delivery->wait != NULL) {
			loop_timer_cancel(e->delivery->wait);
			e->delivery->wait = loop_timer_start(o->deliver->loop, 0, on_wait, e->delivery);
		}
	}
}

/*
 * If the receiver was away, and does not only dislike some events, what waits for its next
 * attempt need not wait any longer.
 */
static void recovered(struct outlet *o, unsigned failures)
{
	struct entry *e;
	unsigned waiting = 0;

	TAILQ_FOREACH(e, &o->entries, link)
		waiting += e->delivery != NULL && e->delivery->wait != NULL;
	if (failures > waiting)
		push_hurry(o);
}

static void delivered(struct delivery *dl, const struct http_result *r)
{
	struct outlet *o = dl->outlet;
	struct entry *e = dl->entry;
	unsigned failures = o->failures;

	log_info("deliver.push.done", log_str("stream", o->stream->id), log_str("txn", e->event->txn),
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

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct delivery *dl = arg;
	struct outlet *o = dl->outlet;
	char what[64];

	dl->call = NULL;
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

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct delivery *dl = arg;
	struct outlet *o = dl->outlet;
	ssf_auto_buf header = SSF_BUF(8192);
	struct ssf_err why;

	dl->sign = NULL;
	if (err != NULL) {
		failed(dl, err->msg, 0);
		return;
	}
	if (authorization(o, &header, &why) < 0) {
		failed(dl, why.msg, 0);
		return;
	}
	struct http_call_spec spec = {
		.method = "POST",
		.url = o->stream->endpoint,
		.headers = { "Content-Type: " SSF_SET_MEDIA_TYPE, "Accept: application/json",
			     "User-Agent: ssfhub", header.len > 0 ? header.ptr : NULL },
		.body = set,
		.timeout_ms = (int)o->deliver->conf.push_timeout_ms,
		.max_body = ANSWER_MAX,
	};
	if (http_call_start(o->deliver->client, &spec, on_answer, dl, &dl->call, &why) < 0) {
		dl->call = NULL;
		failed(dl, why.msg, 0);
	}
}

static void delivery_begin(struct delivery *dl)
{
	struct outlet *o = dl->outlet;
	struct ssf_err err;

	dl->in_flight = true;
	o->in_flight++;
	if (keys_sign_start(o->deliver->keys, dl->entry->event, o->stream->audience, o->stream->alg,
			    on_signed, dl, &dl->sign, &err) < 0) {
		dl->sign = NULL;
		failed(dl, err.msg, 0);
	}
}

/* --- which ones ------------------------------------------------------------------------------------------ */

static bool subject_before(struct outlet *o, const struct entry *e)
{
	const struct entry *x;

	TAILQ_FOREACH(x, &o->entries, link) {
		if (x == e)
			return false;
		if (!x->settled && memcmp(x->event->subject_key, e->event->subject_key,
					  SSF_SHA256_LEN) == 0)
			return true;
	}
	return false;
}

static void on_push(void *arg)
{
	struct outlet *o = arg;
	struct entry *e;
	size_t begun = 0;

	o->push = NULL;
	if (o->stream->method != STREAM_PUSH || o->deliver->draining ||
	    loop_now_ms() < o->not_before)
		return;
	TAILQ_FOREACH(e, &o->entries, link)
		begun += e->delivery != NULL;
	TAILQ_FOREACH(e, &o->entries, link) {
		struct delivery *dl;
		/*
		 * a receiver that fails is tried one by one, and with no more than so many: it may
		 * be away, or may dislike a few, which are not to hold up the rest
		 */
		if (o->in_flight >= IN_FLIGHT_MAX ||
		    (o->failures > 0 && (o->in_flight > 0 || begun >= IN_FLIGHT_MAX)))
			return;
		if (!outlet_may_send(o, e) || e->delivery != NULL || subject_before(o, e))
			continue;
		dl = calloc(1, sizeof(*dl));
		if (dl == NULL)
			return; /* the next kick tries again */
		dl->outlet = o;
		dl->entry = e;
		e->delivery = dl;
		begun++;
		delivery_begin(dl);
	}
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
		delivery_begin(dl);
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
