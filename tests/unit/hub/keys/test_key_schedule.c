/* SPDX-License-Identifier: Apache-2.0 */
/* Which key signs and is published at a time, and when something changes by schedule. */
#include "hub/keys/key_schedule.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NEVER INT64_MAX
#define DAY (86400 * 1000LL)
#define RS SSF_ALG_RS256
#define ES SSF_ALG_ES256

static const enum ssf_alg algs[] = { RS, ES };
static const struct key_schedule_conf conf = { 90 * DAY, DAY, 8 * DAY };

/* A key that was replaced at 100, its successor, the next key; and a key of another algorithm. */
static const struct key_schedule_key four[] = {
	{ ES, true, 0, 50, NEVER },
	{ RS, true, 0, 0, 300 },
	{ RS, true, 80, 100, 600 },
	{ RS, true, 350, 400, NEVER },
};
#define FOUR four, SSF_ARRAY_SIZE(four)

static void a_boundary_belongs_to_what_begins_there(void **state)
{
	static const struct {
		int64_t now;
		int signing, waiting;
	} cases[] = {
		{ 0, 1, 2 }, { 99, 1, 2 }, { 100, 2, 3 }, { 399, 2, 3 }, { 400, 3, -1 }, { NEVER - 1, 3, -1 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		assert_int_equal(key_schedule_signing(FOUR, RS, cases[i].now), cases[i].signing);
		assert_int_equal(key_schedule_waiting(FOUR, RS, cases[i].now), cases[i].waiting);
	}
	assert_int_equal(key_schedule_signing(FOUR, ES, 49), -1);
	assert_int_equal(key_schedule_signing(FOUR, ES, 50), 0);
	assert_int_equal(key_schedule_newest(FOUR, RS), 3);
	assert_int_equal(key_schedule_newest(FOUR, SSF_ALG_NONE), -1);
}

static void a_key_is_published_from_its_creation_until_its_end(void **state)
{
	(void)state;
	assert_true(key_schedule_published(&four[1], 0));
	assert_true(key_schedule_published(&four[1], 299));
	assert_false(key_schedule_published(&four[1], 300));
	assert_true(key_schedule_published(&four[3], 0)); /* long before it signs */
	assert_true(key_schedule_published(&four[3], NEVER - 1));
}

static void a_key_is_next_signing_or_retired(void **state)
{
	(void)state;
	assert_int_equal(key_schedule_state(FOUR, 1, 200), KEY_SCHEDULE_RETIRED);
	assert_int_equal(key_schedule_state(FOUR, 2, 200), KEY_SCHEDULE_SIGNING);
	assert_int_equal(key_schedule_state(FOUR, 3, 200), KEY_SCHEDULE_NEXT);
	assert_int_equal(key_schedule_state(FOUR, 3, 400), KEY_SCHEDULE_SIGNING);
	assert_int_equal(key_schedule_state(FOUR, 0, 400), KEY_SCHEDULE_SIGNING);
}

static void a_key_that_cannot_be_unsealed_neither_signs_nor_is_published(void **state)
{
	const struct key_schedule_key keys[] = { { RS, true, 0, 0, NEVER }, { RS, false, 0, 10, NEVER },
					 { RS, false, 0, 90, NEVER } };

	(void)state;
	assert_int_equal(key_schedule_signing(keys, 3, RS, 50), 0);
	assert_int_equal(key_schedule_waiting(keys, 3, RS, 50), -1);
	assert_false(key_schedule_published(&keys[1], 50));
	assert_int_equal(key_schedule_newest(keys, 3, RS), 2); /* the newest row, usable or not */
}

static void a_retired_key_signs_again_when_the_newer_ones_are_gone(void **state)
{
	(void)state;
	assert_int_equal(key_schedule_signing(four, 2, RS, 299), 1);
	assert_int_equal(key_schedule_signing(four, 2, RS, 300), -1); /* but not beyond its time */
}

static void the_next_key_is_due_ahead_of_the_end(void **state)
{
	const struct key_schedule_key keys[] = { { RS, true, 0, 1000, NEVER }, { RS, true, 0, 95 * DAY, NEVER } };

	(void)state;
	assert_true(key_schedule_end(&conf, &keys[0]) == 1000 + 90 * DAY);
	assert_true(key_schedule_due(&conf, keys, 1, RS, 2000) == 1000 + 89 * DAY);
	assert_true(key_schedule_due(&conf, keys, 1, RS, 200 * DAY) == 1000 + 89 * DAY); /* overdue */
	/* a next key waits already */
	assert_true(key_schedule_due(&conf, keys, 2, RS, 94 * DAY) == NEVER);
	/* no key, or none that signs yet */
	assert_true(key_schedule_due(&conf, keys, 1, ES, 2000) <= 2000);
	assert_true(key_schedule_due(&conf, keys, 1, RS, 999) <= 999);
}

static void without_a_period_only_missing_keys_are_due(void **state)
{
	const struct key_schedule_conf manual = { 0, DAY, 8 * DAY };

	(void)state;
	assert_true(key_schedule_due(&manual, four, 3, RS, 200) == NEVER);
	assert_true(key_schedule_due(&manual, four, 0, RS, 200) <= 200); /* a missing key is made nevertheless */
}

static void a_period_is_not_shorter_than_publishing_ahead(void **state)
{
	const struct key_schedule_conf hasty = { 10, 1000, 1000 };

	(void)state;
	assert_true(key_schedule_end(&hasty, &four[0]) == 50 + 1000);
	assert_true(key_schedule_due(&hasty, four, 1, ES, 60) == 50);
}

static void no_key_is_due_while_too_many_are_published(void **state)
{
	struct key_schedule_key keys[KEY_SCHEDULE_PUBLISHED_MAX];

	(void)state;
	for (size_t i = 0; i < KEY_SCHEDULE_PUBLISHED_MAX; i++)
		keys[i] = (struct key_schedule_key){ RS, true, 0, (int64_t)i, 1000 * DAY };
	assert_true(key_schedule_full(keys, KEY_SCHEDULE_PUBLISHED_MAX, RS, 100));
	assert_false(key_schedule_full(keys, KEY_SCHEDULE_PUBLISHED_MAX - 1, RS, 100));
	assert_false(key_schedule_full(keys, KEY_SCHEDULE_PUBLISHED_MAX, ES, 100));
	assert_true(key_schedule_due(&conf, keys, KEY_SCHEDULE_PUBLISHED_MAX, RS, 500 * DAY) == NEVER);
	keys[0].published_until_ms = 500 * DAY;
	assert_true(key_schedule_due(&conf, keys, KEY_SCHEDULE_PUBLISHED_MAX, RS, 500 * DAY) < 500 * DAY);
}

static int64_t wait_ms(const struct key_schedule_conf *c, const struct key_schedule_key *keys, size_t n, int64_t now)
{
	return key_schedule_wait_ms(c, keys, n, algs, SSF_ARRAY_SIZE(algs), now);
}

static void waits_for_the_next_boundary_at_most_a_minute(void **state)
{
	const struct key_schedule_conf manual = { 0, 1000, 1000 };
	const struct key_schedule_conf seconds = { 5000, 1000, 1000 };
	const struct key_schedule_key two[] = { { ES, true, 0, 0, NEVER }, { RS, true, 0, 0, NEVER } };
	const struct key_schedule_key soon[] = { { ES, true, 0, 0, NEVER },
					 { RS, true, 0, 0, 9000 },
					 { RS, true, 0, 3000, NEVER } };

	(void)state;
	assert_int_equal(wait_ms(&manual, two, 2, 1000), KEY_SCHEDULE_WAIT_MAX_MS);
	assert_int_equal(wait_ms(&seconds, two, 2, 1000), 3000);         /* due: 1 s before 5 s */
	assert_int_equal(wait_ms(&manual, soon, 3, 1000), 2000);         /* a key begins to sign */
	assert_int_equal(wait_ms(&manual, soon, 3, 3000), 6000);         /* a key leaves */
	assert_int_equal(wait_ms(&manual, soon, 3, 9000), KEY_SCHEDULE_WAIT_MAX_MS);
	assert_int_equal(wait_ms(&seconds, two, 2, 100000), 20);         /* overdue: soon, but not at once */
	assert_int_equal(wait_ms(&manual, two, 0, 1000), 20);            /* missing */
}

static void far_away_times_do_not_wrap(void **state)
{
	const struct key_schedule_conf longest = { NEVER, NEVER, NEVER };
	const struct key_schedule_conf late = { NEVER - 1, 1000, 1000 };
	const struct key_schedule_key keys[] = { { ES, true, NEVER - 2, NEVER - 2, NEVER - 1 },
					 { RS, true, 1000, 1000, NEVER } };

	(void)state;
	assert_true(key_schedule_end(&longest, &keys[1]) == NEVER);
	assert_true(key_schedule_due(&longest, keys, 2, RS, 2000) == NEVER);
	assert_true(key_schedule_due(&late, keys, 2, RS, 2000) == NEVER);
	assert_int_equal(wait_ms(&late, &keys[1], 1, NEVER - 10), 20); /* ES is missing */
	assert_int_equal(key_schedule_signing(keys, 2, ES, NEVER - 2), 0);
	assert_int_equal(key_schedule_signing(keys, 2, ES, NEVER - 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_boundary_belongs_to_what_begins_there),
		cmocka_unit_test(a_key_is_published_from_its_creation_until_its_end),
		cmocka_unit_test(a_key_is_next_signing_or_retired),
		cmocka_unit_test(a_key_that_cannot_be_unsealed_neither_signs_nor_is_published),
		cmocka_unit_test(a_retired_key_signs_again_when_the_newer_ones_are_gone),
		cmocka_unit_test(the_next_key_is_due_ahead_of_the_end),
		cmocka_unit_test(without_a_period_only_missing_keys_are_due),
		cmocka_unit_test(a_period_is_not_shorter_than_publishing_ahead),
		cmocka_unit_test(no_key_is_due_while_too_many_are_published),
		cmocka_unit_test(waits_for_the_next_boundary_at_most_a_minute),
		cmocka_unit_test(far_away_times_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
