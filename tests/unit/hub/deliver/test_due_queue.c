/* SPDX-License-Identifier: Apache-2.0 */
/* The heap against a linear search. */
#include "hub/deliver/due_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 200

static unsigned seed = 3;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void objects_come_out_when_they_are_due(void **state)
{
	struct due_node nodes[NODES] = { 0 };
	int64_t due[NODES];
	struct due_queue q = { 0 };

	(void)state;
	for (int i = 0; i < NODES; i++)
		due[i] = DUE_NEVER;
	for (int step = 0; step < 20000; step++) {
		unsigned i = any(NODES);
		if (any(4) > 0) {
			due[i] = any(10) == 0 ? DUE_NEVER : any(1000);
			assert_int_equal(due_queue_set(&q, &nodes[i], due[i], &due[i]), 0);
		} else if (any(4) == 0) {
			due_queue_remove(&q, &nodes[i]);
			due[i] = DUE_NEVER;
		} else {
			int64_t now = any(300), first = DUE_NEVER;
			int64_t *popped = due_queue_pop(&q, now);
			for (int k = 0; k < NODES; k++)
				first = due[k] < first ? due[k] : first;
			assert_int_equal(popped != NULL, first <= now);
			if (popped != NULL) {
				assert_int_equal(*popped, first);
				*popped = DUE_NEVER;
			}
		}
	}
	while (due_queue_pop(&q, 1000) != NULL)
		;
	due_queue_done(&q); /* asserts that none is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_come_out_when_they_are_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
