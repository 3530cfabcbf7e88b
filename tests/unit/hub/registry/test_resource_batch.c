/* SPDX-License-Identifier: Apache-2.0 */
/* The text of POST /v1/apply. There is no database: a batch that is accepted is not committed. */
#include "hub/registry/resource_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char path[64];
	struct loop *loop;
	struct db *db;
	struct registry *registry;
	struct master_key *master;
	struct egress_policy *policy;
	struct resource_writer *writer;
	struct resource_checker checker;
};

static void ready(void *arg)
{
	(void)arg;
}

static int set_up(void **state)
{
	static const struct db_conf conf = { .conninfo = "host=/nowhere", .connections = 1, .queue_max = 1,
					     .timeout_ms = 1000 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;
	int fd;

	*state = f;
	snprintf(f->path, sizeof(f->path), "/tmp/batch_test.XXXXXX");
	fd = mkstemp(f->path);
	close(fd);
	unlink(f->path);
	if (loop_new(&f->loop, &err) < 0 || db_new(f->loop, &conf, NULL, NULL, &f->db, &err) < 0 ||
	    registry_new(f->loop, f->db, ready, NULL, &f->registry, &err) < 0 ||
	    master_key_open(f->path, &f->master, &err) < 0 || egress_policy_new(NULL, false, &f->policy, &err) < 0)
		return -1;
	const struct resource_writer_deps deps = { f->registry, NULL, NULL, f->policy };
	f->checker = (struct resource_checker){ f->registry, f->master, f->policy };
	return resource_writer_new(&deps, &f->writer, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	resource_writer_free(f->writer);
	egress_policy_free(f->policy);
	master_key_free(f->master);
	registry_free(f->registry);
	db_free(f->db);
	loop_free(f->loop);
	unlink(f->path);
	free(f);
	return 0;
}

static int parse(struct fixture *f, const char *text, const char *rules_id, struct ssf_diagnostic *d)
{
	struct resource_txn *txn = resource_writer_begin(f->writer, "admin");
	int r;

	assert_non_null(txn);
	r = resource_batch_parse(&f->checker, ssf_str_c(text), rules_id, txn, d);
	resource_writer_discard(txn);
	return r;
}

static void every_form_is_accepted(void **state)
{
	static const char *const texts[] = {
		"{\"kind\":\"person\",\"id\":\"ada\"}",
		"[{\"kind\":\"person\",\"id\":\"ada\",\"version\":0},]",
		"{\"resources\":[ // comment\n {\"kind\":\"person\",\"id\":\"ada\",\"version\":null}]}",
		/* references in any order */
		("[{\"kind\":\"agent\",\"id\":\"a\",\"owner\":\"ada\",\"purpose\":\"p\",\"environment\":\"dev\"},"
		 "{\"kind\":\"person\",\"id\":\"ada\"}]"),
	};
	struct ssf_diagnostic d;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(texts); i++) {
		if (parse(*state, texts[i], NULL, &d) < 0)
			fail_msg("%s: %s", texts[i], d.err.msg);
	}
}

static void a_rule_file_needs_an_id(void **state)
{
	static const char text[] = "{\"hrl\":1,\n\"rules\":[]}";
	struct ssf_diagnostic d;

	assert_int_equal(parse(*state, text, NULL, &d), -1);
	assert_non_null(strstr(d.err.msg, "?id="));
	assert_int_equal(parse(*state, text, "no/id", &d), -1);
	assert_non_null(strstr(d.err.msg, "?id="));
	assert_int_equal(parse(*state, text, "leaks", &d), -1);
	assert_non_null(strstr(d.err.msg, "2:9: "));
}

static void mistakes_have_a_line_a_column_and_a_path(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *path, *message;
		enum ssf_code code;
	} cases[] = {
		{ "[\n 1]", 2, 2, "/0", "a resource must be an object", SSF_E_MALFORMED },
		{ "[\n{\"id\":\"x\"}]", 2, 1, "/0/kind", "kind: missing, or not a string", SSF_E_MALFORMED },
		{ "{\"kind\":\"persn\",\"id\":\"x\"}", 1, 9, "/kind", "kind: there is no such kind", SSF_E_MALFORMED },
		{ "{\"kind\":\"persons\",\"id\":\"x\"}", 1, 9, "/kind", "kind: there is no such kind",
		  SSF_E_MALFORMED },
		{ "{\"kind\":\"person\",\n \"id\":\"a/b\"}", 2, 7, "/id",
		  "id: must be 1 to 128 of A-Z a-z 0-9 . _ : @ -", SSF_E_MALFORMED },
		{ "[{\"kind\":\"person\",\"id\":\"x\"},\n{\"kind\":\"person\",\"id\":\"x\"}]", 2, 23, "/1/id",
		  "id: twice in one request", SSF_E_MALFORMED },
		{ "{\"kind\":\"person\",\"id\":\"x\",\"version\":2}", 1, 37, "/version", "version: person x is at 0",
		  SSF_E_CONFLICT },
		{ "{\"kind\":\"person\",\"id\":\"x\",\"version\":-1}", 1, 37, "/version",
		  "version: must be 0 or more", SSF_E_MALFORMED },
		{ "{\"resources\":[\n{\"kind\":\"person\",\"id\":\"x\",\"nmae\":1}]}", 2, 34, "/resources/0/nmae",
		  "nmae: unknown member", SSF_E_MALFORMED },
		{ "{\"resources\":[]}", 1, 14, "/resources", "resources: must be an array of 1 to 1000",
		  SSF_E_MALFORMED },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_diagnostic d;
		assert_int_equal(parse(*state, cases[i].text, NULL, &d), -1);
		if (d.line != cases[i].line || d.column != cases[i].column || strcmp(d.path, cases[i].path) != 0 ||
		    strcmp(d.err.msg, cases[i].message) != 0 || d.err.code != cases[i].code)
			fail_msg("%s: %u:%u %s %s", cases[i].text, d.line, d.column, d.path, d.err.msg);
	}
}

static void syntax_errors_are_errors(void **state)
{
	struct ssf_diagnostic d;

	assert_int_equal(parse(*state, "{", NULL, &d), -1);
	assert_int_equal(parse(*state, "", NULL, &d), -1);
	assert_int_equal(parse(*state, "\xff", NULL, &d), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_form_is_accepted),
		TEST(a_rule_file_needs_an_id),
		TEST(mistakes_have_a_line_a_column_and_a_path),
		TEST(syntax_errors_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
