/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender of a push stream (RFC 8935). Of each event:
 *
 *   queued -> in flight (attempt.h) -> settled, or waiting (backoff) -> in flight ..., or given up (dead letter)
 *
 * The next event of a subject starts when the one before is settled; different subjects go in parallel. An event
 * is given up only on the receiver's own word (400) or for its age.
 *
 * How many are in flight: to begin with 16, one more with each success up to 64; after a failure the stream is tried one
 * by one, with at most 16 events, until it succeeds. Of all streams that push at a time 1,024, but at least one each.
 */
#pragma once

#include "hub/deliver/push/attempt.h"
#include "hub/deliver/push/endpoint.h"
#include "hub/deliver/run_queue.h"
#include "hub/deliver/sender.h"

struct push_conf {
	int64_t timeout_ms;   /* of a POST */
	int64_t retry_min_ms; /* first backoff; doubles, with full jitter */
	int64_t retry_max_ms;
};

/* What the pushers of a process share. */
struct push {
	struct loop *loop;
	struct push_conf conf;
	struct attempt_deps attempts;
	struct run_queue *runs; /* borrowed */
	struct endpoints endpoints;
	size_t pushing;         /* pushers with something in flight */
	struct rate *log_rate;  /* of warnings about failed pushes */
};

/* All borrowed. -1: out of memory. */
ssf_nodiscard int push_init(struct push *p, struct loop *loop, const struct push_conf *conf,
			    const struct attempt_deps *attempts, struct run_queue *runs, struct ssf_err *err);
void push_done(struct push *p); /* all pushers were freed */

/* NULL: out of memory. */
struct sender *pusher_new(struct push *p, const struct sender_spec *spec);
