/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that hold for every adapter of the table. */
#include "tests/unit/transmitters/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const types[] = {
#define ADAPTER(id, type) type,
#include "transmitters/adapters.def"
#undef ADAPTER
};

static void types_are_those_of_the_table_and_unique(void **state)
{
	(void)state;
	for (int i = 0; i < ADAPTER_COUNT; i++) {
		assert_string_equal(adapter_at((size_t)i)->type, types[i]);
		assert_int_equal(adapter_index(types[i]), i);
		assert_ptr_equal(adapter_by_type(types[i]), adapter_at((size_t)i));
	}
	assert_null(adapter_by_type("of tomorrow"));
	assert_null(adapter_by_type(""));
	assert_null(adapter_by_type(NULL));
}

static void every_adapter_is_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < ADAPTER_COUNT; i++) {
		const struct source_adapter *a = adapter_at(i);

		assert_non_null(a->summary);
		assert_non_null(a->authenticate);
		assert_non_null(a->members);
		assert_non_null(a->routes);
		assert_non_null(a->routes[0].path);
		for (const struct adapter_route *r = a->routes; r->path != NULL; r++) {
			assert_non_null(r->method);
			assert_non_null(r->map);
			assert_true(r->path[0] == '\0' || r->path[0] == '/');
		}
		if (a->keys != NULL)
			assert_true(a->keys->parse != NULL && a->keys->free != NULL &&
				    a->keys->check_request != NULL && a->keys->has != NULL);
		if (a->lookup != NULL)
			assert_true(a->lookup->call != NULL && a->lookup->answer != NULL);
	}
}

/* The members document themselves, and their names do not collide with those of every resource. */
static void members_are_described(void **state)
{
	static const char *const reserved[] = { "kind", "id", "type", "version" };

	(void)state;
	for (size_t i = 0; i < ADAPTER_COUNT; i++) {
		unsigned opened_for[2] = { 0, 0 };

		for (const struct adapter_member *m = adapter_at(i)->members; m->name != NULL; m++) {
			json_auto_t *example = json_loads(m->example, JSON_DECODE_ANY, NULL);

			assert_non_null(example);
			assert_true(json_is_boolean(example) == (m->type == ADAPTER_BOOL));
			assert_true(m->help[strlen(m->help) - 1] == '.');
			for (size_t k = 0; k < SSF_ARRAY_SIZE(reserved); k++)
				assert_string_not_equal(m->name, reserved[k]);
			if (m->type != ADAPTER_SECRET)
				assert_int_equal(m->flags & (ADAPTER_AUTHENTICATES |
							     ADAPTER_LOOKS_UP), 0);
			opened_for[0] += (m->flags & ADAPTER_AUTHENTICATES) != 0;
			opened_for[1] += (m->flags & ADAPTER_LOOKS_UP) != 0;
		}
		assert_in_range(opened_for[0], 0, ADAPTER_SECRETS_MAX);
		assert_in_range(opened_for[1], 0, ADAPTER_SECRETS_MAX);
	}
}

static int no_signals(const struct adapter_request *r, const json_t *spec,
		      struct signal_list *signals, struct adapter_reply *reply, struct ssf_err *err)
{
	(void)r, (void)spec, (void)signals, (void)reply, (void)err;
	return 0;
}

static void routes_are_found_by_method_and_path(void **state)
{
	static const struct adapter_route routes[] = {
		{ "POST", "", no_signals },
		{ "GET", "", no_signals },
		{ "POST", "/events", no_signals },
		{ .path = NULL },
	};
	static const struct source_adapter a = { .type = "a", .routes = routes };
	const struct adapter_route *r;
	struct ssf_err err;

	(void)state;
	assert_int_equal(adapter_find_route(&a, "GET", "", &r, &err), 0);
	assert_ptr_equal(r, &routes[1]);
	assert_int_equal(adapter_find_route(&a, "POST", "/events", &r, &err), 0);
	assert_ptr_equal(r, &routes[2]);
	assert_int_equal(adapter_find_route(&a, "PUT", "", &r, &err), -1);
	assert_int_equal(err.code, SSF_E_METHOD);
	assert_int_equal(adapter_find_route(&a, "POST", "/other", &r, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
}

static void secrets_are_found_by_member(void **state)
{
	const struct adapter_credentials c = { .secrets = { { "a", SSF_STR("1") },
							    { "b.c", SSF_STR("2") } },
					       .secret_count = 2 };

	(void)state;
	assert_true(ssf_str_eq_c(adapter_secret(&c, "b.c"), "2"));
	assert_int_equal(adapter_secret(&c, "c").len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_those_of_the_table_and_unique),
		cmocka_unit_test(every_adapter_is_complete),
		cmocka_unit_test(members_are_described),
		cmocka_unit_test(routes_are_found_by_method_and_path),
		cmocka_unit_test(secrets_are_found_by_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
