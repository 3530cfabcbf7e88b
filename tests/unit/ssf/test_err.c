/* SPDX-License-Identifier: Apache-2.0 */
/* Error values and their outside faces. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/buf.h"

#include <string.h>

static void fills_and_returns_minus_one(void **state)
{
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_fail(&err, SSF_E_LIMIT, "%s: more than %d", "keys", 64), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_string_equal(err.msg, "keys: more than 64");
	assert_int_equal(err.line, __LINE__ - 3);
	assert_non_null(strstr(err.file, "test_err.c"));
	assert_int_equal(ssf_fail(NULL, SSF_E_LIMIT, "nobody listens"), -1);
}

static void prefix_keeps_code(void **state)
{
	struct ssf_err err;

	(void)state;
	ssf_fail(&err, SSF_E_MALFORMED, "email: missing");
	assert_int_equal(ssf_fail_prefix(&err, "identifiers[%d]", 3), -1);
	assert_int_equal(ssf_fail_prefix(&err, "sub_id"), -1);
	assert_string_equal(err.msg, "sub_id: identifiers[3]: email: missing");
	assert_int_equal(err.code, SSF_E_MALFORMED);
	assert_int_equal(ssf_fail_prefix(NULL, "nobody listens"), -1);
}

/* Names of members come from outside; an error text goes into JSON again. */
static void texts_are_utf8(void **state)
{
	char name[600];
	struct ssf_err err;

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		memset(name, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof(name); i += 3)
			memcpy(name + i, "\xe2\x82\xac", 4);
		ssf_fail(&err, SSF_E_MALFORMED, "%s", name);
		assert_true(ssf_utf8_valid(ssf_str_c(err.msg)));
		assert_true(strlen(err.msg) > 245);
		ssf_fail(&err, SSF_E_MALFORMED, "missing");
		ssf_fail_prefix(&err, "%s", name);
		assert_true(ssf_utf8_valid(ssf_str_c(err.msg)));
		ssf_fail(&err, SSF_E_MALFORMED, "%.64s: unknown", name);
		assert_true(ssf_utf8_valid(ssf_str_c(err.msg)));
		assert_non_null(strstr(err.msg, ": unknown"));
		ssf_fail(&err, SSF_E_MALFORMED, "%.240s", name);
		ssf_fail_prefix(&err, "a prefix that takes some room");
		assert_true(ssf_utf8_valid(ssf_str_c(err.msg)));
	}
}

static void codes_have_faces(void **state)
{
	static const struct {
		enum ssf_code code;
		int status;
		const char *set_err;
	} cases[] = {
		{ SSF_E_MALFORMED, 400, "invalid_request" },
		{ SSF_E_SIGNATURE, 400, "invalid_key" },
		{ SSF_E_KEY, 400, "invalid_key" },
		{ SSF_E_ISSUER, 400, "invalid_issuer" },
		{ SSF_E_AUDIENCE, 400, "invalid_audience" },
		{ SSF_E_UNAUTHENTICATED, 401, "authentication_failed" },
		{ SSF_E_DENIED, 403, "access_denied" },
		{ SSF_E_SCOPE, 403, NULL },
		{ SSF_E_RATE, 429, NULL },
		{ SSF_E_BUSY, 503, NULL },
		{ SSF_E_INTERNAL, 500, NULL },
		{ (enum ssf_code)999, 500, NULL },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		const struct ssf_code_info *info = ssf_code_info(cases[i].code);
		assert_int_equal(info->http_status, cases[i].status);
		if (cases[i].set_err == NULL)
			assert_null(info->set_err);
		else
			assert_string_equal(info->set_err, cases[i].set_err);
	}
	for (enum ssf_code code = SSF_OK; code <= SSF_E_INTERNAL; code++)
		assert_non_null(ssf_code_info(code)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_and_returns_minus_one),
		cmocka_unit_test(prefix_keeps_code),
		cmocka_unit_test(texts_are_utf8),
		cmocka_unit_test(codes_have_faces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
