/* SPDX-License-Identifier: Apache-2.0 */
/* Forms: what RFC 6749 appendix B encodes, and everything that is refused. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/form.h"

#include <string.h>

static void fields_are_decoded(void **state)
{
	struct ssf_form f;
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_form_parse(SSF_STR("grant_type=client_credentials&scope=ssf.read+a%2Bb"
						"&empty=&flag&%6Eame=%C3%A9%25&&x=a=b"),
					&f, &err),
			 0);
	assert_string_equal(ssf_form_get(&f, "grant_type"), "client_credentials");
	assert_string_equal(ssf_form_get(&f, "scope"), "ssf.read a+b");
	assert_string_equal(ssf_form_get(&f, "name"), "\xc3\xa9%");
	assert_string_equal(ssf_form_get(&f, "x"), "a=b");
	assert_null(ssf_form_get(&f, "empty")); /* as if it were not there */
	assert_null(ssf_form_get(&f, "flag"));
	assert_null(ssf_form_get(&f, "absent"));
	ssf_form_done(&f);
	assert_int_equal(ssf_form_parse(SSF_STR(""), &f, &err), 0);
	assert_int_equal(f.count, 0);
	ssf_form_done(&f);
}

static void wrong_forms_are_refused(void **state)
{
	static const char *const wrong[] = {
		"a=%", "a=%4", "a=%4g", "%zz=1", "=1", "a=1&a=2", "a=1&%61=2", "a=%00", "a=%0d%0a",
		"a=\x01", "a=%7f", "a=%ff", "a=%C3", "%C3=1",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(wrong); i++) {
		struct ssf_form f;
		struct ssf_err err = { .code = SSF_OK };
		assert_int_equal(ssf_form_parse(ssf_str_c(wrong[i]), &f, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
		ssf_form_done(&f);
	}
}

static void the_number_of_fields_is_bounded(void **state)
{
	char text[4 * (SSF_FORM_FIELDS_MAX + 1) + 1];
	struct ssf_form f;
	struct ssf_err err;

	(void)state;
	for (int n = SSF_FORM_FIELDS_MAX; n <= SSF_FORM_FIELDS_MAX + 1; n++) {
		text[0] = '\0';
		for (int i = 0; i < n; i++)
			sprintf(text + strlen(text), "&%c%c=", 'a' + i / 26, 'a' + i % 26);
		int r = ssf_form_parse(ssf_str_c(text), &f, &err);
		assert_int_equal(r, n <= SSF_FORM_FIELDS_MAX ? 0 : -1);
		if (r < 0)
			assert_int_equal(err.code, SSF_E_LIMIT);
		ssf_form_done(&f);
	}
}

static void lone_names_fit(void **state)
{
	char text[2 * SSF_FORM_FIELDS_MAX + 1];
	struct ssf_form f;
	struct ssf_err err;

	(void)state; /* two NULs for one letter and no sign: the buffer has to be large enough */
	for (int i = 0; i < SSF_FORM_FIELDS_MAX; i++) {
		text[2 * i] = (char)('A' + i);
		text[2 * i + 1] = '&';
	}
	text[2 * SSF_FORM_FIELDS_MAX - 1] = '\0';
	assert_int_equal(ssf_form_parse(ssf_str_c(text), &f, &err), 0);
	assert_int_equal(f.count, SSF_FORM_FIELDS_MAX);
	ssf_form_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_decoded),
		cmocka_unit_test(wrong_forms_are_refused),
		cmocka_unit_test(the_number_of_fields_is_bounded),
		cmocka_unit_test(lone_names_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
