/* SPDX-License-Identifier: Apache-2.0 */
/* The map against a plain array, with keys in the entries and behind pointers. */
#include "lib/kit/hashmap.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct counter {
	uint8_t key[SSF_SHA256_LEN];
	int64_t n;
};

static struct ssf_str counter_key(const void *entry)
{
	const struct counter *c = entry;

	return (struct ssf_str){ (const char *)c->key, sizeof(c->key) };
}

static struct ssf_str string_key(const void *entry)
{
	const char *const *s = entry;

	return ssf_str_c(*s);
}

static const struct hashmap_type counters = { .size = sizeof(struct counter), .key = counter_key, .digests = true };
static const struct hashmap_type strings = { .size = sizeof(char *), .key = string_key };

static void an_empty_map_has_nothing(void **state)
{
	struct hashmap m = HASHMAP(&strings);
	size_t at = 0;

	(void)state;
	assert_null(hashmap_find(&m, ssf_str_c("a")));
	assert_null(hashmap_find(&m, ssf_str_c("")));
	assert_null(hashmap_next(&m, &at));
	hashmap_remove(&m, NULL);
	hashmap_done(&m);
}

static void strings_of_all_lengths_are_found(void **state)
{
	struct hashmap m = HASHMAP(&strings);
	char *words[200];
	bool is_new;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(words); i++) {
		words[i] = calloc(1, i + 1);
		memset(words[i], 'x', i);
		char **entry = hashmap_put(&m, ssf_str_c(words[i]), &is_new);
		assert_non_null(entry);
		assert_true(is_new);
		assert_null(*entry);
		*entry = words[i];
	}
	assert_int_equal(m.count, SSF_ARRAY_SIZE(words));
	for (size_t i = 0; i < SSF_ARRAY_SIZE(words); i++) {
		char **entry = hashmap_put(&m, ssf_str_c(words[i]), &is_new);
		assert_false(is_new);
		assert_ptr_equal(*entry, words[i]);
	}
	hashmap_done(&m);
	assert_null(hashmap_find(&m, ssf_str_c("x")));
	for (size_t i = 0; i < SSF_ARRAY_SIZE(words); i++)
		free(words[i]);
}

static void key_of(unsigned n, uint8_t key[SSF_SHA256_LEN])
{
	ssf_sha256((struct ssf_str){ (const char *)&n, sizeof(n) }, key);
}

/* Random puts and removals; after each the map holds what the array says. */
static void random_changes_match_an_array(void **state)
{
	enum { KEYS = 300 };
	struct hashmap m = HASHMAP(&counters);
	int64_t model[KEYS] = { 0 }; /* 0: not in the map */
	unsigned seed = 7;
	size_t count = 0;

	(void)state;
	for (int step = 1; step < 20000; step++) {
		uint8_t key[SSF_SHA256_LEN];
		struct ssf_str view = { (const char *)key, sizeof(key) };
		unsigned n = (unsigned)rand_r(&seed) % KEYS;
		bool is_new;

		key_of(n, key);
		struct counter *c = hashmap_find(&m, view);
		assert_true((c != NULL) == (model[n] != 0));
		if (c != NULL)
			assert_int_equal(c->n, model[n]);
		if (rand_r(&seed) % 2 == 0) {
			c = hashmap_put(&m, view, &is_new);
			assert_non_null(c);
			assert_true(is_new == (model[n] == 0));
			memcpy(c->key, key, sizeof(key));
			c->n = model[n] = step;
			count += is_new;
		} else {
			hashmap_remove(&m, c);
			count -= model[n] != 0;
			model[n] = 0;
		}
		assert_int_equal(m.count, count);
	}
	hashmap_done(&m);
}

static void entries_may_be_removed_during_a_walk(void **state)
{
	enum { KEYS = 1000 };
	struct hashmap m = HASHMAP(&counters);
	struct counter *c;
	int seen[KEYS] = { 0 };
	bool is_new;

	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		uint8_t key[SSF_SHA256_LEN];
		key_of(i, key);
		c = hashmap_put(&m, (struct ssf_str){ (const char *)key, sizeof(key) }, &is_new);
		assert_non_null(c);
		memcpy(c->key, key, sizeof(key));
		c->n = i;
	}
	for (size_t at = 0; (c = hashmap_next(&m, &at)) != NULL;) {
		seen[c->n] = 1;
		if (c->n % 3 == 0) {
			hashmap_remove(&m, c);
			at--;
		}
	}
	for (unsigned i = 0; i < KEYS; i++) {
		uint8_t key[SSF_SHA256_LEN];
		key_of(i, key);
		assert_int_equal(seen[i], 1);
		c = hashmap_find(&m, (struct ssf_str){ (const char *)key, sizeof(key) });
		assert_true((c != NULL) == (i % 3 != 0));
	}
	hashmap_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(strings_of_all_lengths_are_found),
		cmocka_unit_test(random_changes_match_an_array),
		cmocka_unit_test(entries_may_be_removed_during_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
