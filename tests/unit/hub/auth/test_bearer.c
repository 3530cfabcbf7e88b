/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/auth/bearer.h"

#include "hub/auth/jwt.h"
#include "hub/auth/token_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1800000000

/* A withdrawn key stops being trusted soon, however long the tokens that it signed are valid. */
static void an_external_token_is_verified_again_after_300_s(void **state)
{
	(void)state;
	assert_int_equal(bearer_external_until(NOW, NOW + 30), NOW + 30 + JWT_SKEW_S);
	assert_int_equal(bearer_external_until(NOW, NOW + 86400), NOW + 300);
	assert_int_equal(bearer_external_until(NOW, INT64_MAX / 2), NOW + 300);
	assert_int_equal(bearer_external_until(NOW, NOW - 59), NOW + 1);
}

static void the_cache_forgets_expired_and_replaced_tokens(void **state)
{
	const uint8_t first[SSF_SHA256_LEN] = { 1, 2, 3 }, same_slot[SSF_SHA256_LEN] = { 1, 2, 4 };
	const struct caller caller = { .client = "c", .perms = 5 };
	const struct token_basis basis = { 7, 8, 9 };
	struct token_cache *cache = token_cache_new();
	struct token_basis then;
	struct caller out;

	(void)state;
	assert_non_null(cache);
	assert_false(token_cache_find(cache, first, NOW, &out, &then));
	token_cache_put(cache, first, &caller, &basis, NOW + 10);
	assert_true(token_cache_find(cache, first, NOW + 9, &out, &then));
	assert_string_equal(out.client, "c");
	assert_int_equal(out.perms, 5);
	assert_int_equal(then.client_version, 7);
	assert_int_equal(then.key_removals, 8);
	assert_int_equal(then.issuers, 9);
	assert_false(token_cache_find(cache, first, NOW + 10, &out, &then));
	assert_false(token_cache_find(cache, same_slot, NOW, &out, &then));
	token_cache_put(cache, same_slot, &caller, &basis, NOW + 10);
	assert_false(token_cache_find(cache, first, NOW, &out, &then));
	token_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_external_token_is_verified_again_after_300_s),
		cmocka_unit_test(the_cache_forgets_expired_and_replaced_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
