/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/field.h"

#include <string.h>

#define LENGTH_DIGITS 18 /* fit into a size_t */
#define CHUNK_DIGITS 15

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_token_char(char c)
{
	char lower = (char)(c | 0x20);

	return is_digit(c) || (lower >= 'a' && lower <= 'z') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_is_token(struct ssf_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char(s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

bool http_is_field_value(struct ssf_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int http_field_parse(struct ssf_str line, struct ssf_str *name, struct ssf_str *value, struct ssf_err *err)
{
	const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
	size_t n = colon != NULL ? (size_t)(colon - line.ptr) : 0;

	*name = (struct ssf_str){ line.ptr, n };
	if (!http_is_token(*name))
		return ssf_fail(err, SSF_E_MALFORMED, "header: not of the form \"name: value\"");
	*value = ssf_str_trim((struct ssf_str){ colon + 1, line.len - n - 1 });
	if (!http_is_field_value(*value))
		return ssf_fail(err, SSF_E_MALFORMED, "header: a control character in a value");
	return 0;
}

bool http_list_has(struct ssf_str value, const char *token)
{
	while (value.len > 0) {
		const char *comma = memchr(value.ptr, ',', value.len);
		size_t n = comma != NULL ? (size_t)(comma - value.ptr) : value.len;

		if (ssf_str_ieq_c(ssf_str_trim((struct ssf_str){ value.ptr, n }), token))
			return true;
		n += comma != NULL;
		value = (struct ssf_str){ value.ptr + n, value.len - n };
	}
	return false;
}

int http_content_length_parse(struct ssf_str value, size_t *out, struct ssf_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return ssf_fail(err, SSF_E_MALFORMED, "Content-Length: not a number");
		if (i < LENGTH_DIGITS)
			n = n * 10 + (size_t)(value.ptr[i] - '0');
	}
	if (value.len == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Length: not a number");
	if (value.len > LENGTH_DIGITS)
		return ssf_fail(err, SSF_E_LIMIT, "Content-Length: too large");
	*out = n;
	return 0;
}

int http_chunk_size_parse(struct ssf_str line, size_t *out, struct ssf_err *err)
{
	size_t size = 0, i = 0;

	for (; i < line.len && ssf_hex_value(line.ptr[i]) >= 0; i++) {
		if (i == CHUNK_DIGITS)
			return ssf_fail(err, SSF_E_MALFORMED, "chunk: a size with too many digits");
		size = size * 16 + (size_t)ssf_hex_value(line.ptr[i]);
	}
	if (i == 0 || (i < line.len && line.ptr[i] != ';') || (size == 0 && i > 1))
		return ssf_fail(err, SSF_E_MALFORMED, "chunk: not a size");
	if (!http_is_field_value((struct ssf_str){ line.ptr + i, line.len - i }))
		return ssf_fail(err, SSF_E_MALFORMED, "chunk: a control character in an extension");
	*out = size;
	return 0;
}
