/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/scopes/scope.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void manage_includes_its_parts_and_reading(void **state)
{
	static const enum perm parts[] = { PERM_READ, PERM_CREATE, PERM_UPDATE, PERM_DELETE, PERM_STATUS,
					   PERM_SUBJECTS, PERM_VERIFY, PERM_POLL };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(parts); i++) {
		const char *name = scope_of(parts[i]);
		assert_int_equal(scope_list_perms(name), parts[i]);
		assert_true(scope_list_within(name, scope_list_perms("ssf.manage")));
	}
	assert_int_equal(scope_list_perms("ssf.manage") & PERM_EMIT, 0);
	assert_int_equal(scope_list_perms("openid ssf.read  ssf.manage.poll"), PERM_READ | PERM_POLL);
	assert_int_equal(scope_list_perms("ssf.read.all ssf SSF.READ ssf.manage."), 0);
	assert_int_equal(scope_list_perms(""), 0);
}

static void a_scope_beyond_the_allowed_ones_is_refused(void **state)
{
	char list[SCOPE_MAX + 16] = "ssf.read";

	(void)state;
	assert_true(scope_list_within("ssf.read", PERM_READ));
	assert_false(scope_list_within("ssf.read ssf.manage.poll", PERM_READ));
	assert_false(scope_list_within("ssf.read unknown", ~0u));
	assert_false(scope_list_within("", ~0u));
	assert_false(scope_list_within("  ", ~0u));
	while (strlen(list) <= SCOPE_MAX)
		strcat(list, " ");
	assert_false(scope_list_within(list, ~0u));
}

static void an_array_without_scopes_has_the_defaults(void **state)
{
	json_t *scopes = json_pack("[s, s]", "ssf.manage.poll", "unknown");

	(void)state;
	assert_int_equal(scope_array_perms(NULL), scope_list_perms(SCOPE_DEFAULT));
	assert_int_equal(scope_array_perms(scopes), PERM_POLL);
	json_decref(scopes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manage_includes_its_parts_and_reading),
		cmocka_unit_test(a_scope_beyond_the_allowed_ones_is_refused),
		cmocka_unit_test(an_array_without_scopes_has_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
