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
	char *level;
	char *password;
};

static const struct setting table[] = {
	{ .name = "listen", .type = SETTING_STRING, .offset = offsetof(struct conf, listen), .initial = "127.0.0.1:80",
	  .min = 0, .max = 0, .help = "Address and port." },
	{ .name = "tls", .type = SETTING_BOOL, .offset = offsetof(struct conf, tls), .initial = "on",
	  .min = 0, .max = 0, .help = "Speak TLS." },
	{ .name = "workers", .type = SETTING_INT, .offset = offsetof(struct conf, workers), .initial = "2",
	  .min = 1, .max = 64, .help = "Threads." },
	{ .name = "timeout", .type = SETTING_DURATION, .offset = offsetof(struct conf, timeout), .initial = "10s",
	  .min = 0, .max = 0, .help = "Give up." },
	{ .name = "max_body", .type = SETTING_SIZE, .offset = offsetof(struct conf, max_body), .initial = "1m",
	  .min = 0, .max = 0, .help = "Largest body." },
	{ .name = "offset", .type = SETTING_INT, .offset = offsetof(struct conf, offset), .initial = NULL,
	  .min = -5, .max = 5, .help = "May be negative." },
	{ .name = "level", .type = SETTING_CHOICE, .offset = offsetof(struct conf, level),
	  .initial = "low", .choices = "low|high", .flags = SETTING_RELOADABLE, .help = "How much." },
	{ .name = "password", .type = SETTING_STRING, .offset = offsetof(struct conf, password),
	  .flags = SETTING_SECRET, .letter = 'p', .help = "For the door." },
	{ .name = NULL },
};

#define OF(c) (&(const struct settings){ table, &(c), NULL })

static struct conf with_defaults(void)
{
	struct conf c = { 0 };
	struct settings_error e;

	assert_int_equal(settings_defaults(OF(c), &e), 0);
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
	settings_done(OF(c));
	assert_null(c.listen);
	settings_done(OF(c));
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
		struct settings_error e = { .line = 0 };
		int r = settings_set(OF(c), ssf_str_c(cases[i].name),
				     ssf_str_c(cases[i].value), SETTINGS_OPTION, &e);
		int64_t got = strcmp(cases[i].name, "tls") == 0	      ? c.tls
			      : strcmp(cases[i].name, "workers") == 0 ? c.workers
			      : strcmp(cases[i].name, "offset") == 0  ? c.offset
			      : strcmp(cases[i].name, "timeout") == 0 ? c.timeout
								      : c.max_body;

		if ((r == 0) != cases[i].good || (cases[i].good && got != cases[i].expected))
			fail_msg("%s = %s: %d %s", cases[i].name, cases[i].value, r, e.err.msg);
		if (!cases[i].good) {
			assert_memory_equal(&c, &before, sizeof(c));
			assert_string_equal(e.setting, cases[i].name);
		}
		settings_done(OF(c));
	}
}

static void refuses_unknown_names_and_control_characters(void **state)
{
	struct conf c = with_defaults();
	struct settings_error e;

	(void)state;
	assert_int_equal(settings_set(OF(c), SSF_STR("nothing"), SSF_STR("1"),
				      SETTINGS_FILE, &e), -1);
	assert_int_equal(e.err.code, SSF_E_NOT_FOUND);
	assert_int_equal(settings_set(OF(c), SSF_STR("listen"), SSF_STR("a\0b"),
				      SETTINGS_FILE, &e), -1);
	assert_int_equal(e.err.code, SSF_E_MALFORMED);
	assert_int_equal(settings_set(OF(c), SSF_STR("listen"), SSF_STR("a\x1b"),
				      SETTINGS_FILE, &e), -1);
	assert_string_equal(c.listen, "127.0.0.1:80");
	settings_done(OF(c));
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
	struct settings_error e = { .line = 0 };

	(void)state;
	if (settings_parse(OF(c), "hub.conf", SSF_STR(text), &e) < 0)
		fail_msg("%s", e.err.msg);
	assert_string_equal(c.listen, "10.0.0.1:80#1");
	assert_false(c.tls);
	assert_int_equal(c.workers, 3);
	assert_int_equal(c.timeout, 10000);
	assert_int_equal(settings_parse(OF(c), "hub.conf", SSF_STR("listen ="), &e), 0);
	assert_string_equal(c.listen, "");
	settings_done(OF(c));
}

static void an_error_in_a_file_has_file_line_and_setting(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *setting;
		const char *shown;
	} cases[] = {
		{ "tls = on\nworkers = many\n", 2, "workers", "hub.conf:2: workers: must be a number" },
		{ "workers = 99", 1, "workers", "hub.conf:1: workers: must be from 1 to 64" },
		{ "\n\nnothing = 1", 3, "nothing", "hub.conf:3: nothing: no such setting" },
		{ "workrs = 1", 1, "workrs", "hub.conf:1: workrs: no such setting; did you mean workers?" },
		{ "tls", 1, "", "hub.conf:1: not of the form \"key = value\"" },
		{ "[section]\n", 1, "", NULL },
		{ "= 1", 1, "", NULL },
		{ "tls on\n", 1, "", NULL },
		{ "level = loud", 1, "level", "hub.conf:1: level: must be one of low|high" },
	};
	static char large[64 * 1024 + 1];
	struct settings_error e;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf c = with_defaults();

		assert_int_equal(
			settings_parse(OF(c), "hub.conf", ssf_str_c(cases[i].text), &e), -1);
		assert_int_equal(e.source, SETTINGS_FILE);
		assert_string_equal(e.file, "hub.conf");
		assert_int_equal(e.line, cases[i].line);
		assert_string_equal(e.setting, cases[i].setting);
		settings_error_text(&e, text, sizeof(text));
		if (cases[i].shown != NULL)
			assert_string_equal(text, cases[i].shown);
		assert_null(strstr(text, "many"));
		settings_done(OF(c));
	}
	struct conf c = { 0 };
	memset(large, '\n', sizeof(large));
	assert_int_equal(settings_parse(OF(c), "f", (struct ssf_str){ large, sizeof(large) - 1 }, &e),
			 0);
	assert_int_equal(settings_parse(OF(c), "f", (struct ssf_str){ large, sizeof(large) }, &e), -1);
	assert_int_equal(e.err.code, SSF_E_LIMIT);
	settings_error_text(&e, text, sizeof(text));
	assert_string_equal(text, "f: larger than 64 KiB");
}

static void reads_the_environment(void **state)
{
	struct conf c = with_defaults();
	struct settings_error e;

	(void)state;
	setenv("KITTEST_MAX_BODY", "2k", 1);
	setenv("KITTEST_OTHER", "ignored", 1);
	assert_int_equal(settings_env(OF(c), "KITTEST", &e), 0);
	assert_int_equal(c.max_body, 2048);
	assert_int_equal(c.workers, 2);
	setenv("KITTEST_WORKERS", "secret", 1);
	assert_int_equal(settings_env(OF(c), "KITTEST", &e), -1);
	assert_int_equal(e.source, SETTINGS_ENVIRONMENT);
	assert_string_equal(e.setting, "KITTEST_WORKERS");
	assert_null(strstr(e.err.msg, "secret"));
	unsetenv("KITTEST_WORKERS");
	unsetenv("KITTEST_MAX_BODY");
	settings_done(OF(c));
}

static void takes_options_and_leaves_the_rest(void **state)
{
	char *argv[] = { "prog", "--max-body", "3k", "first", "--no-tls", "--help", "--listen=a=b",
			 "--workers=5", "--", "--tls", NULL };
	int argc = 10;
	struct conf c = with_defaults();
	struct settings_error e;

	(void)state;
	assert_int_equal(settings_args(OF(c), &argc, argv, &e), 0);
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
	settings_done(OF(c));
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
		struct settings_error e = { .line = 0 };
		int r = settings_args(OF(c), &argc, argv, &e);

		assert_int_equal(r, cases[i].result == -1 ? -1 : 0);
		if (r == 0)
			assert_int_equal(argc, cases[i].result == 2 ? 2 : 1);
		if (cases[i].result == 0 || cases[i].result == 1)
			assert_int_equal(c.tls, cases[i].result);
		settings_done(OF(c));
	}
}

static void refuses_options_without_value(void **state)
{
	char *argv[] = { "prog", "--max-body", NULL };
	int argc = 2;
	struct conf c = with_defaults();
	struct settings_error e;

	(void)state;
	assert_int_equal(settings_args(OF(c), &argc, argv, &e), -1);
	assert_int_equal(e.source, SETTINGS_OPTION);
	assert_string_equal(e.setting, "--max-body");
	settings_done(OF(c));
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
	assert_non_null(strstr(text, "--level low|high\n      How much. Default: low.\n"));
	assert_non_null(strstr(text, "-p, --password TEXT\n      For the door.\n"));
}

static void short_options_take_the_next_word_or_the_rest_of_their_own(void **state)
{
	char *separate[] = { "prog", "-p", "x", "y", NULL }, *joined[] = { "prog", "-px", "-q", NULL };
	char *alone[] = { "prog", "-p", NULL };
	struct conf c = with_defaults();
	struct settings_error e;
	int argc = 4;

	(void)state;
	assert_int_equal(settings_args(OF(c), &argc, separate, &e), 0);
	assert_int_equal(argc, 2);
	assert_string_equal(c.password, "x");
	argc = 3;
	assert_int_equal(settings_args(OF(c), &argc, joined, &e), 0);
	assert_int_equal(argc, 2);
	assert_string_equal(joined[1], "-q");
	argc = 2;
	assert_int_equal(settings_args(OF(c), &argc, alone, &e), -1);
	assert_string_equal(e.setting, "-p");
	settings_done(OF(c));
}

static void printed_settings_can_be_read_again_and_mask_secrets(void **state)
{
	static const char *const files[] = { "", "workers=7\ntimeout=90s\nmax_body=3m\ntls=off\n" };
	unsigned char sources[16] = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct conf c = with_defaults(), again = { 0 };
		const struct settings s = { table, &c, sources };
		struct settings_error e;
		char text[2048] = "";
		FILE *f = fmemopen(text, sizeof(text), "w");

		assert_int_equal(settings_parse(&s, "f", ssf_str_c(files[i]), &e), 0);
		settings_print(&s, f);
		fclose(f);
		assert_int_equal(settings_parse(OF(again), "f", ssf_str_c(text), &e), 0);
		for (const struct setting *row = table; row->name != NULL; row++)
			assert_true(settings_equal(row, &c, &again));
		settings_done(OF(c));
		settings_done(OF(again));
	}
	struct conf c = with_defaults();
	const struct settings s = { table, &c, sources };
	struct settings_error e;
	char text[2048] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");
	assert_int_equal(settings_set(&s, SSF_STR("password"), SSF_STR("hunter2"), SETTINGS_ENVIRONMENT,
				      &e),
			 0);
	settings_print(&s, f);
	fclose(f);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "password = ********  # environment, masked\n"));
	settings_done(OF(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(converts_values),
		cmocka_unit_test(refuses_unknown_names_and_control_characters),
		cmocka_unit_test(parses_files),
		cmocka_unit_test(an_error_in_a_file_has_file_line_and_setting),
		cmocka_unit_test(reads_the_environment),
		cmocka_unit_test(takes_options_and_leaves_the_rest),
		cmocka_unit_test(takes_bool_options),
		cmocka_unit_test(refuses_options_without_value),
		cmocka_unit_test(explains_itself),
		cmocka_unit_test(short_options_take_the_next_word_or_the_rest_of_their_own),
		cmocka_unit_test(printed_settings_can_be_read_again_and_mask_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
