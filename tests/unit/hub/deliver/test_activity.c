/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/deliver/activity.h"

#include "hub/deliver/due_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 1700000000000

static void nothing_is_due_without_a_heartbeat_and_a_timeout(void **state)
{
	struct activity a = { .active_at_ms = T0, .heartbeat_at_ms = T0 };

	(void)state;
	assert_int_equal(activity_due_ms(&a, 0, 0, T0), DUE_NEVER);
}

static void what_comes_first_is_due(void **state)
{
	struct activity a = { .active_at_ms = T0, .heartbeat_at_ms = T0 + 500 };

	(void)state;
	assert_int_equal(activity_due_ms(&a, 60, 0, T0 + 1000), T0 + 60500);
	assert_int_equal(activity_due_ms(&a, 60, 30, T0 + 1000), T0 + 30000);
	activity_touch(&a, T0 + 40000);
	activity_touch(&a, T0 + 20000); /* late news */
	assert_int_equal(activity_due_ms(&a, 60, 30, T0 + 1000), T0 + 60500);
}

static void a_heartbeat_waits_for_the_one_before(void **state)
{
	struct activity a = { .heartbeat_at_ms = T0, .heartbeat_seq = 7, .heartbeat_open = true };

	(void)state;
	assert_int_equal(activity_due_ms(&a, 60, 0, T0 + 1000), DUE_NEVER);
	a.heartbeat_open = false;
	assert_int_equal(activity_due_ms(&a, 60, 0, T0 + 1000), T0 + 60000);
}

static void a_clock_that_was_set_back_makes_a_heartbeat_due(void **state)
{
	struct activity a = { .heartbeat_at_ms = T0 };

	(void)state;
	assert_int_equal(activity_due_ms(&a, 60, 0, T0 - 5000), T0 - 5000);
}

static void activity_is_saved_when_it_is_a_tenth_of_the_timeout_newer(void **state)
{
	struct activity a = { .active_at_ms = T0, .active_saved_ms = T0 };

	(void)state;
	activity_touch(&a, T0 + 9999);
	assert_false(activity_is_stale(&a, 100));
	activity_touch(&a, T0 + 10000);
	assert_true(activity_is_stale(&a, 100));
	assert_false(activity_is_stale(&a, 0)); /* a minute without a timeout */
	activity_touch(&a, T0 + 60000);
	assert_true(activity_is_stale(&a, 0));
}

static void unsaved_activity_counts_in_the_streams_favour(void **state)
{
	struct activity a = { 0 };

	(void)state;
	activity_load(&a, T0, T0, 5, 100, T0 + 3600000);
	assert_int_equal(a.active_at_ms, T0 + 10000);
	assert_int_equal(a.heartbeat_seq, 5);
	activity_load(&a, T0, T0, 5, 100, T0 + 3000); /* never in the future, and never back */
	assert_int_equal(a.active_at_ms, T0 + 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_due_without_a_heartbeat_and_a_timeout),
		cmocka_unit_test(what_comes_first_is_due),
		cmocka_unit_test(a_heartbeat_waits_for_the_one_before),
		cmocka_unit_test(a_clock_that_was_set_back_makes_a_heartbeat_due),
		cmocka_unit_test(activity_is_saved_when_it_is_a_tenth_of_the_timeout_newer),
		cmocka_unit_test(unsaved_activity_counts_in_the_streams_favour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
