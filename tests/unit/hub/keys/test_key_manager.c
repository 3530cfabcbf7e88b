/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation and revocation on a PostgreSQL of their own. */
#include "tests/unit/hub/keys/keys_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t published(const struct keys_fixture *f)
{
	json_auto_t *list = keyring_list(f->keyring);

	return json_array_size(list);
}

static void a_rotation_makes_a_key_that_waits(void **state)
{
	struct keys_fixture *f = *state;
	char before[64], after[64];

	keys_fixture_signing_kid(f, SSF_ALG_RS256, before);
	assert_int_equal(published(f), 2);
	keys_fixture_rotate(f, SSF_ALG_NONE, false);
	assert_int_equal(f->err.code, SSF_OK);
	assert_int_equal(f->changed_keys, 2);
	assert_int_equal(published(f), 4);
	keys_fixture_signing_kid(f, SSF_ALG_RS256, after);
	assert_string_equal(before, after);
}

static void a_second_rotation_is_refused_while_a_key_waits(void **state)
{
	struct keys_fixture *f = *state;

	keys_fixture_rotate(f, SSF_ALG_ES256, false);
	keys_fixture_rotate(f, SSF_ALG_ES256, false);
	assert_int_equal(f->err.code, SSF_E_CONFLICT);
	assert_int_equal(f->changed_keys, 0);
	assert_int_equal(published(f), 3);
	/* all or nothing: RS256 could rotate */
	keys_fixture_rotate(f, SSF_ALG_NONE, false);
	assert_int_equal(f->err.code, SSF_E_CONFLICT);
	assert_int_equal(published(f), 3);
}

static void a_rotation_now_lets_the_waiting_key_sign(void **state)
{
	struct keys_fixture *f = *state;
	char before[64], after[64];

	keys_fixture_rotate(f, SSF_ALG_ES256, false);
	keys_fixture_signing_kid(f, SSF_ALG_ES256, before);
	keys_fixture_rotate(f, SSF_ALG_ES256, true);
	assert_int_equal(f->err.code, SSF_OK);
	keys_fixture_signing_kid(f, SSF_ALG_ES256, after);
	assert_string_not_equal(before, after);
	assert_int_equal(published(f), 3);
}

static void the_last_key_that_is_revoked_is_replaced(void **state)
{
	struct keys_fixture *f = *state;
	char bad[64], good[64];

	keys_fixture_signing_kid(f, SSF_ALG_ES256, bad);
	keys_fixture_revoke(f, bad);
	assert_int_equal(f->err.code, SSF_OK);
	assert_int_equal(f->changed_keys, 1);
	keys_fixture_signing_kid(f, SSF_ALG_ES256, good);
	assert_string_not_equal(bad, good);
	assert_null(keyring_find(f->keyring, ssf_str_c(bad), SSF_ALG_ES256));
	keys_fixture_revoke(f, bad);
	assert_int_equal(f->err.code, SSF_E_NOT_FOUND);
}

static void changes_wait_for_each_other_and_are_bounded(void **state)
{
	struct keys_fixture *f = *state;
	struct ssf_err err = { .code = SSF_OK };
	size_t accepted = 0;

	while (accepted < 1000 && key_manager_rotate(f->manager, SSF_ALG_ES256, false,
						     keys_fixture_on_changed, f, &err) == 0)
		accepted++;
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_in_range(accepted, 1, 100);
	/* those that wait at shutdown are answered */
	f->changed = false;
	key_manager_stop(f->manager);
	assert_true(f->changed);
	assert_int_equal(f->err.code, SSF_E_UNAVAILABLE);
	assert_int_equal(key_manager_rotate(f->manager, SSF_ALG_ES256, false, keys_fixture_on_changed, f,
					    &err),
			 -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, keys_fixture_set_up, keys_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rotation_makes_a_key_that_waits),
		TEST(a_second_rotation_is_refused_while_a_key_waits),
		TEST(a_rotation_now_lets_the_waiting_key_sign),
		TEST(the_last_key_that_is_revoked_is_replaced),
		TEST(changes_wait_for_each_other_and_are_bounded),
	};

	return cmocka_run_group_tests(tests, keys_fixture_start_server, keys_fixture_stop_server);
}
