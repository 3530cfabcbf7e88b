/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/listen_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void splits_host_and_port(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} cases[] = {
		{ "127.0.0.1:8443", "127.0.0.1", 8443 }, { "[::1]:0", "[::1]", 0 },
		{ "localhost:65535", "localhost", 65535 }, { ":80", "", 80 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct listen_address a;
		struct ssf_err err;

		assert_int_equal(listen_address_parse(cases[i].text, &a, &err), 0);
		assert_true(ssf_str_eq_c(a.host, cases[i].host));
		assert_int_equal(a.port, cases[i].port);
	}
}

static void refuses_everything_else(void **state)
{
	static const char *const cases[] = { "", "localhost", "localhost:", "localhost:http", "x:65536",
					     "x:-1", "x: 1", "x:1 ", "x:000001", "[::1]" };
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct listen_address a;
		struct ssf_err err;

		assert_int_equal(listen_address_parse(cases[i], &a, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	struct listen_address a;
	snprintf(longest, sizeof(longest), "%0*d:1", LISTEN_ADDRESS_MAX - 2, 0);
	assert_int_equal(listen_address_parse(longest, &a, NULL), -1);
}

static void the_port_can_be_replaced(void **state)
{
	struct listen_address a;
	char text[LISTEN_ADDRESS_MAX];

	(void)state;
	assert_int_equal(listen_address_parse("[::1]:0", &a, NULL), 0);
	listen_address_text(&a, 4242, text);
	assert_string_equal(text, "[::1]:4242");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_host_and_port),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(the_port_can_be_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
