/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/lib/dedupe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ISS "https://hub.example"

static void pairs_of_iss_and_jti_are_remembered(void **state)
{
	ssf_auto(dedupe) d = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(dedupe_new(10, 1000, &d, &err), 0);
	assert_false(dedupe_seen(d, ISS, "a", 0));
	dedupe_add(d, ISS, "a", 0);
	assert_true(dedupe_seen(d, ISS, "a", 0));
	assert_false(dedupe_seen(d, ISS, "b", 0));
	assert_false(dedupe_seen(d, "https://other.example", "a", 0));
	/* The border between the two counts. */
	dedupe_add(d, "x", "yz", 0);
	assert_false(dedupe_seen(d, "xy", "z", 0));
}

static void entries_leave_after_the_window(void **state)
{
	ssf_auto(dedupe) d = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(dedupe_new(10, 1000, &d, &err), 0);
	dedupe_add(d, ISS, "a", 0);
	dedupe_add(d, ISS, "b", 500);
	assert_true(dedupe_seen(d, ISS, "a", 999));
	assert_false(dedupe_seen(d, ISS, "a", 1000));
	assert_true(dedupe_seen(d, ISS, "b", 1499));
	assert_int_equal(dedupe_count(d), 1);
	assert_false(dedupe_seen(d, ISS, "b", 1500));
	assert_int_equal(dedupe_count(d), 0);
}

static void the_oldest_makes_room(void **state)
{
	ssf_auto(dedupe) d = NULL;
	struct ssf_err err;
	char jti[16];

	(void)state;
	assert_int_equal(dedupe_new(3, 1000, &d, &err), 0);
	for (int i = 0; i < 5; i++) {
		snprintf(jti, sizeof(jti), "%d", i);
		dedupe_add(d, ISS, jti, i);
	}
	assert_int_equal(dedupe_count(d), 3);
	assert_false(dedupe_seen(d, ISS, "0", 5));
	assert_false(dedupe_seen(d, ISS, "1", 5));
	for (int i = 2; i < 5; i++) {
		snprintf(jti, sizeof(jti), "%d", i);
		assert_true(dedupe_seen(d, ISS, jti, 5));
	}
}

static void adding_again_renews(void **state)
{
	ssf_auto(dedupe) d = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(dedupe_new(2, 1000, &d, &err), 0);
	dedupe_add(d, ISS, "a", 0);
	dedupe_add(d, ISS, "b", 1);
	dedupe_add(d, ISS, "a", 2);
	assert_int_equal(dedupe_count(d), 2);
	dedupe_add(d, ISS, "c", 3);
	assert_true(dedupe_seen(d, ISS, "a", 3));
	assert_false(dedupe_seen(d, ISS, "b", 3));
}

static void a_maximum_of_zero_remembers_nothing(void **state)
{
	ssf_auto(dedupe) d = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(dedupe_new(0, 1000, &d, &err), 0);
	dedupe_add(d, ISS, "a", 0);
	assert_false(dedupe_seen(d, ISS, "a", 0));
	assert_int_equal(dedupe_count(d), 0);
}

static void oversized_pairs_are_not_remembered(void **state)
{
	ssf_auto(dedupe) d = NULL;
	struct ssf_err err;
	char jti[8192];

	(void)state;
	memset(jti, 'x', sizeof(jti) - 1);
	jti[sizeof(jti) - 1] = '\0';
	assert_int_equal(dedupe_new(2, 1000, &d, &err), 0);
	dedupe_add(d, ISS, jti, 0);
	assert_false(dedupe_seen(d, ISS, jti, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_of_iss_and_jti_are_remembered),
		cmocka_unit_test(entries_leave_after_the_window),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(adding_again_renews),
		cmocka_unit_test(a_maximum_of_zero_remembers_nothing),
		cmocka_unit_test(oversized_pairs_are_not_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
