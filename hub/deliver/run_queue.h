/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are to be made soon, in the order in which they were asked for, and in slices: one event to ten
 * thousand streams is ten thousand calls, and what comes in must not wait for all of them. One deferred call of
 * the loop for all, and no memory for each.
 */
#pragma once

#include "hub/deliver/work_list.h"
#include "lib/kit/loop.h"

#define RUN_QUEUE_SLICE_US 1000 /* then the loop has its turn */

/* Embedded in what is called; zeroed memory but for f. */
struct run_node {
	struct work_node node;
	loop_f *f;
	void *arg;
};

struct run_queue {
	struct loop *loop;
	struct work_list calls;
	struct loop_defer *defer;
};

void run_queue_init(struct run_queue *q, struct loop *loop);
void run_queue_done(struct run_queue *q); /* what is left is not called any more */
/* f(arg) is called once, from the loop, unless run_node_cancel() comes first. No effect if it is to be called already. */
void run_queue_push(struct run_queue *q, struct run_node *n);
void run_node_cancel(struct run_node *n);
/* Makes the calls now, as far as a slice goes. For callers that run from the loop and hold nothing. */
void run_queue_run(struct run_queue *q);
