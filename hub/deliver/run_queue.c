/* SPDX-License-Identifier: Apache-2.0 */
/* A call that is asked for from inside a call is made in the same slice, if there is time. */
#include "hub/deliver/run_queue.h"

#include <stddef.h>

static void on_defer(void *arg)
{
	struct run_queue *q = arg;

	q->defer = NULL;
	run_queue_run(q);
}

/* Without memory for the deferred call, the next one that is asked for starts it. */
static void defer(struct run_queue *q)
{
	if (q->defer == NULL && q->calls.count > 0)
		q->defer = loop_defer_start(q->loop, on_defer, q);
}

void run_queue_init(struct run_queue *q, struct loop *loop)
{
	*q = (struct run_queue){ .loop = loop };
	work_list_init(&q->calls, NULL, NULL);
}

void run_queue_done(struct run_queue *q)
{
	while (work_list_pop(&q->calls) != NULL)
		;
	loop_defer_cancel(q->defer);
	q->defer = NULL;
}

void run_queue_push(struct run_queue *q, struct run_node *n)
{
	work_list_push(&q->calls, &n->node, n);
	defer(q);
}

void run_node_cancel(struct run_node *n)
{
	work_node_remove(&n->node);
}

void run_queue_run(struct run_queue *q)
{
	int64_t until_us = loop_now_us() + RUN_QUEUE_SLICE_US;
	struct run_node *n;

	while ((n = work_list_pop(&q->calls)) != NULL) {
		n->f(n->arg);
		if (loop_now_us() >= until_us)
			break;
	}
	defer(q);
}
