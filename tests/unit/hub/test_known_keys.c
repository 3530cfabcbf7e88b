/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that were found before: only under all of what names them, and not for longer than was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hub/ingest/known_keys.h"

static void a_key_is_found_by_its_whole_name_and_in_time(void **state)
{
	struct known_keys *k = known_keys_new();
	json_auto_t *spec = json_object(), *other = json_object();
	ssf_auto(ssf_key) key = NULL;
	const struct known_name name = { spec, "k1", SSF_ALG_ES256 };
	const struct known_name wrong[] = {
		{ other, "k1", SSF_ALG_ES256 }, { spec, "k2", SSF_ALG_ES256 },
		{ spec, NULL, SSF_ALG_ES256 },  { spec, "k1", SSF_ALG_RS256 },
	};

	(void)state;
	assert_int_equal(ssf_key_generate(SSF_ALG_ES256, &key, NULL), 0);
	assert_null(known_keys_find(k, &name, 0));
	known_keys_put(k, &name, key, 100);
	assert_ptr_equal(known_keys_find(k, &name, 99), key);
	assert_null(known_keys_find(k, &name, 100));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_null(known_keys_find(k, &wrong[i], 0));
	known_keys_free(k);
	known_keys_free(NULL);
}

static void it_is_bounded_and_never_mistakes_one_for_another(void **state)
{
	struct known_keys *k = known_keys_new();
	json_auto_t *spec = json_object();
	struct ssf_key *keys[2] = { NULL, NULL };
	char kid[KNOWN_KEYS_KID_MAX + 2];
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(ssf_key_generate(SSF_ALG_ES256, &keys[i], NULL), 0);
	for (int i = 0; i < 4 * KNOWN_KEYS; i++) {
		snprintf(kid, sizeof(kid), "kid-%d", i);
		known_keys_put(k, &(struct known_name){ spec, kid, SSF_ALG_ES256 }, keys[i % 2], 1);
	}
	for (int i = 0; i < 4 * KNOWN_KEYS; i++) {
		snprintf(kid, sizeof(kid), "kid-%d", i);
		struct ssf_key *key = known_keys_find(k, &(struct known_name){ spec, kid, SSF_ALG_ES256 }, 0);
		assert_true(key == NULL || key == keys[i % 2]);
		found += key != NULL;
	}
	assert_in_range(found, KNOWN_KEYS / 2, KNOWN_KEYS);
	memset(kid, 'x', sizeof(kid) - 1);
	kid[sizeof(kid) - 1] = '\0';
	known_keys_put(k, &(struct known_name){ spec, kid, SSF_ALG_ES256 }, keys[0], 1);
	assert_null(known_keys_find(k, &(struct known_name){ spec, kid, SSF_ALG_ES256 }, 0));
	known_keys_free(k);
	for (size_t i = 0; i < 2; i++)
		ssf_key_free(keys[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_found_by_its_whole_name_and_in_time),
		cmocka_unit_test(it_is_bounded_and_never_mistakes_one_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
