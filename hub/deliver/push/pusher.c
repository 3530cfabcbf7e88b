/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the deliveries: events that were begun and are neither settled nor given up. */
#include "hub/deliver/push/pusher.h"

#include "hub/deliver/dead_letter.h"
#include "hub/metrics/metrics.h"
#include "lib/kit/backoff.h"
#include "lib/kit/log.h"
#include "lib/kit/rate.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_FIRST 16
#define WINDOW_MAX 64
#define WINDOWS_TOTAL 1024    /* connections */
#define FAILING_MAX 16        /* deliveries of a stream that fails */
#define LOG_EVERY_MS 10000    /* between two warnings about one stream */
#define LOG_PER_SECOND 10     /* warnings of all streams */
#define UNREACHABLE DEAD_LETTER_EXPIRED "no answer from this endpoint"

struct pusher {
	struct sender sender;
	struct push *push;
	struct sender_spec spec;
	struct subject_queue queue;
	TAILQ_HEAD(, delivery) deliveries;
	struct endpoint_member member;
	struct run_node run;
	size_t in_flight;
	size_t waiting;       /* deliveries that wait for their next attempt */
	unsigned failures;    /* in a row */
	unsigned window;      /* how many may be in flight */
	int64_t not_before;   /* ms, monotonic: nothing is sent until then (Retry-After) */
	int64_t log_at_ms;    /* monotonic: from then on a failure is a warning again */
	int64_t not_logged;   /* failures since the last that was */
};

struct delivery {
	TAILQ_ENTRY(delivery) link;
	struct pusher *pusher;
	struct window_entry *entry;
	unsigned attempts;
	bool in_flight;
	bool probe;            /* of the endpoint's circuit */
	struct attempt *attempt;
	struct loop_timer *wait;
};

static struct pusher *pusher_of(const struct sender *s)
{
	return (struct pusher *)s;
}

static bool may_begin(const struct pusher *p)
{
	return p->spec.events->may_begin(p->spec.arg);
}

static void schedule(struct pusher *p)
{
	run_queue_push(p->push->runs, &p->run);
}

/* --- deliveries ------------------------------------------------------------------------------- */

static void leave_flight(struct delivery *d)
{
	struct pusher *p = d->pusher;

	if (d->in_flight && --p->in_flight == 0)
		p->push->pushing--;
	d->in_flight = false;
	if (d->probe)
		endpoint_probe_cancelled(&p->member);
	d->probe = false;
	p->spec.events->idle(p->spec.arg);
}

static void wait_cancel(struct delivery *d)
{
	if (d->wait == NULL)
		return;
	loop_timer_cancel(d->wait);
	d->wait = NULL;
	d->pusher->waiting--;
}

static void delivery_free(struct delivery *d)
{
	struct pusher *p = d->pusher;

	attempt_cancel(d->attempt);
	leave_flight(d);
	wait_cancel(d);
	d->entry->sender_data = NULL;
	TAILQ_REMOVE(&p->deliveries, d, link);
	free(d);
}

/* As if it had not begun. */
static void put_back(struct delivery *d)
{
	struct pusher *p = d->pusher;
	struct window_entry *e = d->entry;

	delivery_free(d);
	subject_queue_give_back(&p->queue, &e->node);
}

static void attempt_begin(struct delivery *d);
static void give_up(struct delivery *d, const char *reason);

static void on_wait(void *arg);

static void wait_start(struct delivery *d, int64_t ms)
{
	d->wait = loop_timer_start(d->pusher->push->loop, ms, on_wait, d);
	if (d->wait != NULL)
		d->pusher->waiting++;
	else
		put_back(d); /* the next run tries it */
}

static void on_wait(void *arg)
{
	struct delivery *d = arg;
	struct pusher *p = d->pusher;
	const struct push_conf *conf = &p->push->conf;
	int64_t hold = p->not_before - loop_now_ms();

	d->wait = NULL;
	p->waiting--;
	if (hold > 0)
		wait_start(d, hold);
	else if (!endpoint_admits(&p->member) && p->spec.events->is_expired(p->spec.arg, d->entry))
		give_up(d, UNREACHABLE);
	else if (!endpoint_admits(&p->member))
		wait_start(d, conf->retry_max_ms); /* the circuit calls when it closes */
	else if (!may_begin(p))
		wait_start(d, conf->retry_min_ms); /* the stream may come back, or go */
	else if (p->in_flight > 0 && p->failures > 0)
		wait_start(d, conf->retry_min_ms); /* one at a time */
	else
		attempt_begin(d);
}

static void retry(struct delivery *d, int retry_after_s)
{
	struct pusher *p = d->pusher;
	const struct push_conf *conf = &p->push->conf;

	if (retry_after_s > 0) /* the receiver says it of itself, not of this event */
		p->not_before = loop_now_ms() + retry_after_s * 1000LL;
	leave_flight(d);
	metric_add(push_retries, 1);
	wait_start(d, backoff_full_ms(conf->retry_min_ms, conf->retry_max_ms, ++d->attempts));
}

/* If its dead letter cannot be written, the receiver is asked again rather than the event lost. */
static void give_up(struct delivery *d, const char *reason)
{
	if (d->pusher->spec.events->give_up(d->pusher->spec.arg, d->entry, reason))
		delivery_free(d);
	else
		retry(d, 0);
}

static void retry_now(struct pusher *p)
{
	struct delivery *d, *next;

	for (d = p->waiting > 0 ? TAILQ_FIRST(&p->deliveries) : NULL; d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		if (d->wait != NULL) {
			wait_cancel(d);
			wait_start(d, 0);
		}
	}
}

/* --- results ---------------------------------------------------------------------------------- */

/* One warning in a while for each stream: an endpoint that is away would fill the log. */
static void log_failure(struct pusher *p, const struct delivery *d, const char *what)
{
	struct log_field stream = log_str("stream", p->spec.stream->id), txn = log_str("txn", d->entry->event->txn);
	struct log_field attempt = log_int("attempt", d->attempts + 1), error = log_str("error", what);
	int64_t now = loop_now_ms();

	if (now < p->log_at_ms || rate_take(p->push->log_rate, "", now) != 0) {
		log_debug("deliver.push.failed", stream, txn, attempt, error);
		p->not_logged++;
		return;
	}
	log_warn("deliver.push.failed", stream, txn, attempt, error, log_int("not_logged", p->not_logged));
	p->not_logged = 0;
	p->log_at_ms = now + LOG_EVERY_MS;
}

/* Not delivered, and no word from the receiver that it never will be. */
static void failed(struct delivery *d, const char *what, int retry_after_s)
{
	struct pusher *p = d->pusher;
	char reason[sizeof(DEAD_LETTER_EXPIRED) + ATTEMPT_WHAT_MAX];

	p->failures++;
	p->window = 1;
	p->spec.events->error(p->spec.arg, what, true);
	log_failure(p, d, what);
	if (p->spec.events->is_expired(p->spec.arg, d->entry)) {
		snprintf(reason, sizeof(reason), DEAD_LETTER_EXPIRED "%s", what);
		give_up(d, reason);
	} else {
		retry(d, retry_after_s);
	}
}

static void delivered(struct delivery *d, const struct attempt_result *r)
{
	struct pusher *p = d->pusher;
	struct window_entry *e = d->entry;
	unsigned failures = p->failures;

	if (p->window < WINDOW_MAX)
		p->window++;
	p->failures = 0;
	log_debug("deliver.push.done", log_str("stream", p->spec.stream->id), log_str("txn", e->event->txn),
		  log_int("seq", e->event->seq), log_int("status", r->status), log_int("us", r->elapsed_us));
	delivery_free(d);
	p->spec.events->settled(p->spec.arg, e);
	/* the receiver was away, and does not only dislike some events: those that wait need not wait any longer */
	if (failures > p->waiting)
		retry_now(p);
}

static void on_result(void *arg, const struct attempt_result *r)
{
	struct delivery *d = arg;
	struct pusher *p = d->pusher;

	d->attempt = NULL;
	if (r->posted) {
		d->probe = false;
		endpoint_result(&p->member, r->reached);
	}
	switch (r->outcome) {
	case ATTEMPT_DELIVERED:
		delivered(d, r);
		break;
	case ATTEMPT_REFUSED:
		p->failures = 0; /* the receiver works, and answers */
		p->spec.events->error(p->spec.arg, r->what, false);
		give_up(d, r->what);
		break;
	case ATTEMPT_FAILED:
		failed(d, r->what, r->retry_after_s);
		break;
	case ATTEMPT_WITHDRAWN:
		put_back(d);
		break;
	}
	schedule(p);
}

static bool may_send(void *arg)
{
	const struct delivery *d = arg;

	return d->pusher->spec.events->is_owned(d->pusher->spec.arg);
}

static void attempt_begin(struct delivery *d)
{
	struct pusher *p = d->pusher;
	const struct attempt_spec spec = { p->spec.stream, d->entry->event, may_send };
	struct ssf_err err;

	d->in_flight = true;
	d->probe = endpoint_begin(&p->member);
	if (p->in_flight++ == 0)
		p->push->pushing++;
	if (attempt_start(&p->push->attempts, &spec, on_result, d, &d->attempt, &err) < 0) {
		d->attempt = NULL;
		failed(d, err.msg, 0);
	}
}

/* --- what goes next --------------------------------------------------------------------------- */

static bool has_room(const struct pusher *p)
{
	if (p->failures > 0)
		return p->in_flight == 0 && p->waiting < FAILING_MAX;
	return p->in_flight == 0 || (p->in_flight < p->window && p->in_flight * p->push->pushing < WINDOWS_TOTAL);
}

static struct window_entry *entry_of(const struct subject_node *n)
{
	return (struct window_entry *)((char *)n - offsetof(struct window_entry, node));
}

/* Events that are too old and cannot even be tried: the endpoint has not answered for so long. */
static void expire(struct pusher *p)
{
	struct subject_node *n, *next;

	for (n = subject_queue_first(&p->queue); n != NULL; n = next) {
		struct window_entry *e = entry_of(n);
		next = subject_queue_next(n);
		if (!p->spec.events->is_expired(p->spec.arg, e))
			return;
		if (p->spec.events->may_send(p->spec.arg, e) && !p->spec.events->give_up(p->spec.arg, e, UNREACHABLE))
			return; /* the circuit's next turn tries again */
	}
}

static void on_run(void *arg)
{
	struct pusher *p = arg;
	struct subject_node *n, *next;

	if (loop_now_ms() < p->not_before || !may_begin(p))
		return;
	if (!endpoint_admits(&p->member)) {
		expire(p);
		return;
	}
	for (n = subject_queue_first(&p->queue); n != NULL && has_room(p) && endpoint_admits(&p->member); n = next) {
		struct window_entry *e = entry_of(n);
		struct delivery *d;

		next = subject_queue_next(n);
		if (!p->spec.events->may_send(p->spec.arg, e))
			continue;
		d = calloc(1, sizeof(*d));
		if (d == NULL)
			return; /* the next run tries again */
		d->pusher = p;
		d->entry = e;
		e->sender_data = d;
		TAILQ_INSERT_TAIL(&p->deliveries, d, link);
		subject_queue_take(&p->queue, n);
		attempt_begin(d);
	}
}

/* --- as a sender, and as a member of an endpoint ---------------------------------------------- */

static void on_add(struct sender *s, struct window_entry *e)
{
	subject_queue_add(&pusher_of(s)->queue, &e->node);
}

static void on_remove(struct sender *s, struct window_entry *e)
{
	if (e->sender_data != NULL)
		delivery_free(e->sender_data);
	subject_queue_remove(&pusher_of(s)->queue, &e->node);
}

static void on_give_back(struct sender *s, struct window_entry *e)
{
	if (e->sender_data == NULL && !e->node.ready)
		subject_queue_give_back(&pusher_of(s)->queue, &e->node);
}

static void on_wake(struct sender *s)
{
	schedule(pusher_of(s));
}

static void on_retry_now(struct sender *s)
{
	retry_now(pusher_of(s));
}

static void on_resend(struct sender *s)
{
	struct pusher *p = pusher_of(s);
	struct delivery *d, *next;

	for (d = TAILQ_FIRST(&p->deliveries); d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		if (d->attempt == NULL || !attempt_is_posted(d->attempt))
			continue;
		attempt_cancel(d->attempt);
		d->attempt = NULL;
		leave_flight(d);
		if (may_send(d))
			attempt_begin(d);
		else
			put_back(d);
	}
}

static void on_loaded(struct sender *s, bool failing)
{
	pusher_of(s)->failures = failing;
}

static void on_release(struct sender *s)
{
	(void)s;
}

static void on_status(const struct sender *s, struct sender_status *out)
{
	const struct pusher *p = pusher_of(s);

	*out = (struct sender_status){ .in_flight = p->in_flight, .waiting_retries = p->waiting,
				       .circuit = circuit_name(endpoint_circuit(&p->member)) };
}

static void pusher_free(struct sender *s)
{
	struct pusher *p = pusher_of(s);

	while (!TAILQ_EMPTY(&p->deliveries))
		delivery_free(TAILQ_FIRST(&p->deliveries));
	run_node_cancel(&p->run);
	endpoint_leave(&p->member);
	subject_queue_done(&p->queue);
	free(p);
}

static const struct sender_ops ops = {
	.add = on_add, .remove = on_remove, .give_back = on_give_back, .wake = on_wake, .retry_now = on_retry_now,
	.resend = on_resend, .loaded = on_loaded, .release = on_release, .status = on_status, .free = pusher_free,
};

static struct pusher *pusher_of_member(const struct endpoint_member *m)
{
	return (struct pusher *)((char *)m - offsetof(struct pusher, member));
}

static bool member_has_work(const struct endpoint_member *m)
{
	const struct pusher *p = pusher_of_member(m);

	return p->waiting > 0 || subject_queue_first(&p->queue) != NULL;
}

static void member_retry_now(struct endpoint_member *m)
{
	struct pusher *p = pusher_of_member(m);

	retry_now(p);
	schedule(p);
}

struct sender *pusher_new(struct push *push, const struct sender_spec *spec)
{
	struct pusher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->sender.ops = &ops;
	p->push = push;
	p->spec = *spec;
	p->window = WINDOW_FIRST;
	p->failures = spec->failing;
	p->run.f = on_run;
	p->run.arg = p;
	p->member.has_work = member_has_work;
	p->member.retry_now = member_retry_now;
	subject_queue_init(&p->queue);
	TAILQ_INIT(&p->deliveries);
	if (endpoint_join(&push->endpoints, spec->stream->endpoint, &p->member) < 0) {
		free(p);
		return NULL;
	}
	return &p->sender;
}

int push_init(struct push *p, struct loop *loop, const struct push_conf *conf, const struct attempt_deps *attempts,
	      struct run_queue *runs, struct ssf_err *err)
{
	*p = (struct push){ .loop = loop, .conf = *conf, .attempts = *attempts, .runs = runs,
			    .log_rate = rate_new(LOG_PER_SECOND) };
	endpoints_init(&p->endpoints, loop, conf->retry_min_ms, conf->retry_max_ms);
	return p->log_rate != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "push");
}

void push_done(struct push *p)
{
	endpoints_done(&p->endpoints);
	rate_free(p->log_rate);
	*p = (struct push){ 0 };
}
