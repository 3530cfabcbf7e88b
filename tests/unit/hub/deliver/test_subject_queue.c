/* SPDX-License-Identifier: Apache-2.0 */
/* The queue against its rule: an event may be sent when no earlier one of its subject is queued. */
#include "hub/deliver/subject_queue.h"

#include "lib/ssf/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW 300
#define SUBJECTS 40

struct item {
	struct subject_node node;
	uint8_t subject[SSF_SHA256_LEN];
	bool taken;
};

static unsigned seed = 7;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

/* Subjects 0 and 1 share their bucket, whatever the size of the table. */
static void add(struct subject_queue *q, struct item *it, int64_t seq)
{
	unsigned subject = any(SUBJECTS);

	*it = (struct item){ .node = { .subject = it->subject, .seq = seq } };
	it->subject[0] = (uint8_t)(subject / 2);
	it->subject[20] = (uint8_t)(subject % 2);
	subject_queue_add(q, &it->node);
}

static bool is_oldest(const struct item *items, const struct item *it)
{
	for (size_t i = 0; i < WINDOW; i++) {
		if (items[i].node.queued && items[i].node.seq < it->node.seq &&
		    memcmp(items[i].subject, it->subject, SSF_SHA256_LEN) == 0)
			return false;
	}
	return true;
}

static void check(const struct subject_queue *q, const struct item *items)
{
	size_t ready = 0, listed = 0;

	for (size_t i = 0; i < WINDOW; i++) {
		bool may = items[i].node.queued && !items[i].taken && is_oldest(items, &items[i]);
		assert_int_equal(items[i].node.queued && items[i].node.ready, may);
		ready += may;
	}
	for (struct subject_node *n = subject_queue_first(q); n != NULL; n = subject_queue_next(n))
		listed++;
	assert_int_equal(listed, ready);
}

static void only_the_oldest_of_a_subject_is_ready(void **state)
{
	struct item *items = calloc(WINDOW, sizeof(*items));
	struct subject_queue q;
	int64_t seq = 1;

	(void)state;
	subject_queue_init(&q);
	for (unsigned step = 0; step < 20000; step++) {
		struct item *it = &items[any(WINDOW)];
		if (!it->node.queued) {
			add(&q, it, seq++);
		} else if (it->node.ready) {
			subject_queue_take(&q, &it->node);
			it->taken = true;
		} else if (it->taken && any(8) == 0) {
			subject_queue_give_back(&q, &it->node);
			it->taken = false;
		} else if (it->taken || any(8) == 0) { /* also from behind others */
			subject_queue_remove(&q, &it->node);
			it->taken = false;
		} else if (any(8) == 0) {
			subject_queue_give_back(&q, &it->node); /* it is not its turn */
		}
		if (step % 16 == 0)
			check(&q, items);
	}
	for (int64_t s = 1; s < seq; s++) { /* a window that is dropped: oldest first */
		for (size_t i = 0; i < WINDOW; i++) {
			if (items[i].node.queued && items[i].node.seq == s)
				subject_queue_remove(&q, &items[i].node);
		}
	}
	assert_null(subject_queue_first(&q));
	subject_queue_done(&q); /* asserts that no subject is left */
	free(items);
}

static void a_node_that_waited_goes_before_newer_ones(void **state)
{
	struct item a = { .node = { .subject = a.subject, .seq = 1 } };
	struct item b = { .node = { .subject = b.subject, .seq = 2 } }; /* of the subject of a */
	struct item c = { .node = { .subject = c.subject, .seq = 3 }, .subject = { 1 } };
	struct subject_queue q;

	(void)state;
	subject_queue_init(&q);
	subject_queue_add(&q, &a.node);
	subject_queue_add(&q, &b.node);
	subject_queue_add(&q, &c.node);
	subject_queue_remove(&q, &a.node);
	assert_ptr_equal(subject_queue_first(&q), &b.node);
	assert_ptr_equal(subject_queue_next(&b.node), &c.node);
	subject_queue_remove(&q, &b.node);
	subject_queue_remove(&q, &c.node);
	subject_queue_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_oldest_of_a_subject_is_ready),
		cmocka_unit_test(a_node_that_waited_goes_before_newer_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
