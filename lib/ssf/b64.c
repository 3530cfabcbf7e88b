/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 in both alphabets. Decoding is strict, so that one byte sequence has
 * one text: a token cannot be respelled and still verify.
 */
#include "lib/ssf/b64.h"

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

int ssf_b64url_encode(struct ssf_str in, struct ssf_buf *out)
{
	return encode(&url, in, out);
}

int ssf_b64_encode(struct ssf_str in, struct ssf_buf *out)
{
	return encode(&std, in, out);
}

static int value_of(const struct alphabet *a, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == a->c62)
		return 62;
	return c == a->c63 ? 63 : -1;
}

/* Decodes 2 to 4 characters to one byte less. Returns -1 on a foreign character or stray bits. */
static int decode_group(const struct alphabet *a, const char *text, size_t len,
			unsigned char bytes[3])
{
	unsigned group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < len ? value_of(a, text[i]) : 0;
		if (value < 0)
			return -1;
		group = group << 6 | (unsigned)value;
	}
	bytes[0] = (unsigned char)(group >> 16);
	bytes[1] = (unsigned char)(group >> 8);
	bytes[2] = (unsigned char)group;
	for (size_t i = len - 1; i < 3; i++) {
		if (bytes[i] != 0)
			return -1;
	}
	return 0;
}

/* in is without padding. */
static int decode(const struct alphabet *a, struct ssf_str in, struct ssf_buf *out,
		  struct ssf_err *err)
{
	if (in.len % 4 == 1)
		return ssf_fail(err, SSF_E_MALFORMED, "base64: impossible length");
	for (size_t i = 0; i < in.len; i += 4) {
		size_t len = in.len - i < 4 ? in.len - i : 4;
		unsigned char bytes[3];
		if (decode_group(a, in.ptr + i, len, bytes) < 0)
			return ssf_fail(err, SSF_E_MALFORMED, "base64: bad character or bits");
		if (ssf_buf_append(out, (struct ssf_str){ (char *)bytes, len - 1 }, err) < 0)
			return -1;
	}
	return 0;
}

int ssf_b64url_decode(struct ssf_str in, struct ssf_buf *out, struct ssf_err *err)
{
	return decode(&url, in, out, err);
}

int ssf_b64_decode(struct ssf_str in, struct ssf_buf *out, struct ssf_err *err)
{
	if (in.len % 4 != 0)
		return ssf_fail(err, SSF_E_MALFORMED, "base64: padding");
	for (int i = 0; i < 2 && in.len > 0 && in.ptr[in.len - 1] == '='; i++)
		in.len--;
	return decode(&std, in, out, err);
}
