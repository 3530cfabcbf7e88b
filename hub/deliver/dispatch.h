/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offers each new event of the log once, in order, to the subscriptions that may want it, which an index finds
 * (hub/streams/interest_index.h). It works after the callback that has brought the event, so that a 202 need not wait
 * for it, and in slices, so that one event to ten thousand streams does not hold up the loop.
 *
 * It must never pass an event over for a LIVE subscription: one that cannot be offered an event reads the log by itself.
 */
#pragma once

#include "hub/deliver/run_queue.h"
#include "hub/deliver/subscription_set.h"

#define DISPATCH_SLICE_US 2000
#define DISPATCH_BEHIND_MAX 1024 /* events: when more wait slices are longer, or the tail of the log would overtake it */
#define DISPATCH_BEHIND_SLICE_US 50000

struct dispatch_deps {
	struct loop *loop;
	struct event_log *log;
	struct interest_index *index;
	struct subscription_set *set;
	struct subscription_lists *lists;
	struct run_queue *runs; /* of senders: run at the end of a slice */
};

struct dispatch {
	struct dispatch_deps deps;
	struct dispatch_position position;
	struct event *event;       /* being offered; or NULL */
	struct work_list pending;  /* subscriptions that it is still to be offered to */
	size_t found;              /* how many the index found for it */
	int64_t busy_us;           /* spent on it so far */
	struct loop_defer *defer;
	bool stopped;
};

void dispatch_init(struct dispatch *d, const struct dispatch_deps *deps);
void dispatch_done(struct dispatch *d);
/* There are new events: event_log_f. No harm if there are none. */
void dispatch_head(void *arg, int64_t head);
bool dispatch_is_behind(const struct dispatch *d); /* not everything is offered */
/* Nothing is offered any more. */
void dispatch_stop(struct dispatch *d);
