/* SPDX-License-Identifier: Apache-2.0 */
/* Views, buffers, hexadecimal, SHA-256. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/buf.h"

#include <stdlib.h>
#include <string.h>

static void grows_to_its_maximum_and_no_further(void **state)
{
	ssf_auto_buf b;

	(void)state;
	ssf_buf_init(&b, 300);
	for (int i = 0; i < 300; i++)
		assert_int_equal(ssf_buf_addc(&b, 'a'), 0);
	assert_int_equal(b.len, 300);
	assert_int_equal(b.ptr[300], '\0');
	assert_int_equal(ssf_buf_addc(&b, 'b'), -1);
	assert_true(ssf_buf_failed(&b));
	assert_int_equal(b.len, 300);
}

static void stays_failed_until_reset(void **state)
{
	ssf_auto_buf b;

	(void)state;
	ssf_buf_init(&b, 8);
	assert_int_equal(ssf_buf_adds(&b, "123456789"), -1);
	assert_int_equal(ssf_buf_adds(&b, "1"), -1);
	assert_int_equal(ssf_buf_addf(&b, "%d", 1), -1);
	ssf_buf_reset(&b);
	assert_false(ssf_buf_failed(&b));
	assert_int_equal(ssf_buf_adds(&b, "12345678"), 0);
	assert_true(ssf_str_eq_c(ssf_buf_str(&b), "12345678"));
	ssf_buf_reset(&b);
	assert_string_equal(b.ptr, "");
}

static void zeroed_memory_holds_nothing(void **state)
{
	struct ssf_buf b = { 0 };

	(void)state;
	assert_int_equal(ssf_buf_adds(&b, "x"), -1);
	assert_int_equal(ssf_buf_str(&b).len, 0);
	ssf_buf_done(&b);
	ssf_buf_done(&b);
}

static void append_tells_why(void **state)
{
	struct ssf_err err;
	ssf_auto_buf b;

	(void)state;
	ssf_buf_init(&b, 4);
	assert_int_equal(ssf_buf_append(&b, SSF_STR("1234"), &err), 0);
	assert_int_equal(ssf_buf_append(&b, SSF_STR("5"), &err), -1);
	support_assert_err(&err, SSF_E_LIMIT, "4 bytes", "append");
}

static void formats(void **state)
{
	ssf_auto_buf b;

	(void)state;
	ssf_buf_init(&b, 1024);
	assert_int_equal(ssf_buf_addf(&b, "%s-%05d", "ab", 42), 0);
	assert_int_equal(ssf_buf_addf(&b, "%0200d", 7), 0);
	assert_int_equal(b.len, 208);
	assert_int_equal(b.ptr[207], '7');
	assert_int_equal(strlen(b.ptr), 208);
}

static void steals(void **state)
{
	struct ssf_buf b;

	(void)state;
	ssf_buf_init(&b, 16);
	char *empty = ssf_buf_steal(&b);
	assert_string_equal(empty, "");
	free(empty);
	assert_int_equal(ssf_buf_adds(&b, "mine"), 0);
	char *mine = ssf_buf_steal(&b);
	assert_string_equal(mine, "mine");
	free(mine);
	assert_int_equal(b.len, 0);
	assert_int_equal(ssf_buf_adds(&b, "12345678901234567"), -1);
	assert_null(ssf_buf_steal(&b));
	ssf_buf_done(&b);
}

static void compares(void **state)
{
	const struct ssf_str none = { NULL, 0 };

	(void)state;
	assert_true(ssf_str_eq(none, SSF_STR("")));
	assert_true(ssf_str_eq(ssf_str_c(NULL), none));
	assert_false(ssf_str_eq_c(SSF_STR("ab"), "abc"));
	assert_true(ssf_str_ieq_c(SSF_STR("SecEvent+JWT"), "secevent+jwt"));
	assert_false(ssf_str_ieq_c(SSF_STR("secevent+jw"), "secevent+jwt"));
	assert_false(ssf_str_ieq_c(SSF_STR("@"), "`")); /* 32 apart, and no letters */
	assert_true(ssf_str_has_prefix(SSF_STR("acct:x"), "acct:"));
	assert_false(ssf_str_has_prefix(SSF_STR("acc"), "acct:"));
	assert_true(ssf_str_has_prefix(none, ""));
	assert_true(ssf_str_has_suffix(SSF_STR("a.pem"), ".pem"));
	assert_false(ssf_str_has_suffix(SSF_STR("pem"), ".pem"));
	assert_true(ssf_str_has_suffix(none, ""));
	assert_true(ssf_str_eq_secret(SSF_STR("s3cret"), SSF_STR("s3cret")));
	assert_false(ssf_str_eq_secret(SSF_STR("s3cret"), SSF_STR("s3creT")));
	assert_false(ssf_str_eq_secret(SSF_STR("s3cret"), SSF_STR("s3cre")));
	assert_true(ssf_str_eq_secret(none, none));
}

static void copies(void **state)
{
	(void)state;
	ssf_auto_free char *part = ssf_str_dup((struct ssf_str){ "abcdef", 3 });
	assert_string_equal(part, "abc");
	ssf_auto_free char *nothing = ssf_str_dup((struct ssf_str){ NULL, 0 });
	assert_string_equal(nothing, "");
}

static void knows_utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "", true },
		{ "plain", true },
		{ "\xc2\x80 \xdf\xbf", true },
		{ "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true },
		{ "\x80", false },             /* continuation alone */
		{ "\xc0\x80", false },         /* overlong NUL */
		{ "\xc1\xbf", false },         /* overlong */
		{ "\xe0\x9f\xbf", false },     /* overlong */
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xf0\x8f\xbf\xbf", false }, /* overlong */
		{ "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "\xe2\x82", false },         /* cut */
		{ "\xe2\x82x", false },
		{ "\xe2(\xa1", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		if (ssf_utf8_valid(ssf_str_c(cases[i].text)) != cases[i].valid)
			fail_msg("case %zu", i);
	}
}

static void hexadecimal(void **state)
{
	const uint8_t bytes[] = { 0x00, 0x9a, 0xff };
	uint8_t back[3];
	char text[7];

	(void)state;
	ssf_hex(bytes, sizeof(bytes), text);
	assert_string_equal(text, "009aff");
	assert_int_equal(ssf_unhex(SSF_STR("009AfF"), back, 3), 0);
	assert_memory_equal(back, bytes, 3);
	assert_int_equal(ssf_unhex(SSF_STR("009af"), back, 3), -1);
	assert_int_equal(ssf_unhex(SSF_STR("009aff00"), back, 3), -1);
	assert_int_equal(ssf_unhex(SSF_STR("009afg"), back, 3), -1);
	assert_int_equal(ssf_unhex(SSF_STR("00 9af"), back, 3), -1);
	assert_int_equal(ssf_unhex(SSF_STR("0x009a"), back, 3), -1);
}

/* FIPS 180-2 appendix B.1, and the empty message. */
static void sha256(void **state)
{
	char text[SSF_SHA256_HEX];

	(void)state;
	ssf_sha256_hex(SSF_STR("abc"), text);
	assert_string_equal(text,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ssf_sha256_hex((struct ssf_str){ NULL, 0 }, text);
	assert_string_equal(text,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_maximum_and_no_further),
		cmocka_unit_test(stays_failed_until_reset),
		cmocka_unit_test(zeroed_memory_holds_nothing),
		cmocka_unit_test(append_tells_why),
		cmocka_unit_test(formats),
		cmocka_unit_test(steals),
		cmocka_unit_test(compares),
		cmocka_unit_test(copies),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(sha256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
