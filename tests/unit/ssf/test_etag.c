/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags: which lists let version 7 through, which do not, which are none. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/etag.h"

static void tags_are_strong_and_quoted(void **state)
{
	char tag[SSF_ETAG_LEN];

	(void)state;
	ssf_etag(7, tag);
	assert_string_equal(tag, "\"7\"");
	ssf_etag(INT64_MAX, tag);
	assert_string_equal(tag, "\"9223372036854775807\"");
	ssf_etag(INT64_MIN, tag);
	assert_string_equal(tag, "\"-9223372036854775808\"");
}

static void lists_match(void **state)
{
	static const struct {
		const char *if_match;
		bool matches;
	} cases[] = {
		{ "*", true },
		{ "\"7\"", true },
		{ "\"6\", \"7\"", true },
		{ "\"7\",\"6\"", true },
		{ "\"6\"\t,\t\"7\"", true },
		{ ",, \"6\" ,, \"7\" ,", true },
		{ "W/\"7\", \"7\"", true },
		{ "\"6\"", false },
		{ "\"07\"", false },
		{ "\"77\"", false },
		{ "\"\"", false },
		{ "W/\"7\"", false },
		{ "\"*\"", false },
		{ "\"6,7\"", false },
		{ "\"\xc3\xa9\"", false },
		{ "\"a!~\", W/\"7\"", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		bool matches = !cases[i].matches;
		struct ssf_err err;
		if (ssf_etag_match(ssf_str_c(cases[i].if_match), 7, &matches, &err) < 0)
			fail_msg("%s: %s", cases[i].if_match, err.msg);
		if (matches != cases[i].matches)
			fail_msg("%s: %d", cases[i].if_match, matches);
	}
}

static void what_is_no_list_is_refused(void **state)
{
	static const char *const wrong[] = {
		"", ",", " , ", "7", "\"7", "7\"", "\"7\" \"7\"", "\"7\"\"8\"", "w/\"7\"", "W/7", "W/", "W",
		"W/ \"7\"", "*, \"7\"", "\"7\", *", "**", "\"7 8\"", "\"7\x7f\"", "\"7\"; x", "'7'",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(wrong); i++) {
		struct ssf_err err = { .code = SSF_OK };
		bool matches;
		if (ssf_etag_match(ssf_str_c(wrong[i]), 7, &matches, &err) == 0)
			fail_msg("taken: %s", wrong[i]);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_strong_and_quoted),
		cmocka_unit_test(lists_match),
		cmocka_unit_test(what_is_no_list_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
