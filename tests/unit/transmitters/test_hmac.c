/* SPDX-License-Identifier: Apache-2.0 */
/* What github/test_webhook.c does not cover: a scheme without a prefix, and many secrets. */
#include "transmitters/hmac.h"

#include "tests/unit/transmitters/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Published by GitHub: the MAC of "Hello, World!". */
#define MAC "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define SECRET "It's a Secret to Everybody"

static const struct hmac_scheme bare = { "X-Acme-Signature", "" };

static int verify(const char *value, const char *first, const char *second, struct ssf_err *err)
{
	const struct test_header headers[] = { { "X-Acme-Signature", ssf_str_c(value) },
					       { .name = NULL } };
	struct adapter_request r = test_request(headers, SSF_STR("Hello, World!"));
	struct adapter_credentials c = { .secrets = { { "secret", ssf_str_c(first) },
						      { "previous_secret", ssf_str_c(second) } },
					 .secret_count = 2 };

	return hmac_verify(&bare, &r, &c, err);
}

static void a_scheme_may_have_no_prefix(void **state)
{
	struct ssf_err err;

	(void)state;
	assert_int_equal(verify(MAC, SECRET, "other", &err), 0);
	assert_int_equal(verify(MAC, "other", SECRET, &err), 0);
	assert_int_equal(verify(MAC, "other", "another", &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	assert_string_equal(err.msg, "X-Acme-Signature: no secret fits");
	assert_int_equal(verify("sha256=" MAC, SECRET, "", &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	assert_string_equal(err.msg, "X-Acme-Signature: missing or malformed");
}

static void no_secret_authenticates_nobody(void **state)
{
	const struct test_header headers[] = { { "X-Acme-Signature", SSF_STR(MAC) },
					       { .name = NULL } };
	struct adapter_request r = test_request(headers, SSF_STR("Hello, World!"));
	struct adapter_credentials none = { .secret_count = 0 };
	struct ssf_err err;

	(void)state;
	assert_int_equal(hmac_verify(&bare, &r, &none, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scheme_may_have_no_prefix),
		cmocka_unit_test(no_secret_authenticates_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
