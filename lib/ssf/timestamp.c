/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes fixed positions of a text of bounded length. Pure; independent of time zone and locale. */
#include "lib/ssf/timestamp.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define FRACTION_MAX 9
#define YEAR_9999_MS 253402300799999 /* its last millisecond */

/* What of a text was not read yet. */
struct rest {
	const char *at;
	size_t len;
};

/* So many digits, as a number from low to high. */
static bool take_number(struct rest *r, size_t digits, int low, int high, int *out)
{
	int n = 0;

	if (r->len < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (r->at[i] < '0' || r->at[i] > '9')
			return false;
		n = n * 10 + (r->at[i] - '0');
	}
	r->at += digits;
	r->len -= digits;
	*out = n;
	return n >= low && n <= high;
}

static bool take_char(struct rest *r, char upper, char lower)
{
	if (r->len == 0 || (r->at[0] != upper && r->at[0] != lower))
		return false;
	r->at++;
	r->len--;
	return true;
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Since 1970. */
static bool take_date(struct rest *r, int64_t *days)
{
	int year, month, day;

	if (!take_number(r, 4, 1970, 9999, &year) || !take_char(r, '-', '-') ||
	    !take_number(r, 2, 1, 12, &month) || !take_char(r, '-', '-') ||
	    !take_number(r, 2, 1, days_of(year, month), &day))
		return false;
	*days = day - 1;
	for (int y = 1970; y < year; y++)
		*days += 365 + is_leap(y);
	for (int m = 1; m < month; m++)
		*days += days_of(year, m);
	return true;
}

static bool take_clock(struct rest *r, int64_t *s)
{
	int hour, minute, second;

	if (!take_number(r, 2, 0, 23, &hour) || !take_char(r, ':', ':') ||
	    !take_number(r, 2, 0, 59, &minute) || !take_char(r, ':', ':') ||
	    !take_number(r, 2, 0, 60, &second))
		return false;
	*s = hour * 3600 + minute * 60 + second;
	return true;
}

static bool take_fraction(struct rest *r, int64_t *ms)
{
	int digit, scale = 100;

	*ms = 0;
	if (!take_char(r, '.', '.'))
		return true;
	if (!take_number(r, 1, 0, 9, &digit))
		return false;
	for (int i = 0; i < FRACTION_MAX; i++) {
		*ms += digit * scale;
		scale /= 10;
		if (!take_number(r, 1, 0, 9, &digit))
			return true;
	}
	return false;
}

/* How far the clock is ahead of UTC. */
static bool take_offset(struct rest *r, int64_t *s)
{
	bool ahead = r->len > 0 && r->at[0] == '+';
	int hour, minute;

	*s = 0;
	if (take_char(r, 'Z', 'z'))
		return true;
	if (!take_char(r, '+', '-') || !take_number(r, 2, 0, 23, &hour) || !take_char(r, ':', ':') ||
	    !take_number(r, 2, 0, 59, &minute))
		return false;
	*s = (ahead ? 1 : -1) * (hour * 3600 + minute * 60);
	return true;
}

int ssf_timestamp_parse(struct ssf_str text, int64_t *ms, struct ssf_err *err)
{
	struct rest r = { text.ptr, text.len };
	int64_t days, s, fraction, ahead;

	if (!take_date(&r, &days) || !take_char(&r, 'T', 't') || !take_clock(&r, &s) ||
	    !take_fraction(&r, &fraction) || !take_offset(&r, &ahead) || r.len != 0)
		return ssf_fail(err, SSF_E_MALFORMED, "not a time like 2026-11-25T04:00:00Z");
	s += days * 86400 - ahead;
	if (s < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "before 1970");
	*ms = s * 1000 + fraction;
	return 0;
}

/* To the second, without the end; its length, or 0. */
static size_t date_and_clock(int64_t ms, char out[SSF_TIMESTAMP_LEN])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	out[0] = '\0';
	if (ms < 0 || ms > YEAR_9999_MS || gmtime_r(&s, &tm) == NULL)
		return 0;
	return strftime(out, SSF_TIMESTAMP_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
}

void ssf_timestamp_text(int64_t ms, char out[SSF_TIMESTAMP_LEN])
{
	size_t len = date_and_clock(ms, out);

	if (len > 0)
		snprintf(out + len, SSF_TIMESTAMP_LEN - len, "Z");
}

void ssf_timestamp_text_ms(int64_t ms, char out[SSF_TIMESTAMP_LEN])
{
	size_t len = date_and_clock(ms, out);

	if (len > 0)
		snprintf(out + len, SSF_TIMESTAMP_LEN - len, ".%03uZ", (unsigned)(ms % 1000));
}
