/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339: what is a time and which, and what is none. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/timestamp.h"

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1985-04-12T23:20:50.52Z", 482196050520 }, /* RFC 3339 section 5.8 */
		{ "1996-12-19T16:39:57-08:00", 851042397000 },
		{ "1996-12-20T00:39:57Z", 851042397000 },
		{ "1990-12-31T23:59:60Z", 662688000000 },
		{ "1990-12-31T15:59:60-08:00", 662688000000 },
		{ "2000-02-29T12:00:00.999999999Z", 951825600999 },
		{ "2024-02-29t12:00:00z", 1709208000000 },
		{ "2026-11-25T04:00:00.5+02:00", 1795572000500 },
		{ "9999-12-31T23:59:59Z", 253402300799000 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err = { 0 };
		int64_t ms = -1;
		if (ssf_timestamp_parse(ssf_str_c(cases[i].text), &ms, &err) < 0 || ms != cases[i].ms)
			fail_msg("%s: %lld %s", cases[i].text, (long long)ms, err.msg);
	}
}

static void no_times(void **state)
{
	static const char *const cases[] = {
		"", "now", "2026", "1234567", "2026-11-25", "2026-11-25T04:00:00", "2026-11-25 04:00:00Z",
		"2026-11-25T04:00Z", "2026-11-25T04:00:00Z ", " 2026-11-25T04:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-11-25T24:00:00Z", "2026-11-25T04:60:00Z", "2026-11-25T04:00:61Z", "2026-11-25T04:00:00.Z",
		"2026-11-25T04:00:00.0123456789Z", "2026-11-25T04:00:00+0200", "2026-11-25T04:00:00+24:00",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "10000-01-01T00:00:00Z",
		"+026-11-25T04:00:00Z", "2026-11-25T-4:00:00Z",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		int64_t ms = -1;
		if (ssf_timestamp_parse(ssf_str_c(cases[i]), &ms, &err) == 0)
			fail_msg("taken: %s", cases[i]);
		assert_int_equal(err.code, SSF_E_MALFORMED);
		assert_int_equal(ms, -1);
	}
}

static void texts(void **state)
{
	static const struct {
		int64_t ms;
		const char *text, *text_ms;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z" },
		{ 482196050520, "1985-04-12T23:20:50Z", "1985-04-12T23:20:50.520Z" },
		{ 253402300799999, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z" },
		{ 253402300800000, "", "" },
		{ INT64_MAX, "", "" },
		{ -1, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		char text[SSF_TIMESTAMP_LEN];
		ssf_timestamp_text(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
		ssf_timestamp_text_ms(cases[i].ms, text);
		assert_string_equal(text, cases[i].text_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(no_times),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
