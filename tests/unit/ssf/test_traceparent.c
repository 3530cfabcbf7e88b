/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent: what is taken, in which form it goes on, what is not taken. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/traceparent.h"

#include <string.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define GOOD "00-" TRACE "-" PARENT "-01"

static void what_is_valid_goes_on_as_version_00(void **state)
{
	static const struct {
		const char *value, *out;
	} cases[] = {
		{ GOOD, GOOD },
		{ "00-" TRACE "-" PARENT "-00", "00-" TRACE "-" PARENT "-00" },
		{ "00-" TRACE "-" PARENT "-03", GOOD },
		{ "00-" TRACE "-" PARENT "-fe", "00-" TRACE "-" PARENT "-00" },
		{ "01-" TRACE "-" PARENT "-01", GOOD },
		{ "cc-" TRACE "-" PARENT "-01", GOOD },
		{ "cc-" TRACE "-" PARENT "-01-", GOOD },
		{ "cc-" TRACE "-" PARENT "-01-what the future will be like", GOOD },
		{ "fe-" TRACE "-" PARENT "-09", GOOD },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		char out[SSF_TRACEPARENT_LEN] = "";
		if (!ssf_traceparent_parse(ssf_str_c(cases[i].value), out))
			fail_msg("refused: %s", cases[i].value);
		assert_string_equal(out, cases[i].out);
	}
}

static void the_rest_is_not_taken(void **state)
{
	static const char *const wrong[] = {
		"", "00", "00-", "00-" TRACE "-" PARENT, "00-" TRACE "-" PARENT "-", "00-" TRACE "-" PARENT "-0",
		GOOD "-", GOOD "-00", GOOD "0", GOOD " ", " " GOOD, "0-" TRACE "-" PARENT "-001",
		"ff-" TRACE "-" PARENT "-01", "FF-" TRACE "-" PARENT "-01", "0x-" TRACE "-" PARENT "-01",
		"cc-" TRACE "-" PARENT "-01.what", "cc-" TRACE "-" PARENT "-0", "cc-" TRACE "-" PARENT "-011",
		"00-00000000000000000000000000000000-" PARENT "-01", "00-" TRACE "-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", "00-" TRACE "-B7AD6B7169203331-01",
		"00-" TRACE "-" PARENT "-0A", "00-" TRACE "-" PARENT "-x1", "00-" TRACE "-" PARENT "-1x",
		"00_" TRACE "-" PARENT "-01", "00-" TRACE "_" PARENT "-01", "00-" TRACE "-" PARENT "_01",
		"00-0af7651916cd43dd8448eb211c80319g-" PARENT "-01", "00-" TRACE "-b7ad6b716920333-" "-01",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(wrong); i++) {
		char out[SSF_TRACEPARENT_LEN] = "untouched";
		if (ssf_traceparent_parse(ssf_str_c(wrong[i]), out))
			fail_msg("taken: %s", wrong[i]);
		assert_string_equal(out, "untouched");
	}
}

static void nothing_is_read_behind_the_end(void **state)
{
	char text[] = GOOD;

	(void)state;
	for (size_t len = 0; len < strlen(GOOD); len++) {
		char out[SSF_TRACEPARENT_LEN];
		/* a copy of exactly this length, so that the sanitizer sees what is read behind it */
		char *copy = ssf_str_dup((struct ssf_str){ text, len });
		assert_false(ssf_traceparent_parse((struct ssf_str){ copy, len }, out));
		free(copy);
	}
	assert_false(ssf_traceparent_parse((struct ssf_str){ NULL, 0 }, (char[SSF_TRACEPARENT_LEN]){ 0 }));
}

static void a_child_has_a_parent_id_of_its_own(void **state)
{
	char out[SSF_TRACEPARENT_LEN];

	(void)state;
	ssf_traceparent_child("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 0x123456789abcdef0u, out);
	assert_string_equal(out, "00-4bf92f3577b34da6a3ce929d0e0e4736-123456789abcdef0-01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_valid_goes_on_as_version_00),
		cmocka_unit_test(the_rest_is_not_taken),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(a_child_has_a_parent_id_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
