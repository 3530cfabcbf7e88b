/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/activity/stream_activity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define T0 1790000000000 /* any time */
#define HOUR 3600000LL
#define LONG_AGO (T0 - 1000 * HOUR) /* the hub is up since then */

static void inactive_from_its_timeout_on(void **state)
{
	struct deliver_activity life = { .inactivity_s = 3600, .active_at_ms = T0 };

	(void)state;
	assert_false(stream_activity_is_inactive(&life, LONG_AGO, T0));
	assert_false(stream_activity_is_inactive(&life, LONG_AGO, T0 + HOUR - 1));
	assert_true(stream_activity_is_inactive(&life, LONG_AGO, T0 + HOUR));
	life.active_at_ms += 1;
	assert_false(stream_activity_is_inactive(&life, LONG_AGO, T0 + HOUR));
	/* a clock that was set back */
	assert_false(stream_activity_is_inactive(&life, LONG_AGO, T0 - HOUR));
}

static void never_inactive_without_a_timeout(void **state)
{
	struct deliver_activity life = { .inactivity_s = 0, .active_at_ms = T0 };

	(void)state;
	assert_false(stream_activity_is_inactive(&life, LONG_AGO, T0));
	assert_false(stream_activity_is_inactive(&life, LONG_AGO, T0 + 10000 * HOUR));
}

/* The hub was away, and the timeout passed: the receiver could not have been active. */
static void a_start_leaves_time_to_come_back(void **state)
{
	struct deliver_activity life = { .inactivity_s = 3600, .active_at_ms = T0 };
	int64_t since = T0 + 5 * HOUR;

	(void)state;
	assert_false(stream_activity_is_inactive(&life, since, since));
	assert_false(stream_activity_is_inactive(&life, since, since + 59999)); /* at most a minute */
	assert_true(stream_activity_is_inactive(&life, since, since + 60000));
	life.inactivity_s = 20; /* a tenth */
	assert_false(stream_activity_is_inactive(&life, since, since + 1999));
	assert_true(stream_activity_is_inactive(&life, since, since + 2000));
	/* it does not begin the timeout again */
	life.inactivity_s = 3600;
	since = T0 + HOUR / 2;
	assert_false(stream_activity_is_inactive(&life, since, T0 + HOUR - 1));
	assert_true(stream_activity_is_inactive(&life, since, T0 + HOUR));
}

static void heartbeat_when_the_period_is_over(void **state)
{
	struct deliver_activity life = { .heartbeat_s = 60, .heartbeat_at_ms = T0, .heartbeat_settled = true };

	(void)state;
	assert_false(stream_activity_heartbeat_is_due(&life, T0));
	assert_false(stream_activity_heartbeat_is_due(&life, T0 + 59999));
	assert_true(stream_activity_heartbeat_is_due(&life, T0 + 60000));
	assert_true(stream_activity_heartbeat_is_due(&life, T0 + 1000 * HOUR));
	/* a clock that was set back must not end them until it has caught up */
	assert_true(stream_activity_heartbeat_is_due(&life, T0 - 1));
}

static void no_heartbeat_while_one_waits_or_when_off(void **state)
{
	struct deliver_activity life = { .heartbeat_s = 60, .heartbeat_at_ms = T0, .heartbeat_settled = false };

	(void)state;
	assert_false(stream_activity_heartbeat_is_due(&life, T0 + 1000 * HOUR));
	life.heartbeat_settled = true;
	life.heartbeat_s = 0;
	assert_false(stream_activity_heartbeat_is_due(&life, T0 + 1000 * HOUR));
	assert_false(stream_activity_heartbeat_is_due(&life, T0 - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inactive_from_its_timeout_on),
		cmocka_unit_test(never_inactive_without_a_timeout),
		cmocka_unit_test(a_start_leaves_time_to_come_back),
		cmocka_unit_test(heartbeat_when_the_period_is_over),
		cmocka_unit_test(no_heartbeat_while_one_waits_or_when_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
