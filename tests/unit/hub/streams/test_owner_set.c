/* SPDX-License-Identifier: Apache-2.0 */
/* The set against an array of counts. */
#include "hub/streams/owner_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OWNERS 200

static unsigned seed = 5;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void check(const struct owner_set *s, char *owners, const unsigned *times)
{
	bool seen[OWNERS] = { 0 };
	size_t count = 0;
	char *owner;

	for (size_t at = 0; (owner = owner_set_next(s, &at)) != NULL; count++) {
		assert_false(seen[owner - owners]);
		seen[owner - owners] = true;
	}
	assert_int_equal(count, s->count);
	for (int i = 0; i < OWNERS; i++)
		assert_int_equal(seen[i], times[i] > 0);
}

static void an_owner_is_in_as_long_as_it_was_added_more_often_than_removed(void **state)
{
	char *owners = calloc(OWNERS, 1); /* pointers to its bytes */
	unsigned times[OWNERS] = { 0 };
	struct owner_set s = { 0 };

	(void)state;
	for (int step = 0; step < 20000; step++) {
		unsigned i = any(step % 2000 < 1000 ? 3 : OWNERS);
		if (times[i] > 0 && any(2) == 0) {
			owner_set_remove(&s, owners + i);
			times[i]--;
		} else if (times[i] < 3) {
			assert_int_equal(owner_set_add(&s, owners + i), 0);
			times[i]++;
		}
		check(&s, owners, times);
	}
	owner_set_done(&s);
	free(owners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_is_in_as_long_as_it_was_added_more_often_than_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
