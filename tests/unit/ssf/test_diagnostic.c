/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and diagnostics: what they say about a place in a text. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/diagnostic.h"

#include <string.h>

static void paths_become_json_pointers(void **state)
{
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	const struct ssf_json_path *at = SSF_JSON_MEMBER(SSF_JSON_ELEMENT(&whole, 12), "a/b~c");
	ssf_auto_buf pointer = SSF_BUF(64);

	(void)state;
	ssf_json_path_pointer(&whole, &pointer);
	assert_int_equal(pointer.len, 0);
	ssf_json_path_pointer(at, &pointer);
	assert_string_equal(pointer.ptr, "/12/a~1b~0c");
}

static void places_are_fields(void **state)
{
	struct ssf_diagnostic d = { .text = SSF_STR("{\n  \"a\": [1,\n   2]}") };
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	const struct ssf_json_path *a = SSF_JSON_MEMBER(&whole, "a");
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_diagnose(&d, SSF_JSON_ELEMENT(a, 1), "not %d", 2), -1);
	assert_int_equal(d.line, 3);
	assert_int_equal(d.column, 4);
	assert_string_equal(d.path, "/a/1");
	assert_string_equal(d.err.msg, "not 2");
	assert_int_equal(d.err.code, SSF_E_MALFORMED);
	assert_int_equal(ssf_diagnostic_err(&d, &err), -1);
	assert_string_equal(err.msg, "3:4: not 2");

	/* a member that does not exist: the place of the object, the path of the member */
	assert_int_equal(ssf_diagnose_member(&d, &whole, "b", "missing"), -1);
	assert_int_equal(d.line, 1);
	assert_int_equal(d.column, 1);
	assert_string_equal(d.path, "/b");

	assert_int_equal(ssf_diagnose_limit(&d, a, "too long"), -1);
	assert_int_equal(d.err.code, SSF_E_LIMIT);
	assert_int_equal(d.line, 2);
}

static void without_a_text_there_is_no_line(void **state)
{
	struct ssf_diagnostic d = { .line = 7 };
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_diagnose(&d, SSF_JSON_MEMBER(&whole, "a"), "wrong"), -1);
	assert_int_equal(d.line, 0);
	assert_int_equal(ssf_diagnostic_err(&d, &err), -1);
	assert_string_equal(err.msg, "wrong");
}

static void long_paths_are_cut_between_characters(void **state)
{
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	char key[400];

	(void)state;
	for (size_t pad = 0; pad < 3; pad++) {
		struct ssf_diagnostic d = { .line = 0 };

		memset(key, 'x', pad);
		for (size_t i = pad; i + 3 < sizeof(key); i += 3)
			memcpy(key + i, "\xe2\x82\xac", 4);
		assert_int_equal(ssf_diagnose(&d, SSF_JSON_MEMBER(&whole, key), "%s", key), -1);
		assert_true(ssf_utf8_valid(ssf_str_c(d.path)));
		assert_true(strlen(d.path) > SSF_DIAGNOSTIC_PATH - 4);
		assert_true(ssf_utf8_valid(ssf_str_c(d.err.msg)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_become_json_pointers),
		cmocka_unit_test(places_are_fields),
		cmocka_unit_test(without_a_text_there_is_no_line),
		cmocka_unit_test(long_paths_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
