/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kit/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct conf {
	char *listen;
	bool tls;
	int64_t workers;
	int64_t timeout;
	int64_t max_body;
	int64_t offset;
};

static const struct setting table[] = {
	{ "listen", SETTING_STRING, offsetof(struct conf, listen), "127.0.0.1:80", 0, 0,
	  "Address and port." },
	{ "tls", SETTING_BOOL, offsetof(struct conf, tls), "on", 0, 0, "Speak TLS." },
	{ "workers", SETTING_INT, offsetof(struct conf, workers), "2", 1, 64, "Threads." },
	{ "timeout", SETTING_DURATION, offsetof(struct conf, timeout), "10s", 0, 0, "Give up." },
	{ "max_body", SETTING_SIZE, offsetof(struct conf, max_body), "1m", 0, 0, "Largest body." },
	{ "offset", SETTING_INT, offsetof(struct conf, offset), NULL, -5, 5, "May be negative." },
	{ NULL, SETTING_STRING, 0, NULL, 0, 0, NULL },
};

static struct conf with_defaults(void)
{
	struct conf c = { 0 };
	struct ssf_err err;

	assert_int_equal(settings_defaults(table, &c, &err), 0);
	return c;
}

static void has_defaults(void **state)
{
	struct conf c = with_defaults();

	(void)state;
	assert_string_equal(c.listen, "127.0.0.1:80");
	assert_true(c.tls);
	assert_int_equal(c.workers, 2);
	assert_int_equal(c.timeout, 10000);
	assert_int_equal(c.max_body, 1024 * 1024);
	assert_int_equal(c.offset, 0);
	settings_done(table, &c);
	assert_null(c.listen);
	settings_done(table, &c);
}

static void converts_values(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		bool good;
		int64_t expected;
	} cases[] = {
		{ "workers", "1", true, 1 },
		{ "workers", "64", true, 64 },
		{ "workers", "0", false, 0 },
		{ "workers", "65", false, 0 },
		{ "workers", "", false, 0 },
		{ "workers", "2k", false, 0 },
		{ "workers", " 2", false, 0 },
		{ "workers", "+2", false, 0 },
		{ "workers", "0x2", false, 0 },
		{ "workers", "2.0", false, 0 },
		{ "offset", "-5", true, -5 },
		{ "offset", "-6", false, 0 },
		{ "offset", "-", false, 0 },
		{ "timeout", "250ms", true, 250 },
		{ "timeout", "0s", true, 0 },
		{ "timeout", "5m", true, 300000 },
		{ "timeout", "1h", true, 3600000 },
		{ "timeout", "7d", true, 604800000 },
		{ "timeout", "10", false, 0 },
		{ "timeout", "1.5s", false, 0 },
		{ "timeout", "-1s", false, 0 },
		{ "timeout", "1 s", false, 0 },
		{ "timeout", "9223372036854775807ms", true, INT64_MAX },
		{ "timeout", "9223372036854775808ms", false, 0 },
		{ "timeout", "9223372036854775807d", false, 0 },
		{ "max_body", "512", true, 512 },
		{ "max_body", "64k", true, 65536 },
		{ "max_body", "2g", true, INT64_C(2) << 30 },
		{ "max_body", "2K", false, 0 },
		{ "max_body", "2kb", false, 0 },
		{ "tls", "on", true, 1 },
		{ "tls", "TRUE", true, 1 },
		{ "tls", "yes", true, 1 },
		{ "tls", "1", true, 1 },
		{ "tls", "off", true, 0 },
		{ "tls", "false", true, 0 },
		{ "tls", "no", true, 0 },
		{ "tls", "0", true, 0 },
		{ "tls", "", false, 0 },
		{ "tls", "2", false, 0 },
		{ "tls", "onn", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf c = with_defaults();
		struct conf before = c;
		struct ssf_err err = { 0 };
		int r = settings_set(table, &c, ssf_str_c(cases[i].name),
				     ssf_str_c(cases[i].value), &err);
		int64_t got = strcmp(cases[i].name, "tls") == 0	      ? c.tls
			      : strcmp(cases[i].name, "workers") == 0 ? c.workers
			      : strcmp(cases[i].name, "offset") == 0  ? c.offset
			      : strcmp(cases[i].name, "timeout") == 0 ? c.timeout
								      : c.max_body;

		if ((r == 0) != cases[i].good || (cases[i].good && got != cases[i].expected))
			fail_msg("%s = %s: %d %s", cases[i].name, cases[i].value, r, err.msg);
		if (!cases[i].good) {
			assert_memory_equal(&c, &before, sizeof(c));
			assert_non_null(strstr(err.msg, cases[i].name));
		}
		settings_done(table, &c);
	}
}

static void refuses_unknown_names_and_control_characters(void **state)
{
	struct conf c = with_defaults();
	struct ssf_err err;

	(void)state;
	assert_int_equal(settings_set(table, &c, SSF_STR("nothing"), SSF_STR("1"), &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	assert_int_equal(settings_set(table, &c, SSF_STR("listen"), SSF_STR("a\0b"), &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	assert_int_equal(settings_set(table, &c, SSF_STR("listen"), SSF_STR("a\x1b"), &err), -1);
	assert_string_equal(c.listen, "127.0.0.1:80");
	settings_done(table, &c);
}

static void parses_files(void **state)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "listen = [::1]:443   # the default is plain\r\n"
				   "  tls=off\n"
				   "\tworkers\t=\t3\t\n"
				   "   # timeout = 1s\n"
				   "listen = 10.0.0.1:80#1";
	struct conf c = with_defaults();
	struct ssf_err err = { 0 };

	(void)state;
	if (settings_parse(table, &c, "hub.conf", SSF_STR(text), &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c.listen, "10.0.0.1:80#1");
	assert_false(c.tls);
	assert_int_equal(c.workers, 3);
	assert_int_equal(c.timeout, 10000);
	assert_int_equal(settings_parse(table, &c, "hub.conf", SSF_STR("listen ="), &err), 0);
	assert_string_equal(c.listen, "");
	settings_done(table, &c);
}

static void says_where_a_file_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *where;
	} cases[] = {
		{ "tls = on\nworkers = many\n", "hub.conf:2" },
		{ "\n\nnothing = 1", "hub.conf:3" },
		{ "tls", "hub.conf:1" },
		{ "[section]\n", "hub.conf:1" },
		{ "= 1", "hub.conf:1" },
		{ "tls on\n", "hub.conf:1" },
	};
	static char large[64 * 1024 + 1];
	struct ssf_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf c = with_defaults();

		assert_int_equal(settings_parse(table, &c, "hub.conf", ssf_str_c(cases[i].text),
						&err),
				 -1);
		assert_non_null(strstr(err.msg, cases[i].where));
		assert_null(strstr(err.msg, "many"));
		settings_done(table, &c);
	}
	struct conf c = { 0 };
	memset(large, '\n', sizeof(large));
	assert_int_equal(settings_parse(table, &c, "f", (struct ssf_str){ large, sizeof(large) - 1 },
					&err),
			 0);
	assert_int_equal(settings_parse(table, &c, "f", (struct ssf_str){ large, sizeof(large) },
					&err),
			 -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
}

static void reads_the_environment(void **state)
{
	struct conf c = with_defaults();
	struct ssf_err err;

	(void)state;
	setenv("KITTEST_MAX_BODY", "2k", 1);
	setenv("KITTEST_OTHER", "ignored", 1);
	assert_int_equal(settings_env(table, &c, "KITTEST", &err), 0);
	assert_int_equal(c.max_body, 2048);
	assert_int_equal(c.workers, 2);
	setenv("KITTEST_WORKERS", "secret", 1);
	assert_int_equal(settings_env(table, &c, "KITTEST", &err), -1);
	assert_non_null(strstr(err.msg, "KITTEST_WORKERS"));
	assert_null(strstr(err.msg, "secret"));
	unsetenv("KITTEST_WORKERS");
	unsetenv("KITTEST_MAX_BODY");
	settings_done(table, &c);
}

static void takes_options_and_leaves_the_rest(void **state)
{
	char *argv[] = { "prog", "--max-body", "3k", "first", "--no-tls", "--help", "--listen=a=b",
			 "--workers=5", "--", "--tls", NULL };
	int argc = 10;
	struct conf c = with_defaults();
	struct ssf_err err;

	(void)state;
	assert_int_equal(settings_args(table, &c, &argc, argv, &err), 0);
	assert_int_equal(argc, 4);
	assert_string_equal(argv[0], "prog");
	assert_string_equal(argv[1], "first");
	assert_string_equal(argv[2], "--help");
	assert_string_equal(argv[3], "--tls");
	assert_null(argv[4]);
	assert_int_equal(c.max_body, 3072);
	assert_false(c.tls);
	assert_string_equal(c.listen, "a=b");
	assert_int_equal(c.workers, 5);
	settings_done(table, &c);
}

static void takes_bool_options(void **state)
{
	static const struct {
		char *arg;
		int result; /* 0 or 1: taken; 2: left; -1: error */
	} cases[] = {
		{ "--tls", 1 },       { "--no-tls", 0 },  { "--tls=off", 0 }, { "--tls=yes", 1 },
		{ "--no-tls=1", 2 },  { "--no-listen", 2 }, { "--tls=", -1 }, { "--tls=maybe", -1 },
		{ "-tls", 2 },        { "--", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = { "prog", cases[i].arg, NULL };
		int argc = 2;
		struct conf c = with_defaults();
		struct ssf_err err = { 0 };
		int r = settings_args(table, &c, &argc, argv, &err);

		assert_int_equal(r, cases[i].result == -1 ? -1 : 0);
		if (r == 0)
			assert_int_equal(argc, cases[i].result == 2 ? 2 : 1);
		if (cases[i].result == 0 || cases[i].result == 1)
			assert_int_equal(c.tls, cases[i].result);
		settings_done(table, &c);
	}
}

static void refuses_options_without_value(void **state)
{
	char *argv[] = { "prog", "--max-body", NULL };
	int argc = 2;
	struct conf c = with_defaults();
	struct ssf_err err;

	(void)state;
	assert_int_equal(settings_args(table, &c, &argc, argv, &err), -1);
	assert_non_null(strstr(err.msg, "--max-body"));
	settings_done(table, &c);
}

static void explains_itself(void **state)
{
	char text[2048] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	settings_help(table, f);
	fclose(f);
	assert_non_null(strstr(text, "--max-body SIZE\n      Largest body. Default: 1m.\n"));
	assert_non_null(strstr(text, "--[no-]tls\n      Speak TLS. Default: on.\n"));
	assert_non_null(strstr(text, "--offset NUMBER\n      May be negative.\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(converts_values),
		cmocka_unit_test(refuses_unknown_names_and_control_characters),
		cmocka_unit_test(parses_files),
		cmocka_unit_test(says_where_a_file_is_wrong),
		cmocka_unit_test(reads_the_environment),
		cmocka_unit_test(takes_options_and_leaves_the_rest),
		cmocka_unit_test(takes_bool_options),
		cmocka_unit_test(refuses_options_without_value),
		cmocka_unit_test(explains_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
