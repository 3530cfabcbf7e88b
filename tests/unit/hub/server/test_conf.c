/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/conf.h"

#include "lib/kit/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGC(argv) ((int)(sizeof(argv) / sizeof((argv)[0])) - 1)

static char path[] = "/tmp/ssfhub-conf-XXXXXX";

static int set_up(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *text)
{
	struct ssf_err err;

	assert_int_equal(file_write(path, ssf_str_c(text), 0600, &err), 0);
}

static void later_sources_win(void **state)
{
	char *argv[] = { "serve", "--config", path, "--retry-max", "1m", NULL };
	struct conf c;
	struct conf_sources from;
	struct settings_error e;

	(void)state;
	write_file("listen = 127.0.0.1:1\nretry_max = 2m\nmax_streams = 3\n");
	setenv("SSFHUB_RETRY_MAX", "3m", 1);
	setenv("SSFHUB_MAX_STREAMS", "4", 1);
	assert_int_equal(conf_load(&c, &from, ARGC(argv), argv, &e), 0);
	assert_string_equal(c.listen, "127.0.0.1:1");
	assert_int_equal(c.retry_max, 60000);
	assert_int_equal(c.max_streams, 4);
	assert_int_equal(c.retry_min, 500);
	assert_int_equal(from.of[CONF_ROW_listen], SETTINGS_FILE);
	assert_int_equal(from.of[CONF_ROW_retry_max], SETTINGS_OPTION);
	assert_int_equal(from.of[CONF_ROW_max_streams], SETTINGS_ENVIRONMENT);
	assert_int_equal(from.of[CONF_ROW_retry_min], SETTINGS_DEFAULT);
	conf_done(&c);
	unsetenv("SSFHUB_RETRY_MAX");
	unsetenv("SSFHUB_MAX_STREAMS");
	assert_string_equal(argv[1], "--config");
	assert_string_equal(argv[4], "1m");
}

static void errors_have_a_place(void **state)
{
	static const struct {
		const char *file;
		char *option;
		const char *shown; /* after the file's name, where it is one */
	} cases[] = {
		{ "\nretry_max = long\n", "--tls-off",
		  ":2: retry_max: must be a duration such as 250ms, 10s, 5m, 1h, 7d" },
		{ "retry_mx = 1s\n", "--tls-off", ":1: retry_mx: no such setting; did you mean retry_max?" },
		{ "", "--log-level=loud", "option --log-level: must be one of debug|info|warn|error" },
		{ "", "--default-subjects=SOME", "option --default-subjects: must be one of ALL|NONE" },
		{ "", "--processes=65", "option --processes: must be from 1 to 64" },
		{ "", "--max-body=1", "option --max-body: must be from 1k to 64m" },
		{ "", "--retentoin=1d", "option --retentoin: no such setting; did you mean retention?" },
		{ "", "--frobnicate=hunter2", "option --frobnicate: no such setting" },
		{ "", "--retentoin", "option --retentoin: no such setting; did you mean retention?" },
		{ "", "start", "option start: serve takes settings only" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = { "serve", "--config", path, cases[i].option, NULL };
		bool in_file = cases[i].shown[0] == ':';
		struct conf c;
		struct conf_sources from;
		struct settings_error e;
		char text[512];

		write_file(cases[i].file);
		assert_int_equal(conf_load(&c, &from, ARGC(argv), argv, &e), -1);
		settings_error_text(&e, text, sizeof(text));
		assert_string_equal(text + (in_file ? strlen(path) : 0), cases[i].shown);
	}
}

static void a_file_that_does_not_exist_is_an_error(void **state)
{
	char *argv[] = { "serve", "--config=/no/such/file", NULL };
	struct conf c;
	struct conf_sources from;
	struct settings_error e;

	(void)state;
	assert_int_equal(conf_load(&c, &from, ARGC(argv), argv, &e), -1);
	assert_string_equal(e.file, "/no/such/file");
	assert_int_equal(e.line, 0);
	assert_int_equal(e.err.code, SSF_E_NOT_FOUND);
}

static void note_refused(void *arg, const char *name)
{
	char *names = arg;

	snprintf(names, 256, "%s", name);
}

static void a_reload_takes_over_only_what_may_change(void **state)
{
	char *before[] = { "serve", "--log-level", "info", "--max-body", "1m", NULL };
	char *after[] = { "serve", "--log-level", "debug", "--max-body", "2m", NULL };
	struct conf c, fresh;
	struct conf_sources from;
	struct settings_error e;
	char names[256] = "";

	(void)state;
	assert_int_equal(conf_load(&c, &from, ARGC(before), before, &e), 0);
	assert_int_equal(conf_load(&fresh, &from, ARGC(after), after, &e), 0);
	conf_reload(&c, &fresh, note_refused, names);
	conf_done(&fresh);
	assert_string_equal(c.log_level, "debug");
	assert_int_equal(c.max_body, 1 << 20);
	assert_string_equal(names, "max_body");
	conf_done(&c);
}

static void the_database_is_not_printed(void **state)
{
	char *argv[] = { "serve", "--database", "host=db password=hunter2", NULL };
	struct conf c;
	struct conf_sources from;
	struct settings_error e;
	char text[8192] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_int_equal(conf_load(&c, &from, ARGC(argv), argv, &e), 0);
	conf_print(&c, &from, f);
	fclose(f);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "database = ********  # command line, masked\n"));
	assert_non_null(strstr(text, "max_body = 4m  # default\n"));
	assert_non_null(strstr(text, "# issuer is not set\n"));
	conf_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_sources_win),
		cmocka_unit_test(errors_have_a_place),
		cmocka_unit_test(a_file_that_does_not_exist_is_an_error),
		cmocka_unit_test(a_reload_takes_over_only_what_may_change),
		cmocka_unit_test(the_database_is_not_printed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
