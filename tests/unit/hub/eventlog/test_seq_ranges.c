/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the log, counted over what partitions leave out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hub/eventlog/seq_ranges.h"

static void numbers_between_spans_do_not_count(void **state)
{
	struct seq_ranges s = { 0 };

	(void)state;
	assert_int_equal(seq_ranges_count(&s, 0), 0);
	assert_true(seq_ranges_add(&s, 1, 10));
	assert_int_equal(seq_ranges_count(&s, 0), 10);
	assert_int_equal(seq_ranges_count(&s, 1), 9);
	assert_int_equal(seq_ranges_count(&s, 10), 0);
	assert_true(seq_ranges_add(&s, 1000, 1000));
	assert_int_equal(seq_ranges_count(&s, 9), 2);
	assert_int_equal(seq_ranges_count(&s, 10), 1);
	assert_int_equal(seq_ranges_count(&s, 999), 1);
	assert_int_equal(seq_ranges_count(&s, 1000), 0);
	assert_int_equal(seq_ranges_count(&s, INT64_MAX), 0);
	seq_ranges_done(&s);
	assert_int_equal(seq_ranges_count(&s, 0), 0);
	/* the first has gone: a reader that is before it has only the rest before it */
	for (int64_t k = 5; k < 105; k++)
		assert_true(seq_ranges_add(&s, k * 1000, k * 1000 + 4));
	assert_int_equal(seq_ranges_count(&s, 3), 500);
	assert_int_equal(seq_ranges_count(&s, 103002), 7);
	seq_ranges_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_between_spans_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
