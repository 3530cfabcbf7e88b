/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 in both alphabets. Decoding is strict, so that one byte sequence has
 * one text: a token cannot be respelled and still verify.
 */
#include "lib/ssf/base64url.h"

#include <sys/types.h>

#define GROUPS 256 /* decoded before they are appended */

struct alphabet {
	char c62;
	char c63;
	bool padded;
};

static const struct alphabet url = { '-', '_', false };
static const struct alphabet std = { '+', '/', true };

static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char digit(const struct alphabet *a, unsigned value)
{
	value &= 63;
	if (value == 62)
		return a->c62;
	return value == 63 ? a->c63 : common[value];
}

/* The last one or two bytes. */
static int encode_rest(const struct alphabet *a, const unsigned char *bytes, size_t left,
		       struct ssf_buf *out)
{
	unsigned group = (unsigned)bytes[0] << 16 | (left > 1 ? (unsigned)bytes[1] << 8 : 0);
	const char text[4] = {
		digit(a, group >> 18),
		digit(a, group >> 12),
		left > 1 ? digit(a, group >> 6) : '=',
		'=',
	};

	return ssf_buf_add(out, text, a->padded ? 4 : left + 1);
}

#define CHUNK 192 /* bytes that are added at once; a multiple of three */

static int encode(const struct alphabet *a, struct ssf_str in, struct ssf_buf *out)
{
	const unsigned char *bytes = (const unsigned char *)in.ptr;
	size_t left = in.len;

	if (ssf_buf_reserve(out, in.len / 3 * 4) < 0)
		return -1;
	while (left >= 3) {
		char text[CHUNK / 3 * 4];
		size_t len = 0;
		for (; left >= 3 && len < sizeof(text); left -= 3, bytes += 3) {
			unsigned group = (unsigned)bytes[0] << 16 | (unsigned)bytes[1] << 8 | bytes[2];
			text[len++] = digit(a, group >> 18);
			text[len++] = digit(a, group >> 12);
			text[len++] = digit(a, group >> 6);
			text[len++] = digit(a, group);
		}
		if (ssf_buf_add(out, text, len) < 0)
			return -1;
	}
	return left > 0 ? encode_rest(a, bytes, left, out) : 0;
}

int ssf_base64url_encode(struct ssf_str in, struct ssf_buf *out)
{
	return encode(&url, in, out);
}

int ssf_base64_encode(struct ssf_str in, struct ssf_buf *out)
{
	return encode(&std, in, out);
}

/* Values plus one; 0: not in the alphabet. */
#define COMMON_VALUES \
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, \
	['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, \
	['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, \
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, \
	['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, \
	['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, \
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, \
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

static const unsigned char url_values[256] = { COMMON_VALUES, ['-'] = 63, ['_'] = 64 };
static const unsigned char std_values[256] = { COMMON_VALUES, ['+'] = 63, ['/'] = 64 };

static int value_of(const unsigned char values[256], char c)
{
	return values[(unsigned char)c] - 1;
}

/* The last two or three characters, to one byte less. -1: a foreign character or stray bits. */
static ssize_t decode_rest(const unsigned char values[256], const char *text, size_t len,
			   unsigned char *bytes)
{
	int v[3] = { value_of(values, text[0]), value_of(values, text[1]),
		     len > 2 ? value_of(values, text[2]) : 0 };

	if ((v[0] | v[1] | v[2]) < 0 || (len > 2 ? v[2] & 3 : v[1] & 15) != 0)
		return -1;
	bytes[0] = (unsigned char)(v[0] << 2 | v[1] >> 4);
	bytes[1] = (unsigned char)(v[1] << 4 | v[2] >> 2);
	return (ssize_t)len - 1;
}

/* Whole groups of four, as many as fit; gives how many bytes there are, or -1. */
static ssize_t decode_groups(const unsigned char values[256], const char *text, size_t groups,
			     unsigned char *bytes)
{
	for (size_t i = 0; i < groups; i++, text += 4, bytes += 3) {
		int v[4] = { value_of(values, text[0]), value_of(values, text[1]),
			     value_of(values, text[2]), value_of(values, text[3]) };
		if ((v[0] | v[1] | v[2] | v[3]) < 0)
			return -1;
		bytes[0] = (unsigned char)(v[0] << 2 | v[1] >> 4);
		bytes[1] = (unsigned char)(v[1] << 4 | v[2] >> 2);
		bytes[2] = (unsigned char)(v[2] << 6 | v[3]);
	}
	return (ssize_t)(3 * groups);
}

/* in is without padding. */
static int decode(const unsigned char values[256], struct ssf_str in, struct ssf_buf *out,
		  struct ssf_err *err)
{
	if (in.len % 4 == 1)
		return ssf_fail(err, SSF_E_MALFORMED, "base64: impossible length");
	while (in.len > 0) {
		unsigned char bytes[3 * GROUPS];
		size_t groups = in.len / 4 < GROUPS ? in.len / 4 : GROUPS, used = 4 * groups;
		ssize_t n = decode_groups(values, in.ptr, groups, bytes);
		if (groups == 0) {
			used = in.len;
			n = decode_rest(values, in.ptr, used, bytes);
		}
		if (n < 0)
			return ssf_fail(err, SSF_E_MALFORMED, "base64: bad character or bits");
		if (ssf_buf_append(out, (struct ssf_str){ (char *)bytes, (size_t)n }, err) < 0)
			return -1;
		in.ptr += used;
		in.len -= used;
	}
	return 0;
}

int ssf_base64url_decode(struct ssf_str in, struct ssf_buf *out, struct ssf_err *err)
{
	return decode(url_values, in, out, err);
}

int ssf_base64_decode(struct ssf_str in, struct ssf_buf *out, struct ssf_err *err)
{
	if (in.len % 4 != 0)
		return ssf_fail(err, SSF_E_MALFORMED, "base64: padding");
	for (int i = 0; i < 2 && in.len > 0 && in.ptr[in.len - 1] == '='; i++)
		in.len--;
	return decode(std_values, in, out, err);
}
