/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/set_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ssf_key *new_key(void)
{
	struct ssf_key *key = NULL;
	struct ssf_err err;

	assert_int_equal(ssf_key_generate(SSF_ALG_ES256, &key, &err), 0);
	return key;
}

static bool has(const struct set_cache *c, int64_t seq, const char *audience, const struct ssf_key *key,
		const char *set)
{
	return ssf_str_eq_c(set_cache_find(c, seq, audience, key), set);
}

static void finds_a_set_by_event_audience_and_key(void **state)
{
	struct set_cache *c = set_cache_new();
	struct ssf_key *key = new_key(), *other = new_key();

	(void)state;
	set_cache_put(c, 7, "a", key, SSF_STR("set of 7"));
	assert_true(has(c, 7, "a", key, "set of 7"));
	assert_int_equal(set_cache_find(c, 8, "a", key).len, 0);
	assert_int_equal(set_cache_find(c, 7, "b", key).len, 0);
	assert_int_equal(set_cache_find(c, 7, "a", other).len, 0);
	assert_int_equal(set_cache_find(c, 7, "a", NULL).len, 0);
	set_cache_put(c, 7, "a", other, SSF_STR("signed again"));
	assert_true(has(c, 7, "a", other, "signed again"));
	assert_int_equal(set_cache_find(c, 7, "a", key).len, 0);
	ssf_key_free(key);
	ssf_key_free(other);
	set_cache_free(c);
}

/* It holds a reference to each key: the pointer of a freed key could come back with other bytes. */
static void newer_sets_replace_older_ones_and_never_mix(void **state)
{
	struct set_cache *c = set_cache_new();
	struct ssf_key *key = new_key();
	size_t found = 0;
	char text[32];

	(void)state;
	for (int64_t seq = 1; seq <= 3 * SET_CACHE_SLOTS; seq++) {
		snprintf(text, sizeof(text), "set %lld", (long long)seq);
		set_cache_put(c, seq, "a", key, ssf_str_c(text));
		assert_true(has(c, seq, "a", key, text));
	}
	for (int64_t seq = 1; seq <= 3 * SET_CACHE_SLOTS; seq++) {
		struct ssf_str set = set_cache_find(c, seq, "a", key);
		snprintf(text, sizeof(text), "set %lld", (long long)seq);
		assert_true(set.len == 0 || ssf_str_eq_c(set, text));
		found += set.len > 0;
	}
	assert_in_range(found, 1, SET_CACHE_SLOTS);
	ssf_key_free(key);
	set_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_set_by_event_audience_and_key),
		cmocka_unit_test(newer_sets_replace_older_ones_and_never_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
