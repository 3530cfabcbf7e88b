/* SPDX-License-Identifier: Apache-2.0 */
/* A ring without keys; with keys it is tested in test_key_manager.c and test_set_signer.c. */
#include "hub/keys/keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct keyring *empty_ring(int64_t ahead_ms)
{
	const struct key_schedule_conf schedule = { 0, ahead_ms, 1000 };
	struct keyring *k = NULL;
	struct ssf_err err;

	assert_int_equal(keyring_new(NULL, &schedule, &k, &err), 0);
	return k;
}

static void without_a_key_nothing_is_signed(void **state)
{
	struct keyring *k = empty_ring(1000);
	ssf_auto_buf out = SSF_BUF(1024);
	struct ssf_err err = { 0 };

	(void)state;
	assert_int_equal(keyring_sign(k, "at+jwt", ssf_str_c("{}"), &out, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	assert_int_equal(out.len, 0);
	assert_null(keyring_find(k, ssf_str_c("x"), SSF_ALG_ES256));
	assert_null(keyring_signing_key(k, SSF_ALG_RS256));
	assert_false(keyring_is_locked_out(k));
	keyring_free(k);
}

static void an_empty_ring_is_shown_as_such(void **state)
{
	struct keyring *k = empty_ring(1000);
	json_auto_t *jwks = keyring_jwks(k), *list = keyring_list(k);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(jwks, "keys")), 0);
	assert_true(json_is_array(json_object_get(jwks, "keys")));
	assert_true(json_is_array(list));
	assert_int_equal(json_array_size(list), 0);
	keyring_free(k);
}

static void the_jwks_may_be_cached_for_a_quarter_of_the_time_ahead(void **state)
{
	static const int64_t cases[][2] = { { 4000, 1 }, { 400 * 1000, 100 }, { 86400 * 1000, 300 } };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct keyring *k = empty_ring(cases[i][0]);
		assert_int_equal(keyring_jwks_max_age_s(k), cases[i][1]);
		keyring_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_key_nothing_is_signed),
		cmocka_unit_test(an_empty_ring_is_shown_as_such),
		cmocka_unit_test(the_jwks_may_be_cached_for_a_quarter_of_the_time_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
