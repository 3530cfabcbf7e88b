/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/resource_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void put(struct resource_set *s, enum kind kind, const char *id, json_t *spec, int64_t version)
{
	assert_int_equal(resource_set_put(s, kind, id, spec, version), 0);
	json_decref(spec);
}

static void resources_are_replaced_and_removed(void **state)
{
	struct resource_set *s = resource_set_new();

	(void)state;
	put(s, KIND_PERSON, "ada", json_pack("{s:s}", "name", "Ada"), 1);
	put(s, KIND_PERSON, "ada", json_pack("{s:s}", "name", "Ada Lovelace"), 2);
	put(s, KIND_AGENT, "ada", json_object(), 7);
	assert_string_equal(json_string_value(json_object_get(resource_set_get(s, KIND_PERSON, "ada"), "name")),
			    "Ada Lovelace");
	assert_int_equal(resource_set_version(s, KIND_PERSON, "ada"), 2);
	assert_int_equal(json_object_size(resource_set_all(s, KIND_PERSON)), 1);
	put(s, KIND_PERSON, "ada", NULL, 3);
	put(s, KIND_PERSON, "nobody", NULL, 1);
	assert_null(resource_set_get(s, KIND_PERSON, "ada"));
	assert_int_equal(resource_set_version(s, KIND_PERSON, "ada"), 0);
	assert_int_equal(resource_set_version(s, KIND_AGENT, "ada"), 7);
	resource_set_free(s);
}

static void unique_values_are_indexed(void **state)
{
	struct resource_set *s = resource_set_new();

	(void)state;
	put(s, KIND_AGENT, "a", json_pack("{s:[s, s]}", "repositories", "acme/app", "acme/web"), 1);
	assert_string_equal(resource_set_find(s, KIND_AGENT, "repositories", NULL, "acme/web"), "a");
	put(s, KIND_AGENT, "a", json_pack("{s:[s]}", "repositories", "acme/app"), 2);
	assert_null(resource_set_find(s, KIND_AGENT, "repositories", NULL, "acme/web"));
	assert_string_equal(resource_set_find(s, KIND_AGENT, "repositories", NULL, "acme/app"), "a");
	put(s, KIND_CLIENT, "c", json_pack("{s:s, s:s}", "issuer", "okta", "subject", "s1"), 1);
	assert_string_equal(resource_set_find(s, KIND_CLIENT, "subject", "okta", "s1"), "c");
	assert_null(resource_set_find(s, KIND_CLIENT, "subject", "other", "s1"));
	assert_null(resource_set_find(s, KIND_CLIENT, "subject", NULL, "s1"));
	assert_null(resource_set_find(s, KIND_CLIENT, "name", NULL, "c"));
	resource_set_free(s);
}

/* One request moves a value from a resource to another one, in whichever order they come. */
static void a_value_that_moved_stays_with_its_new_owner(void **state)
{
	struct resource_set *s = resource_set_new();

	(void)state;
	put(s, KIND_AGENT, "a", json_pack("{s:[s]}", "repositories", "acme/app"), 1);
	put(s, KIND_AGENT, "b", json_pack("{s:[s]}", "repositories", "acme/app"), 1);
	put(s, KIND_AGENT, "a", json_object(), 2);
	assert_string_equal(resource_set_find(s, KIND_AGENT, "repositories", NULL, "acme/app"), "b");
	resource_set_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resources_are_replaced_and_removed),
		cmocka_unit_test(unique_values_are_indexed),
		cmocka_unit_test(a_value_that_moved_stays_with_its_new_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
