/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kit/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_step_doubles_up_to_the_maximum(void **state)
{
	static const int64_t steps[] = { 100, 100, 200, 400, 800, 1000, 1000 };

	(void)state;
	for (unsigned failures = 0; failures < 7; failures++) {
		int64_t least = INT64_MAX, most = 0, most_full = 0;

		for (int i = 0; i < 2000; i++) {
			int64_t ms = backoff_equal_ms(100, 1000, failures);
			int64_t full = backoff_full_ms(100, 1000, failures);
			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
			most_full = full > most_full ? full : most_full;
			assert_in_range(full, 0, steps[failures]);
		}
		assert_in_range(least, steps[failures] / 2, steps[failures] * 6 / 10);
		assert_in_range(most, steps[failures] * 9 / 10, steps[failures]);
		assert_in_range(most_full, steps[failures] * 9 / 10, steps[failures]);
	}
}

static void large_numbers_do_not_overflow(void **state)
{
	(void)state;
	assert_in_range(backoff_equal_ms(1, INT64_MAX / 4, 4000000000u), INT64_MAX / 8, INT64_MAX / 4);
	assert_in_range(backoff_equal_ms(5000, 1000, 1), 500, 1000);
	assert_int_equal(backoff_random_ms(0), 0);
	assert_int_equal(backoff_full_ms(0, 0, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_step_doubles_up_to_the_maximum),
		cmocka_unit_test(large_numbers_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
