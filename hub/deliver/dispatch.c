/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions that were found and not offered the event yet are in a list by a node of their own: one that is freed
 * meanwhile leaves it.
 */
#include "hub/deliver/dispatch.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"

#define READ_MAX 64
#define CLOCK_EVERY 16 /* offers between two looks at the clock */

void dispatch_init(struct dispatch *d, const struct dispatch_deps *deps)
{
	*d = (struct dispatch){ .deps = *deps };
	work_list_init(&d->pending, NULL, NULL);
}

void dispatch_stop(struct dispatch *d)
{
	d->stopped = true;
	loop_defer_cancel(d->defer);
	d->defer = NULL;
}

void dispatch_done(struct dispatch *d)
{
	dispatch_stop(d);
	event_free(d->event);
	d->event = NULL;
}

/* Every subscription reads the log by itself, from where all are now, until it is up to date again. */
static void all_lag(struct dispatch *d)
{
	struct subscription *s = NULL;

	while ((s = subscription_set_next(d->deps.set, s)) != NULL) {
		if (s->state != SUBSCRIPTION_LIVE)
			continue;
		subscription_lag(s);
		work_list_push(&d->deps.lists->followers, &s->nodes.follow, s);
	}
}

static void on_found(void *arg, void *owner)
{
	struct dispatch *d = arg;
	struct subscription *s = owner;

	d->found += s->nodes.offered.list == NULL;
	work_list_push(&d->pending, &s->nodes.offered, s);
}

/* All that may want e are collected first: an offer may change the index. */
static void begin_event(struct dispatch *d, struct event *e)
{
	struct ssf_err err;

	d->event = event_ref(e);
	d->position.offering = e->seq;
	d->found = 0;
	d->busy_us = 0;
	if (interest_index_find(d->deps.index, e, on_found, d, &err) < 0) {
		log_error("deliver.dispatch.nomem", log_int("seq", e->seq));
		while (work_list_pop(&d->pending) != NULL)
			;
		all_lag(d);
	}
}

static void end_event(struct dispatch *d)
{
	d->position.done = d->event->seq;
	metric_observe(match_seconds, d->busy_us);
	metric_observe(match_streams, (int64_t)d->found);
	event_free(d->event);
	d->event = NULL;
}

/* Offers the event to those that are left, until the slice ends. */
static void offer(struct dispatch *d, int64_t until_us)
{
	int64_t began_us = loop_now_us(), now_us = began_us;
	struct subscription *s;

	for (size_t n = 1; now_us < until_us && (s = work_list_pop(&d->pending)) != NULL; n++) {
		subscription_offer(s, d->event);
		if (n % CLOCK_EVERY == 0)
			now_us = loop_now_us();
	}
	d->busy_us += loop_now_us() - began_us;
	if (d->pending.count == 0)
		end_event(d);
}

static void offer_events(struct dispatch *d, int64_t until_us)
{
	struct event *events[READ_MAX];
	size_t count;

	if (d->event != NULL)
		offer(d, until_us);
	while (d->event == NULL && d->position.done < event_log_head(d->deps.log) && loop_now_us() < until_us) {
		if (!event_log_recent(d->deps.log, d->position.done, events, READ_MAX, &count) || count == 0) {
			/* the tail in memory has moved past us */
			all_lag(d);
			d->position.done = d->position.offering = event_log_head(d->deps.log);
			return;
		}
		for (size_t i = 0; i < count && d->event == NULL && loop_now_us() < until_us; i++) {
			begin_event(d, events[i]);
			offer(d, until_us);
		}
	}
}

bool dispatch_is_behind(const struct dispatch *d)
{
	return d->position.known && (d->event != NULL || d->position.done < event_log_head(d->deps.log));
}

static void on_defer(void *arg);

static void defer(struct dispatch *d)
{
	if (d->defer == NULL && !d->stopped)
		d->defer = loop_defer_start(d->deps.loop, on_defer, d);
}

static void on_defer(void *arg)
{
	struct dispatch *d = arg;
	int64_t behind = event_log_count(d->deps.log, d->position.done);
	int64_t until_us = loop_now_us() + (behind > DISPATCH_BEHIND_MAX ? DISPATCH_BEHIND_SLICE_US : DISPATCH_SLICE_US);
	struct work_list *followers = &d->deps.lists->followers;
	size_t left = followers->count; /* one that has read everything comes back into the list */
	struct subscription *s;

	d->defer = NULL;
	offer_events(d, until_us);
	for (; left > 0 && loop_now_us() < until_us; left--) {
		if ((s = work_list_pop(followers)) != NULL)
			subscription_advance(s);
	}
	if (left > 0 || dispatch_is_behind(d))
		defer(d);
	run_queue_run(d->deps.runs);
}

void dispatch_head(void *arg, int64_t head)
{
	struct dispatch *d = arg;
	struct subscription *s = NULL;

	if (!d->position.known) {
		d->position = (struct dispatch_position){ .done = head, .offering = head, .known = true };
		while ((s = subscription_set_next(d->deps.set, s)) != NULL)
			subscription_advance(s);
	}
	defer(d);
}
