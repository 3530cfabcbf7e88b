/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptions of the kinds, and what is made from them. */
#include "hub/registry/kind_page.h"
#include "hub/registry/kind_schema.h"
#include "hub/registry/resource_check.h"

#include "lib/kit/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void ready(void *arg)
{
	(void)arg;
}

/* The examples of all kinds are one consistent set of resources. */
static void every_example_is_accepted(void **state)
{
	static const struct db_conf conf = { .conninfo = "host=/nowhere", .connections = 1, .queue_max = 1,
					     .timeout_ms = 1000 };
	const struct ssf_json_path root = { NULL, NULL, 0 };
	char path[] = "/tmp/kind_test.XXXXXX";
	struct resource_peers peers = { .pending = { NULL } };
	struct master_key *master;
	struct egress_policy *policy;
	struct registry *registry;
	struct loop *loop;
	struct db *db;
	struct ssf_err err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(loop_new(&loop, &err), 0);
	assert_int_equal(db_new(loop, &conf, NULL, NULL, &db, &err), 0);
	assert_int_equal(registry_new(loop, db, ready, NULL, &registry, &err), 0);
	assert_int_equal(master_key_open(path, &master, &err), 0);
	assert_int_equal(egress_policy_new(NULL, false, &policy, &err), 0);
	assert_int_equal(resource_peers_init(&peers, &err), 0);
	const struct resource_checker checker = { registry, master, policy };
	for (int pass = 0; pass < 2; pass++) {
		for (int k = 0; k < KIND_COUNT; k++) {
			json_t *in = json_loads(kind_of((enum kind)k)->example, 0, NULL), *spec;
			const char *id = json_string_value(json_object_get(in, "id"));
			const struct resource_input input = { (enum kind)k, id, in, &root };
			struct ssf_diagnostic d = { .line = 0 };
			assert_string_equal(json_string_value(json_object_get(in, "kind")), kind_name((enum kind)k));
			assert_true(kind_id_valid(id));
			if (pass == 0) {
				json_object_set(peers.pending[k], id, in);
			} else {
				if (resource_check(&checker, &peers, &input, &spec, &d) < 0)
					fail_msg("%s: %s", kind_name((enum kind)k), d.err.msg);
				json_decref(spec);
			}
			json_decref(in);
		}
	}
	resource_peers_done(&peers);
	egress_policy_free(policy);
	master_key_free(master);
	registry_free(registry);
	db_free(db);
	loop_free(loop);
	unlink(path);
}

static void check_members(const struct kind_info *k, const struct kind_object *o)
{
	for (const struct kind_member *m = o->members; m->name != NULL; m++) {
		json_t *example = m->example != NULL ? json_loads(m->example, JSON_DECODE_ANY, NULL) : NULL;
		if (m->type != KIND_OBJECT && (example == NULL || m->help == NULL))
			fail_msg("%s.%s needs help and an example", k->name, m->name);
		if (m->help != NULL && m->help[strlen(m->help) - 1] != '.' && strchr(m->help, ';') == NULL)
			fail_msg("%s.%s: help is a sentence", k->name, m->name);
		if (m->type == KIND_CHOICE && (m->values == NULL) == (m->variants == NULL))
			fail_msg("%s.%s: a choice has values or variants", k->name, m->name);
		if ((m->type == KIND_HASHED) != (m->into != NULL))
			fail_msg("%s.%s: a hashed secret names where its hash goes", k->name, m->name);
		if (m->type == KIND_OBJECT)
			check_members(k, m->object);
		for (const struct kind_variant *v = m->variants != NULL ? m->variants() : NULL;
		     v != NULL && v->value != NULL; v++) {
			if (v->object != NULL)
				check_members(k, v->object);
		}
		json_decref(example);
	}
}

static void every_member_is_described(void **state)
{
	(void)state;
	for (int k = 0; k < KIND_COUNT; k++) {
		const struct kind_info *info = kind_of((enum kind)k);
		assert_non_null(info->help);
		assert_non_null(info->plural);
		check_members(info, &info->object);
	}
}

static void kinds_are_found_by_name_and_plural(void **state)
{
	enum kind kind;

	(void)state;
	assert_int_equal(kind_find("stream", true, &kind), 0);
	assert_int_equal(kind, KIND_STREAM);
	assert_int_equal(kind_find("streams", true, &kind), -1);
	assert_int_equal(kind_find("streams", false, &kind), 0);
	assert_int_equal(kind, KIND_STREAM);
	assert_int_equal(kind_find("Stream", false, &kind), -1);
	assert_int_equal(kind_find("", false, &kind), -1);
}

static void ids_are_checked(void **state)
{
	char longest[KIND_ID_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[KIND_ID_MAX] = '\0';
	assert_true(kind_id_valid("agent:triage-bot"));
	assert_true(kind_id_valid("a.b_c@D-9"));
	assert_true(kind_id_valid(longest));
	longest[KIND_ID_MAX] = 'a';
	longest[KIND_ID_MAX + 1] = '\0';
	assert_false(kind_id_valid(longest));
	assert_false(kind_id_valid(""));
	assert_false(kind_id_valid(NULL));
	assert_false(kind_id_valid("a/b"));
	assert_false(kind_id_valid("a b"));
	assert_false(kind_id_valid("\xc3\xa4"));
}

static void the_page_of_kinds_is_current(void **state)
{
	ssf_auto_buf page = SSF_BUF(1024 * 1024), stored = SSF_BUF(1024 * 1024);
	struct ssf_err err;

	(void)state;
	kind_page_write(&page);
	assert_false(ssf_buf_failed(&page));
	assert_int_equal(file_read(TESTS_DIR "/../docs/reference/resources.md", &stored, &err), 0);
	if (!ssf_str_eq(ssf_buf_str(&page), ssf_buf_str(&stored)))
		fail_msg("docs/reference/resources.md is stale: cmake --build BUILD --target docs");
}

static void schemas_say_what_is_written_and_what_is_shown(void **state)
{
	json_t *all = kind_schema_components();
	const json_t *written = json_object_get(all, "CredentialInput"), *shown = json_object_get(all, "Credential");

	(void)state;
	assert_int_equal(json_array_size(json_object_get(json_object_get(all, "Kind"), "enum")), KIND_COUNT);
	assert_non_null(json_object_get(json_object_get(written, "properties"), "secret"));
	assert_null(json_object_get(json_object_get(shown, "properties"), "secret"));
	assert_int_equal(json_array_size(json_object_get(written, "required")), 4);
	assert_int_equal(json_array_size(json_object_get(shown, "required")), 5); /* with the fingerprint */
	assert_int_equal(json_array_size(json_object_get(json_object_get(all, "Source"), "oneOf")), 2);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_is_accepted),
		cmocka_unit_test(every_member_is_described),
		cmocka_unit_test(kinds_are_found_by_name_and_plural),
		cmocka_unit_test(ids_are_checked),
		cmocka_unit_test(the_page_of_kinds_is_current),
		cmocka_unit_test(schemas_say_what_is_written_and_what_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
