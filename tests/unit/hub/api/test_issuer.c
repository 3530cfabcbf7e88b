/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer: which are taken, what URLs are made of one, and how paths are taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "hub/api/issuer.h"

static void urls_are_made_of_it(void **state)
{
	static const struct {
		const char *issuer, *poll, *metadata;
	} cases[] = {
		{ "https://h", "https://h/x", "https://h/.well-known/n" },
		{ "https://h:1/", "https://h:1/x", "https://h:1/.well-known/n" },
		{ "https://h/t", "https://h/t/x", "https://h/.well-known/n/t" },
		{ "https://h/t/u/", "https://h/t/u/x", "https://h/.well-known/n/t/u" },
		{ "https://[::1]:8443/t", "https://[::1]:8443/t/x", "https://[::1]:8443/.well-known/n/t" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct issuer is;
		struct ssf_err err;
		assert_int_equal(issuer_parse(cases[i].issuer, false, &is, &err), 0);
		char *poll = issuer_url(&is, "/x"), *metadata = issuer_well_known(&is, "n");
		assert_string_equal(is.url, cases[i].issuer);
		assert_string_equal(poll, cases[i].poll);
		assert_string_equal(metadata, cases[i].metadata);
		free(poll);
		free(metadata);
		issuer_done(&is);
	}
}

static void others_are_refused(void **state)
{
	static const char *const wrong[] = { "", "h", "http://h", "HTTPS://h", "https://", "https:///x", "https://:1",
					     "https://u@h", "https://h?q", "https://h#f", "https://h/a b",
					     "https://h/\n", "https://h/v1", "https://h/ssf/x", "https://h/streams/", "https://h/in",
					     "https://h/oauth2", "https://h/.well-known", "https://h/a//b", "https://h/a%2fb", "https://h/\"", "https://h/\xc3\xa4" };
	char longest[600] = "https://h/";
	struct issuer is;
	struct ssf_err err;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(wrong); i++) {
		if (issuer_parse(wrong[i], false, &is, &err) == 0)
			fail_msg("%s", wrong[i]);
	}
	memset(longest + 10, 'a', sizeof(longest) - 11);
	assert_int_equal(issuer_parse(longest, false, &is, &err), -1);
	assert_int_equal(issuer_parse("http://localhost:8443", true, &is, &err), 0);
	issuer_done(&is);
	assert_int_equal(issuer_parse("https://h/v1x/v1", false, &is, &err), 0); /* only its first part, and all of it */
	issuer_done(&is);
}

static void paths_are_taken_apart(void **state)
{
	static const struct {
		const char *issuer, *path, *local; /* NULL: not ours */
	} cases[] = {
		{ "https://h", "/ssf/streams", "/ssf/streams" },
		{ "https://h", "/.well-known/n", "/.well-known/n" },
		{ "https://h/", "/.well-known/n", "/.well-known/n" },
		{ "https://h", "/.well-known/n/", NULL },
		{ "https://h", "/.well-known/n/t", NULL },
		{ "https://h/t", "/.well-known/n/t", "/.well-known/n" },
		{ "https://h/t/", "/.well-known/n/t", "/.well-known/n" },
		{ "https://h/t", "/.well-known/n", NULL },
		{ "https://h/t", "/.well-known/n/t/", NULL },
		{ "https://h/t", "/.well-known/n/tt", NULL },
		{ "https://h/t/u", "/.well-known/n/t/u", "/.well-known/n" },
		{ "https://h/t", "/t/ssf/streams", "/ssf/streams" },
		{ "https://h/t", "/ssf/streams", "/ssf/streams" },
		{ "https://h/t", "/tt/ssf", "/tt/ssf" },
		{ "https://h/t", "/t", "/t" },
		{ "https://h/t", "/t/", "/" },
		{ "https://h/t", "/", "/" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_buf local = SSF_BUF(256);
		struct issuer is;
		struct ssf_err err;
		assert_int_equal(issuer_parse(cases[i].issuer, false, &is, &err), 0);
		bool ours = issuer_strip(&is, cases[i].path, &local);
		if (ours != (cases[i].local != NULL) || (ours && strcmp(local.ptr, cases[i].local) != 0))
			fail_msg("%s %s: %s", cases[i].issuer, cases[i].path, ours ? local.ptr : "not ours");
		issuer_done(&is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_made_of_it),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(paths_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
