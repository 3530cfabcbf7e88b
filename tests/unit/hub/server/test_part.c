/* SPDX-License-Identifier: Apache-2.0 */
/* The walks over a table of parts, with parts that only note what is called. */
#include "hub/server/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT 3

static char calls[256];
static int failing = -1;
static bool drained[COUNT];

static void note(const char *what, int part)
{
	size_t len = strlen(calls);

	assert_true(len + 4 < sizeof(calls));
	calls[len] = what[0];
	calls[len + 1] = (char)('0' + part);
	calls[len + 2] = ' ';
}

#define PART(n) \
	static int start_##n(struct server *s, struct ssf_err *err) \
	{ \
		(void)s; \
		note("+", n); \
		return failing == (n) ? ssf_fail(err, SSF_E_INTERNAL, "part %d", n) : 0; \
	} \
	static void drain_##n(struct server *s) \
	{ \
		(void)s; \
		note("d", n); \
	} \
	static bool drained_##n(const struct server *s) \
	{ \
		(void)s; \
		return drained[n]; \
	} \
	static void cancel_##n(struct server *s) \
	{ \
		(void)s; \
		note("c", n); \
	} \
	static void stop_##n(struct server *s) \
	{ \
		(void)s; \
		note("-", n); \
	}
PART(0)
PART(1)
PART(2)

static const struct part parts[COUNT] = {
	{ "zero", start_0, drain_0, drained_0, cancel_0, stop_0 },
	{ "one", start_1, drain_1, drained_1, cancel_1, stop_1 },
	{ "two", start_2, drain_2, drained_2, cancel_2, stop_2 },
};

static struct part_list fresh(int fail_at)
{
	memset(calls, 0, sizeof(calls));
	memset(drained, 0, sizeof(drained));
	failing = fail_at;
	return (struct part_list){ parts, COUNT, 0 };
}

static void starts_forwards_and_stops_backwards(void **state)
{
	struct part_list l = fresh(-1);
	struct ssf_err err;

	(void)state;
	assert_int_equal(part_list_start(&l, NULL, &err), 0);
	part_list_stop(&l, NULL);
	assert_string_equal(calls, "+0 +1 +2 c2 c1 c0 -2 -1 -0 ");
	assert_int_equal(l.started, 0);
}

static void a_part_that_fails_is_stopped_with_those_before_it(void **state)
{
	static const char *const expected[COUNT] = {
		"+0 c0 -0 ",
		"+0 +1 c1 c0 -1 -0 ",
		"+0 +1 +2 c2 c1 c0 -2 -1 -0 ",
	};

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		struct part_list l = fresh(i);
		struct ssf_err err;

		assert_int_equal(part_list_start(&l, NULL, &err), -1);
		assert_int_equal(err.code, SSF_E_INTERNAL);
		part_list_stop(&l, NULL);
		assert_string_equal(calls, expected[i]);
		part_list_stop(&l, NULL);
		assert_string_equal(calls, expected[i]);
	}
}

static void is_drained_when_every_part_is(void **state)
{
	struct part_list l = fresh(-1);
	struct ssf_err err;

	(void)state;
	assert_int_equal(part_list_start(&l, NULL, &err), 0);
	part_list_drain(&l, NULL);
	assert_string_equal(calls, "+0 +1 +2 d0 d1 d2 ");
	for (int i = 0; i < COUNT; i++) {
		assert_false(part_list_is_drained(&l, NULL));
		drained[i] = true;
	}
	assert_true(part_list_is_drained(&l, NULL));
	part_list_stop(&l, NULL);
}

static void functions_other_than_start_are_optional(void **state)
{
	static const struct part bare[] = { { "zero", start_0, NULL, NULL, NULL, NULL } };
	struct part_list l = fresh(-1);
	struct ssf_err err;

	(void)state;
	l.parts = bare;
	l.count = 1;
	assert_int_equal(part_list_start(&l, NULL, &err), 0);
	part_list_drain(&l, NULL);
	assert_true(part_list_is_drained(&l, NULL));
	part_list_stop(&l, NULL);
	assert_string_equal(calls, "+0 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_forwards_and_stops_backwards),
		cmocka_unit_test(a_part_that_fails_is_stopped_with_those_before_it),
		cmocka_unit_test(is_drained_when_every_part_is),
		cmocka_unit_test(functions_other_than_start_are_optional),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
