/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry looks like, and that secrets and identifiers do not show in it. */
#include "lib/kit/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr = -1;
static int capture_fd = -1;
static char captured[65536];

static int start_capture(void **state)
{
	char path[] = "/tmp/test_log.XXXXXX";

	(void)state;
	capture_fd = mkstemp(path);
	unlink(path);
	saved_stderr = dup(STDERR_FILENO);
	dup2(capture_fd, STDERR_FILENO);
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static int stop_capture(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(capture_fd);
	return 0;
}

/* All that was logged since the last call. */
static const char *logged(void)
{
	ssize_t n = pread(capture_fd, captured, sizeof(captured) - 1, 0);

	captured[n > 0 ? n : 0] = '\0';
	if (ftruncate(capture_fd, 0) != 0 || lseek(capture_fd, 0, SEEK_SET) != 0)
		fail();
	return captured;
}

/* The value of " key=" in the last lines, up to the next blank. */
static void field(const char *line, const char *key, char out[64])
{
	const char *p = strstr(line, key);

	assert_non_null(p);
	p += strlen(key);
	snprintf(out, 64, "%.*s", (int)strcspn(p, " \n"), p);
}

static void shows_time_level_event_and_fields(void **state)
{
	int year, month, day, hour, minute, second, ms, end = 0;

	(void)state;
	log_info("stream.push.settled", log_int("attempt", -3), log_str("state", "done"));
	const char *line = logged();
	assert_int_equal(sscanf(line, "time=%d-%d-%dT%d:%d:%d.%dZ%n", &year, &month, &day, &hour,
				&minute, &second, &ms, &end),
			 7);
	assert_true(year >= 2024);
	assert_string_equal(line + end,
			    " level=info event=stream.push.settled attempt=-3 state=done\n");
}

static void works_without_fields(void **state)
{
	(void)state;
	log_warn("alone");
	assert_non_null(strstr(logged(), " level=warn event=alone\n"));
}

static void quotes_and_escapes(void **state)
{
	static const struct {
		const char *value;
		const char *shown;
	} cases[] = {
		{ "plain-1.2/3:4", " v=plain-1.2/3:4\n" },
		{ "", " v=\"\"\n" },
		{ NULL, " v=\"\"\n" },
		{ "two words", " v=\"two words\"\n" },
		{ "a=b", " v=\"a=b\"\n" },
		{ "say \"hi\" \\", " v=\"say \\\"hi\\\" \\\\\"\n" },
		{ "x\nlevel=error event=forged", " v=\"x\\nlevel=error event=forged\"\n" },
		{ "a\r\tb", " v=\"a\\r\\tb\"\n" },
		{ "\x1b[31mred\x7f", " v=\"\\x1b[31mred\\x7f\"\n" },
		{ "\xc3\xa9", " v=\"\\xc3\\xa9\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_info("e", log_str("v", cases[i].value));
		const char *line = logged();
		assert_non_null(strstr(line, cases[i].shown));
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	}
}

static void cuts_long_values(void **state)
{
	char value[1001];
	char shown[300];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_info("e", log_str("v", value));
	snprintf(shown, sizeof(shown), " v=\"%.256s...\"\n", value);
	assert_non_null(strstr(logged(), shown));
}

static void keeps_the_line_in_one_write(void **state)
{
	struct log_field fields[40];
	char value[257];

	(void)state;
	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < 40; i++)
		fields[i] = log_str("long", value);
	fields[39] = log_int("last", 7);
	log_emit(LOG_LEVEL_INFO, "e", fields, 40);
	const char *line = logged();
	assert_true(strlen(line) <= 4096);
	assert_non_null(strstr(line, " last=7 dropped="));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void hides_secrets(void **state)
{
	char shown[64];

	(void)state;
	log_error("e", log_secret("token", SSF_STR("hunter2-hunter2")));
	const char *line = logged();
	assert_null(strstr(line, "hunter2"));
	field(line, " token=", shown);
	assert_int_equal(strlen(shown), strlen("15:01234567"));
	assert_memory_equal(shown, "15:", 3);
}

static void hides_identifiers_but_correlates_them(void **state)
{
	char a[64], b[64], c[64];

	(void)state;
	log_info("e", log_id("a", "alice@example.com"), log_id("b", "alice@example.com"),
		 log_id("c", "bob@example.com"), log_id("d", NULL));
	const char *line = logged();
	assert_null(strstr(line, "alice"));
	field(line, " a=", a);
	field(line, " b=", b);
	field(line, " c=", c);
	assert_int_equal(strlen(a), 12);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_non_null(strstr(line, " d=-\n"));
}

static void shows_errors(void **state)
{
	struct ssf_err err = { 0 };

	(void)state;
	ssf_fail(&err, SSF_E_LIMIT, "body: too large");
	log_error("e", log_why(&err));
	assert_non_null(strstr(logged(), " error=\"body: too large\"\n"));
}

static void respects_the_level(void **state)
{
	enum log_level level;

	(void)state;
	log_debug("hidden");
	assert_string_equal(logged(), "");
	assert_int_equal(log_level_parse("debug", &level), 0);
	log_set_level(level);
	log_debug("visible");
	assert_non_null(strstr(logged(), "visible"));
	assert_int_equal(log_level_parse("error", &level), 0);
	log_set_level(level);
	log_warn("hidden");
	assert_string_equal(logged(), "");
	assert_int_equal(log_level_parse("loud", &level), -1);
	assert_int_equal(log_level_parse("", &level), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shows_time_level_event_and_fields, start_capture,
						stop_capture),
		cmocka_unit_test_setup_teardown(works_without_fields, start_capture, stop_capture),
		cmocka_unit_test_setup_teardown(quotes_and_escapes, start_capture, stop_capture),
		cmocka_unit_test_setup_teardown(cuts_long_values, start_capture, stop_capture),
		cmocka_unit_test_setup_teardown(keeps_the_line_in_one_write, start_capture,
						stop_capture),
		cmocka_unit_test_setup_teardown(hides_secrets, start_capture, stop_capture),
		cmocka_unit_test_setup_teardown(hides_identifiers_but_correlates_them,
						start_capture, stop_capture),
		cmocka_unit_test_setup_teardown(shows_errors, start_capture, stop_capture),
		cmocka_unit_test_setup_teardown(respects_the_level, start_capture, stop_capture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
