/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/oauth/client_assertion.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1800000000

static int check_assertion(const char *text, struct client_assertion *out)
{
	static const char *const audiences[] = { "https://hub", NULL };
	json_t *claims = json_loads(text, 0, NULL);
	struct ssf_err err;
	int r = client_assertion_check(claims, audiences, NOW, out, &err);

	if (r < 0)
		assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	json_decref(claims);
	return r;
}

static void an_assertion_must_have_all_its_claims(void **state)
{
	static const char *const wrong[] = {
		"{\"iss\":\"c\",\"sub\":\"d\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"\",\"sub\":\"\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://else\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":[\"https://hub\",\"https://else\"],\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1799999000,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1800003661,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1800000060}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":1}",
	};
	struct client_assertion a, b;

	(void)state;
	assert_int_equal(check_assertion("{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\","
					 "\"exp\":1800000060,\"jti\":\"1\"}", &a), 0);
	assert_true(a.remember_until >= NOW + 60);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(wrong); i++) {
		if (check_assertion(wrong[i], &b) == 0)
			fail_msg("%s", wrong[i]);
	}
	/* client and jti are digested as a pair: "c1", "1" is not "c", "11" */
	assert_int_equal(check_assertion("{\"iss\":\"c1\",\"sub\":\"c1\",\"aud\":\"https://hub\","
					 "\"exp\":1800000060,\"jti\":\"1\"}", &a), 0);
	assert_int_equal(check_assertion("{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\","
					 "\"exp\":1800000060,\"jti\":\"11\"}", &b), 0);
	assert_memory_not_equal(a.once, b.once, sizeof(a.once));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_assertion_must_have_all_its_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
