/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: the vectors of RFC 4648 section 10, and everything that strict decoding refuses. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/base64url.h"

#include <string.h>

static const struct {
	const char *plain;
	const char *padded;
	const char *url;
} vectors[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/", "-_-_" },
};

static void vectors_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(vectors); i++) {
		struct ssf_err err;
		ssf_auto_buf out;

		ssf_buf_init(&out, 64);
		assert_int_equal(ssf_base64_encode(ssf_str_c(vectors[i].plain), &out), 0);
		assert_true(ssf_str_eq_c(ssf_buf_str(&out), vectors[i].padded));
		ssf_buf_reset(&out);
		assert_int_equal(ssf_base64url_encode(ssf_str_c(vectors[i].plain), &out), 0);
		assert_true(ssf_str_eq_c(ssf_buf_str(&out), vectors[i].url));
		ssf_buf_reset(&out);
		assert_int_equal(ssf_base64_decode(ssf_str_c(vectors[i].padded), &out, &err), 0);
		assert_true(ssf_str_eq_c(ssf_buf_str(&out), vectors[i].plain));
		ssf_buf_reset(&out);
		assert_int_equal(ssf_base64url_decode(ssf_str_c(vectors[i].url), &out, &err), 0);
		assert_true(ssf_str_eq_c(ssf_buf_str(&out), vectors[i].plain));
	}
}

static void every_byte_survives(void **state)
{
	struct ssf_err err;
	ssf_auto_buf text;
	ssf_auto_buf back;
	char bytes[1600]; /* more than twice what is decoded at once */

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (size_t len = 0; len <= sizeof(bytes); len += len < 256 ? 1 : 7) {
		ssf_buf_init(&text, 2 * sizeof(bytes));
		ssf_buf_init(&back, sizeof(bytes));
		assert_int_equal(ssf_base64url_encode((struct ssf_str){ bytes, len }, &text), 0);
		assert_int_equal(ssf_base64url_decode(ssf_buf_str(&text), &back, &err), 0);
		assert_true(ssf_str_eq(ssf_buf_str(&back), (struct ssf_str){ bytes, len }));
		ssf_buf_done(&text);
		ssf_buf_done(&back);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		bool padded;
	} cases[] = {
		{ "Z", false },        { "Zm9vY", false },   /* no such length */
		{ "Zh", false },       { "Zm9", false },     /* stray bits */
		{ "Zm9_", true },      { "Zm9+", false },    /* the other alphabet */
		{ "Zg==", false },     { "Zm8=", false },    /* padding where none belongs */
		{ "Zg", true },        { "Zm8", true },      /* none where it does */
		{ "Zh==", true },      { "Zm9=", true },
		{ "Zg=", true },       { "Zg===", true },    { "====", true },
		{ "Z===", true },      { "=Zg=", true },     { "Zg==Zg==", true },
		{ "Zm9v\n", false },   { " Zm9v", false },   { "Zm 9v", false },
		{ "Zm9v\n", true },    { "Zm9v\r\nZm9v\r\n", true },
		{ "Zm9v\xc3\xa9", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_str text = ssf_str_c(cases[i].text);
		struct ssf_err err;
		ssf_auto_buf out;

		ssf_buf_init(&out, 64);
		int r = cases[i].padded ? ssf_base64_decode(text, &out, &err) :
					  ssf_base64url_decode(text, &out, &err);
		if (r == 0)
			fail_msg("accepted \"%s\"", cases[i].text);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	struct ssf_err err;
	ssf_auto_buf out;
	ssf_buf_init(&out, 64);
	assert_int_equal(ssf_base64url_decode((struct ssf_str){ "Zm9\0", 4 }, &out, &err), -1);
}

static void respects_the_maximum(void **state)
{
	struct ssf_err err;
	ssf_auto_buf out;

	(void)state;
	ssf_buf_init(&out, 5);
	assert_int_equal(ssf_base64url_decode(SSF_STR("Zm9vYmFy"), &out, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	ssf_buf_reset(&out);
	assert_int_equal(ssf_base64url_encode(SSF_STR("foob"), &out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_both_ways),
		cmocka_unit_test(every_byte_survives),
		cmocka_unit_test(refuses),
		cmocka_unit_test(respects_the_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
