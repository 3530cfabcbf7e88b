/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for the outcome of one event of a stream (POST /v1/streams/{id}/test). A waiter belongs to its subscription and
 * changes nothing of what is delivered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "hub/keys/jti.h"
#include "lib/kit/loop.h"

struct delivery_health;

enum delivery_outcome {
	DELIVERY_ACKNOWLEDGED,  /* the receiver has the event: 2xx, or acknowledged */
	DELIVERY_DEAD_LETTERED,
	DELIVERY_TIMED_OUT,     /* not settled in time */
	DELIVERY_STREAM_GONE,   /* the stream is deleted */
	DELIVERY_STOPPED,       /* the hub shuts down, or another process serves the stream from now on */
};
struct delivery_report {
	enum delivery_outcome outcome;
	const char *jti;
	const char *error; /* the stream's, if it fails now or has failed since the wait began; or NULL */
};
typedef void delivery_waiter_f(void *arg, const struct delivery_report *r); /* borrowed for the call */

struct delivery_waiter;
void delivery_waiter_cancel(struct delivery_waiter *w);

/* --- for subscriptions ------------------------------------------------------------------------ */

LIST_HEAD(delivery_waiter_list, delivery_waiter);

struct delivery_waiter_spec {
	int64_t seq;
	int64_t ms;                  /* waits for no longer */
	bool settled;                /* it is already: that is reported soon */
	const struct delivery_health *health; /* borrowed until the list is ended */
	size_t *total;               /* counts the waiters of all streams; borrowed */
	char jti[JTI_LEN];
};
/* NULL: out of memory. */
struct delivery_waiter *delivery_waiter_start(struct delivery_waiter_list *list, struct loop *loop,
					      const struct delivery_waiter_spec *spec, delivery_waiter_f *f,
					      void *arg);
/* Reports the event of this seq. */
void delivery_waiters_settled(struct delivery_waiter_list *list, int64_t seq, enum delivery_outcome outcome);
/* Reports all. */
void delivery_waiters_end(struct delivery_waiter_list *list, enum delivery_outcome outcome);
