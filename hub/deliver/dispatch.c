/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands new events to the streams that may want them, in the order of the log and each once. It must
 * never pass an event over for an outlet that is live: what cannot be handed out makes outlets read
 * on by themselves.
 */
#include "hub/deliver/deliver_priv.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"

#include <stdlib.h>

#define READ_MAX 64
#define OFFERS_MAX 8192 /* before others have their turn */

static void on_found(void *arg, void *owner)
{
	struct deliver *d = arg;

	if (d->found_count == d->found_room) {
		size_t room = d->found_room > 0 ? 2 * d->found_room : 64;
		struct outlet **grown = realloc(d->found, room * sizeof(*grown));
		if (grown == NULL) {
			d->found_failed = true;
			return;
		}
		d->found = grown;
		d->found_room = room;
	}
	d->found[d->found_count++] = owner;
}

/* Every outlet reads on by itself from where all are now, and comes back when it is up to date. */
static void all_behind(struct deliver *d)
{
	struct outlet *o;

	LIST_FOREACH(o, &d->outlets, link) {
		if (o->live)
			outlet_behind(o, outlet_scan(o));
	}
}

/* The owners are collected first: an offer may change the index. */
static size_t hand_out(struct deliver *d, struct event *e)
{
	int64_t began = loop_now_us();
	struct ssf_err err;

	d->found_count = 0;
	d->found_failed = false;
	if (stream_index_find(d->index, e, on_found, d, &err) < 0 || d->found_failed) {
		log_error("deliver.dispatch.nomem", log_int("seq", e->seq));
		all_behind(d);
		d->found_count = 0;
	}
	for (size_t i = 0; i < d->found_count; i++)
		outlet_offer(d->found[i], e);
	d->live = e->seq;
	metric_observe(match_seconds, loop_now_us() - began);
	metric_observe(match_streams, (int64_t)d->found_count);
	return d->found_count;
}

static void dispatch(struct deliver *d);

static void on_dispatch(void *arg)
{
	struct deliver *d = arg;

	d->dispatch = NULL;
	dispatch(d);
}

static void fill_behind(struct deliver *d)
{
	struct outlet *o, *next;

	for (o = LIST_FIRST(&d->outlets); o != NULL; o = next) {
		next = LIST_NEXT(o, link);
		if (!o->live)
			outlet_fill(o);
	}
}

static void dispatch(struct deliver *d)
{
	struct event *events[READ_MAX];
	size_t count, offers = 0;

	while (!d->draining && d->live < event_log_head(d->log)) {
		if (offers >= OFFERS_MAX) {
			if (d->dispatch == NULL)
				d->dispatch = loop_defer_start(d->loop, on_dispatch, d);
			return;
		}
		if (!event_log_recent(d->log, d->live, events, READ_MAX, &count)) {
			/* the tail in memory has moved past us */
			all_behind(d);
			d->live = event_log_head(d->log);
			break;
		}
		for (size_t i = 0; i < count && offers < OFFERS_MAX; i++)
			offers += hand_out(d, events[i]) + 1;
	}
	fill_behind(d);
}

void dispatch_head(void *arg, int64_t head)
{
	struct deliver *d = arg;

	if (!d->started) {
		d->started = true;
		d->live = head;
	}
	if (d->dispatch == NULL)
		dispatch(d);
}
