/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/media_type.h"

static void parameters_and_case_do_not_matter(void **state)
{
	static const char *const same[] = {
		"application/secevent+jwt", "Application/SecEvent+JWT", "application/secevent+jwt; charset=utf-8",
		"application/secevent+jwt;charset=utf-8", " application/secevent+jwt\t;", "application/secevent+jwt ; a=\"b;c\"",
	};
	static const char *const others[] = {
		"", ";", "application/secevent", "application/secevent+jwt+x", "application/secevent+jwt, text/plain",
		"application/secevent+jwt charset=utf-8", "text/plain; application/secevent+jwt",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(same); i++) {
		if (!ssf_media_type_is(ssf_str_c(same[i]), "application/secevent+jwt"))
			fail_msg("refused: %s", same[i]);
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(others); i++) {
		if (ssf_media_type_is(ssf_str_c(others[i]), "application/secevent+jwt"))
			fail_msg("accepted: %s", others[i]);
	}
	assert_false(ssf_media_type_is(ssf_str_c(NULL), "application/json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(parameters_and_case_do_not_matter) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
