/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the waiters; each reports once, and is gone before that. */
#include "hub/deliver/delivery_waiter.h"

#include "hub/deliver/delivery_health.h"

#include <stdlib.h>

struct delivery_waiter {
	LIST_ENTRY(delivery_waiter) link;
	struct delivery_waiter_spec spec;
	int64_t began_ms; /* since 1970, as the times of the stream's health */
	struct loop_timer *timer;
	struct loop_defer *soon;
	delivery_waiter_f *f;
	void *arg;
};

void delivery_waiter_cancel(struct delivery_waiter *w)
{
	if (w == NULL)
		return;
	LIST_REMOVE(w, link);
	--*w->spec.total;
	loop_timer_cancel(w->timer);
	loop_defer_cancel(w->soon);
	free(w);
}

static void end(struct delivery_waiter *w, enum delivery_outcome outcome)
{
	const struct delivery_health *h = w->spec.health;
	bool fails = outcome != DELIVERY_ACKNOWLEDGED && (h->failing || h->error_at_ms >= w->began_ms);
	struct delivery_waiter_spec spec = w->spec;
	struct delivery_report report = { outcome, spec.jti, fails ? h->error : NULL };
	delivery_waiter_f *f = w->f;
	void *arg = w->arg;

	delivery_waiter_cancel(w);
	f(arg, &report);
}

static void on_timeout(void *arg)
{
	struct delivery_waiter *w = arg;

	w->timer = NULL;
	end(w, DELIVERY_TIMED_OUT);
}

static void on_settled_before(void *arg)
{
	struct delivery_waiter *w = arg;

	w->soon = NULL;
	end(w, DELIVERY_ACKNOWLEDGED);
}

struct delivery_waiter *delivery_waiter_start(struct delivery_waiter_list *list, struct loop *loop,
					      const struct delivery_waiter_spec *spec, delivery_waiter_f *f,
					      void *arg)
{
	struct delivery_waiter *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct delivery_waiter){ .spec = *spec, .began_ms = wall_now_ms(), .f = f, .arg = arg };
	LIST_INSERT_HEAD(list, w, link);
	++*spec->total;
	w->timer = loop_timer_start(loop, spec->ms, on_timeout, w);
	if (spec->settled)
		w->soon = loop_defer_start(loop, on_settled_before, w);
	if (w->timer == NULL) {
		delivery_waiter_cancel(w);
		return NULL;
	}
	return w;
}

void delivery_waiters_settled(struct delivery_waiter_list *list, int64_t seq, enum delivery_outcome outcome)
{
	struct delivery_waiter *w, *next;

	for (w = LIST_FIRST(list); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (w->spec.seq == seq)
			end(w, outcome);
	}
}

void delivery_waiters_end(struct delivery_waiter_list *list, enum delivery_outcome outcome)
{
	while (!LIST_EMPTY(list))
		end(LIST_FIRST(list), outcome);
}
