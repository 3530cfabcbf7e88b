/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "lib/kit/rate.h"

static int taken(struct rate *r, const char *name, int64_t now, int tries)
{
	int n = 0;

	for (int i = 0; i < tries; i++)
		n += rate_take(r, name, now) == 0;
	return n;
}

static void a_burst_then_the_rate(void **state)
{
	ssf_auto(rate) r = rate_new(10);

	(void)state;
	assert_non_null(r);
	assert_int_equal(taken(r, "a", 1000, 100), 20); /* two seconds' worth at once */
	int64_t wait = rate_take(r, "a", 1000);
	assert_in_range(wait, 1, 100);
	assert_int_equal(rate_take(r, "a", 1000 + wait), 0);
	assert_int_equal(taken(r, "a", 2000 + wait, 100), 10);
	assert_int_equal(taken(r, "a", 1000000, 100), 20); /* never more than full */
}

static void names_do_not_share(void **state)
{
	ssf_auto(rate) r = rate_new(1);

	(void)state;
	assert_int_equal(taken(r, "a", 5, 10), 2);
	assert_int_equal(taken(r, "b", 5, 10), 2);
	assert_int_equal(taken(r, "a", 5, 10), 0);
}

static void to_look_takes_nothing(void **state)
{
	ssf_auto(rate) r = rate_new(1);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(rate_look(r, "a", 5), 0);
	assert_int_equal(taken(r, "a", 5, 10), 2);
	assert_int_equal(rate_look(r, "a", 5), rate_take(r, "a", 5));
	assert_in_range(rate_look(r, "a", 5), 1, 1000);
	assert_int_equal(rate_look(r, "b", 5), 0);
	assert_int_equal(rate_look(r, "a", 1005), 0);
	assert_int_equal(taken(r, "a", 1005, 10), 1);
}

static void zero_is_no_limit(void **state)
{
	ssf_auto(rate) r = rate_new(0);

	(void)state;
	assert_int_equal(taken(r, "a", 5, 100000), 100000);
}

static void others_push_out_only_what_is_old(void **state)
{
	ssf_auto(rate) r = rate_new(1);
	char name[32];

	(void)state;
	assert_int_equal(taken(r, "victim", 5, 10), 2);
	for (int i = 0; i < 100; i++) { /* far fewer than the table holds */
		snprintf(name, sizeof(name), "x%d", i);
		(void)rate_take(r, name, 6);
	}
	assert_int_equal(taken(r, "victim", 6, 10), 0);
	for (int i = 0; i < 100000; i++) { /* many more: it stays bounded, and works */
		snprintf(name, sizeof(name), "y%d", i);
		assert_int_equal(rate_take(r, name, 7), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_then_the_rate),
		cmocka_unit_test(names_do_not_share),
		cmocka_unit_test(to_look_takes_nothing),
		cmocka_unit_test(zero_is_no_limit),
		cmocka_unit_test(others_push_out_only_what_is_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
