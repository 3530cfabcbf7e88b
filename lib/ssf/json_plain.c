/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recursive descent over RFC 8259, as deep as it is told. It must never give a value where jansson
 * would give none or another one: what it is not sure of it does not take.
 */
#include "lib/ssf/json_plain.h"

#include "lib/ssf/attr.h"

#include <stdbool.h>
#include <string.h>

#define DIGITS_MAX 18 /* of an integer: always fits */

struct reader {
	const char *at, *end;
	unsigned depth_left;
};

static json_t *read_value(struct reader *r);

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

/* Whether this character is next; then it is passed. */
static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Behind the opening quote; the text up to the closing one, which is passed. */
static bool read_text(struct reader *r, struct ssf_str *out)
{
	const char *start = r->at;

	while (r->at < r->end && (unsigned char)*r->at >= 0x20 && (unsigned char)*r->at < 0x80 &&
	       *r->at != '"' && *r->at != '\\')
		r->at++;
	*out = (struct ssf_str){ start, (size_t)(r->at - start) };
	if (r->at == r->end || *r->at != '"')
		return false;
	r->at++;
	return true;
}

static json_t *read_object(struct reader *r)
{
	json_auto_t *object = json_object();
	struct ssf_str name;
	size_t members = 0;

	if (object == NULL)
		return NULL;
	if (take(r, '}'))
		return SSF_STEAL(object);
	do {
		if (!take(r, '"') || !read_text(r, &name) || !take(r, ':') ||
		    json_object_setn_new_nocheck(object, name.ptr, name.len, read_value(r)) < 0 ||
		    json_object_size(object) != ++members) /* a member twice */
			return NULL;
	} while (take(r, ','));
	return take(r, '}') ? SSF_STEAL(object) : NULL;
}

static json_t *read_array(struct reader *r)
{
	json_auto_t *array = json_array();

	if (array == NULL)
		return NULL;
	if (take(r, ']'))
		return SSF_STEAL(array);
	do {
		if (json_array_append_new(array, read_value(r)) < 0)
			return NULL;
	} while (take(r, ','));
	return take(r, ']') ? SSF_STEAL(array) : NULL;
}

static json_t *read_nested(struct reader *r, json_t *(*read)(struct reader *r))
{
	json_t *value;

	if (r->depth_left == 0)
		return NULL;
	r->depth_left--;
	r->at++;
	value = read(r);
	r->depth_left++;
	return value;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static json_t *read_integer(struct reader *r)
{
	const char *start = r->at;
	bool negative = *start == '-';
	json_int_t value = 0;
	size_t digits = 0;

	if (negative)
		r->at++;
	for (; r->at < r->end && is_digit(*r->at) && digits < DIGITS_MAX; digits++)
		value = 10 * value + (*r->at++ - '0');
	if (digits == 0 || (digits > 1 && r->at[-(ptrdiff_t)digits] == '0'))
		return NULL;
	/* more digits, or a fraction */
	if (r->at < r->end && (is_digit(*r->at) || *r->at == '.' || *r->at == 'e' || *r->at == 'E'))
		return NULL;
	return json_integer(negative ? -value : value);
}

static json_t *read_literal(struct reader *r, struct ssf_str name, json_t *value)
{
	if ((size_t)(r->end - r->at) < name.len || memcmp(r->at, name.ptr, name.len) != 0)
		return NULL;
	r->at += name.len;
	return value; /* jansson's are never freed */
}

static json_t *read_value(struct reader *r)
{
	struct ssf_str text;

	skip_blanks(r);
	if (r->at == r->end)
		return NULL;
	switch (*r->at) {
	case '{':
		return read_nested(r, read_object);
	case '[':
		return read_nested(r, read_array);
	case '"':
		r->at++;
		return read_text(r, &text) ? json_stringn_nocheck(text.ptr, text.len) : NULL;
	case 't':
		return read_literal(r, SSF_STR("true"), json_true());
	case 'f':
		return read_literal(r, SSF_STR("false"), json_false());
	case 'n':
		return read_literal(r, SSF_STR("null"), json_null());
	default:
		return read_integer(r);
	}
}

json_t *ssf_json_plain(struct ssf_str text, unsigned max_depth)
{
	struct reader r = { text.ptr, text.ptr + text.len, max_depth };
	json_auto_t *value = NULL;

	skip_blanks(&r);
	if (r.at == r.end || (*r.at != '{' && *r.at != '['))
		return NULL;
	value = read_value(&r);
	skip_blanks(&r);
	return r.at == r.end ? SSF_STEAL(value) : NULL;
}
