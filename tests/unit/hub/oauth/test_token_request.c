/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/oauth/token_request.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct ssf_str form_type = SSF_STR("application/x-www-form-urlencoded");

static void credentials_are_found(void **state)
{
	struct token_request r;
	struct ssf_err err;

	(void)state;
	/* id "c:1", secret "p%& +" (both form-encoded before they are put together) */
	assert_int_equal(token_request_parse(SSF_STR("Application/X-www-form-urlencoded ; charset=utf-8"),
					     SSF_STR("basic YyUzQTE6cCUyNSUyNislMkI="),
					     SSF_STR("grant_type=client_credentials&scope=ssf.read"), &r, &err),
			 0);
	assert_int_equal(r.method, CLIENT_SECRET_BASIC);
	assert_string_equal(r.client_id, "c:1");
	assert_string_equal(r.client_secret, "p%& +");
	assert_string_equal(r.scope, "ssf.read");
	token_request_done(&r);
	assert_int_equal(token_request_parse(form_type, SSF_STR(""), SSF_STR("client_id=c&client_secret=s"), &r,
					     &err),
			 0);
	assert_int_equal(r.method, CLIENT_SECRET_POST);
	assert_string_equal(r.client_secret, "s");
	assert_null(r.grant_type);
	token_request_done(&r);
	assert_int_equal(token_request_parse(form_type, SSF_STR(""),
					     SSF_STR("client_assertion=a.b.c&client_assertion_type="
						     "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"),
					     &r, &err),
			 0);
	assert_int_equal(r.method, CLIENT_PRIVATE_KEY_JWT);
	assert_string_equal(r.assertion, "a.b.c");
	assert_null(r.client_id);
	token_request_done(&r);
	assert_int_equal(token_request_parse(form_type, SSF_STR(""), SSF_STR("client_id=c"), &r, &err), 0);
	assert_int_equal(r.method, CLIENT_AUTH_NONE);
	token_request_done(&r);
}

static void malformed_requests_are_refused(void **state)
{
	static const struct {
		const char *type, *authorization, *body;
		enum ssf_code code;
	} cases[] = {
		{ "application/json", "", "{}", SSF_E_MALFORMED },
		{ "", "", "grant_type=x", SSF_E_MALFORMED },
		{ NULL, "", "scope=a&scope=b", SSF_E_MALFORMED },
		{ NULL, "Basic Yzpz", "client_secret=s", SSF_E_MALFORMED },
		{ NULL, "Basic Yzpz", "client_id=other", SSF_E_MALFORMED },
		{ NULL, "Basic Yzpz", "client_assertion=a&client_assertion_type=" TOKEN_REQUEST_ASSERTION,
		  SSF_E_MALFORMED },
		{ NULL, "", "client_secret=s&client_assertion=a&client_assertion_type=" TOKEN_REQUEST_ASSERTION,
		  SSF_E_MALFORMED },
		{ NULL, "", "client_assertion=a", SSF_E_MALFORMED },
		{ NULL, "", "client_assertion_type=" TOKEN_REQUEST_ASSERTION, SSF_E_MALFORMED },
		{ NULL, "", "client_assertion=a&client_assertion_type=saml2-bearer", SSF_E_MALFORMED },
		{ NULL, "Bearer abc", "", SSF_E_UNAUTHENTICATED },
		{ NULL, "Basic", "", SSF_E_UNAUTHENTICATED },
		{ NULL, "Basic !!!!", "", SSF_E_UNAUTHENTICATED },
		{ NULL, "Basic Yw==", "", SSF_E_UNAUTHENTICATED },         /* no colon */
		{ NULL, "Basic YyUwMDpz", "", SSF_E_UNAUTHENTICATED },     /* c%00:s */
		{ NULL, "Basic YyU6cw==", "", SSF_E_UNAUTHENTICATED },     /* c%:s */
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct token_request r;
		struct ssf_err err = { .code = SSF_OK };
		struct ssf_str type = cases[i].type != NULL ? ssf_str_c(cases[i].type) : form_type;
		if (token_request_parse(type, ssf_str_c(cases[i].authorization), ssf_str_c(cases[i].body),
					&r, &err) == 0 ||
		    err.code != cases[i].code)
			fail_msg("%s %s", cases[i].authorization, cases[i].body);
		token_request_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credentials_are_found),
		cmocka_unit_test(malformed_requests_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
