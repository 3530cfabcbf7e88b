/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/deliver/run_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int64_t now_us;

int64_t __wrap_loop_now_us(void);
int64_t __wrap_loop_now_us(void)
{
	return now_us;
}

struct call {
	struct run_node node;
	struct run_queue *q;
	struct loop *loop;
	int runs;
	int again; /* how often it asks for itself */
	int64_t takes_us;
	struct run_node *cancels;
};

static void on_call(void *arg)
{
	struct call *c = arg;

	c->runs++;
	now_us += c->takes_us;
	if (c->cancels != NULL)
		run_node_cancel(c->cancels);
	if (c->again-- > 0)
		run_queue_push(c->q, &c->node);
	else if (c->loop != NULL)
		loop_stop(c->loop);
}

static struct call call_of(struct run_queue *q)
{
	return (struct call){ .q = q, .node = { .f = on_call } };
}

static void a_call_is_made_once_from_the_loop(void **state)
{
	struct run_queue q;
	struct ssf_err err;
	struct loop *loop;
	struct call a = call_of(&q), b = call_of(&q);

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	run_queue_init(&q, loop);
	a.node.arg = &a;
	b.node.arg = &b;
	b.loop = loop;
	run_queue_push(&q, &a.node);
	run_queue_push(&q, &a.node);
	run_queue_push(&q, &b.node);
	assert_int_equal(a.runs, 0);
	loop_run(loop);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 1);
	run_queue_done(&q);
	loop_free(loop);
}

static void a_cancelled_call_is_not_made(void **state)
{
	struct run_queue q;
	struct ssf_err err;
	struct loop *loop;
	struct call a = call_of(&q), b = call_of(&q);

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	run_queue_init(&q, loop);
	a.node.arg = &a;
	b.node.arg = &b;
	a.cancels = &b.node;
	run_queue_push(&q, &a.node);
	run_queue_push(&q, &b.node);
	run_queue_run(&q);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	run_queue_done(&q);
	loop_free(loop);
}

static void a_slice_ends_and_the_rest_is_made_later(void **state)
{
	struct run_queue q;
	struct ssf_err err;
	struct loop *loop;
	struct call a = call_of(&q);

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	run_queue_init(&q, loop);
	a.node.arg = &a;
	a.loop = loop;
	a.again = 5;
	a.takes_us = RUN_QUEUE_SLICE_US / 2;
	run_queue_push(&q, &a.node);
	run_queue_run(&q);
	assert_int_equal(a.runs, 2);
	loop_run(loop);
	assert_int_equal(a.runs, 6);
	run_queue_done(&q);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_made_once_from_the_loop),
		cmocka_unit_test(a_cancelled_call_is_not_made),
		cmocka_unit_test(a_slice_ends_and_the_rest_is_made_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
