/* SPDX-License-Identifier: Apache-2.0 */
/* Pure; nothing here allocates but ssf_str_dup(). */
/* SHA256() of OpenSSL 3 looks the digest up at every call, which takes as long as digesting a SET. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "lib/ssf/str.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct ssf_str ssf_str_c(const char *s)
{
	if (s == NULL)
		return SSF_STR("");
	return (struct ssf_str){ s, strlen(s) };
}

bool ssf_str_eq(struct ssf_str a, struct ssf_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool ssf_str_eq_c(struct ssf_str a, const char *b)
{
	return ssf_str_eq(a, ssf_str_c(b));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Not strcasecmp(): that one follows the locale. */
bool ssf_str_ieq_c(struct ssf_str a, const char *b)
{
	struct ssf_str other = ssf_str_c(b);

	if (a.len != other.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.ptr[i]) != lower(other.ptr[i]))
			return false;
	}
	return true;
}

bool ssf_str_has_prefix(struct ssf_str s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && ssf_str_eq_c((struct ssf_str){ s.ptr, len }, prefix);
}

bool ssf_str_has_suffix(struct ssf_str s, const char *suffix)
{
	size_t len = strlen(suffix);

	if (len == 0)
		return true;
	return s.len >= len && ssf_str_eq_c((struct ssf_str){ s.ptr + s.len - len, len }, suffix);
}

/* Length of the UTF-8 character at p, or 0; the table is that of RFC 3629 section 4. */
static size_t utf8_char(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > left)
		return 0;
	switch (p[0]) {
	case 0xe0: low = 0xa0; break;  /* overlong */
	case 0xed: high = 0x9f; break; /* surrogates */
	case 0xf0: low = 0x90; break;  /* overlong */
	case 0xf4: high = 0x8f; break; /* above U+10FFFF */
	default: break;
	}
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

size_t ssf_utf8_prefix(struct ssf_str s)
{
	size_t at = 0;

	while (at < s.len) {
		size_t len = utf8_char((const unsigned char *)s.ptr + at, s.len - at);
		if (len == 0)
			break;
		at += len;
	}
	return at;
}

bool ssf_utf8_valid(struct ssf_str s)
{
	return ssf_utf8_prefix(s) == s.len;
}

char *ssf_str_dup(struct ssf_str s)
{
	char *copy = malloc(s.len + 1);

	if (copy == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

bool ssf_str_eq_secret(struct ssf_str a, struct ssf_str b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct ssf_str ssf_str_trim(struct ssf_str s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

void ssf_hex(const uint8_t *in, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * len] = '\0';
}

int ssf_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ssf_unhex(struct ssf_str in, uint8_t *out, size_t out_len)
{
	if (in.len % 2 != 0 || in.len / 2 != out_len)
		return -1;
	for (size_t i = 0; i < out_len; i++) {
		int high = ssf_hex_value(in.ptr[2 * i]);
		int low = ssf_hex_value(in.ptr[2 * i + 1]);
		if (high < 0 || low < 0)
			return -1;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

void ssf_sha256(struct ssf_str in, uint8_t out[SSF_SHA256_LEN])
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	if (in.len > 0)
		SHA256_Update(&ctx, in.ptr, in.len);
	SHA256_Final(out, &ctx);
	OPENSSL_cleanse(&ctx, sizeof(ctx)); /* it may be of a secret */
}

void ssf_sha256_hex(struct ssf_str in, char out[SSF_SHA256_HEX])
{
	uint8_t digest[SSF_SHA256_LEN];

	ssf_sha256(in, digest);
	ssf_hex(digest, sizeof(digest), out);
}
