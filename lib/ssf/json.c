/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from outside. jansson does the parsing of what is not plain (json_plain.h); this file bounds what
 * reaches it and turns its errors into ours without quoting the input.
 */
#include "lib/ssf/json.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/json_plain.h"
#include "lib/ssf/json_text.h"

#include <string.h>

#define CANONICAL_USUAL 500 /* bytes */
#define WEIGHT_OF_VALUE 64 /* what malloc and jansson need for it besides its text */

const struct ssf_json_limits ssf_json_default = { .max_bytes = 1024 * 1024, .max_depth = 32 };

/* The index after the string that opens at text[at], or len if it never closes. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
	for (at++; at < len; at++) {
		if (text[at] == '\\')
			at++;
		else if (text[at] == '"')
			return at + 1;
	}
	return len;
}

/* jansson recurses once per level: the stack is ours to protect. */
static bool too_deep(struct ssf_str text, unsigned max_depth)
{
	unsigned depth = 0;

	for (size_t i = 0; i < text.len;) {
		char c = text.ptr[i];
		if (c == '"') {
			i = skip_string(text.ptr, text.len, i);
			continue;
		}
		if ((c == '{' || c == '[') && ++depth > max_depth)
			return true;
		if ((c == '}' || c == ']') && depth > 0)
			depth--;
		i++;
	}
	return false;
}

static const char *complaint(enum json_error_code code)
{
	switch (code) {
	case json_error_duplicate_key:
		return "a member appears twice";
	case json_error_invalid_utf8:
		return "not UTF-8";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "a string contains NUL";
	case json_error_numeric_overflow:
		return "a number is too large";
	case json_error_premature_end_of_input:
		return "ends too early";
	case json_error_end_of_input_expected:
		return "text after the end";
	default:
		return "not JSON";
	}
}

int ssf_json_parse_at(struct ssf_str text, const struct ssf_json_limits *limits, json_t **out,
		      unsigned *line, unsigned *column, struct ssf_err *err)
{
	json_error_t je;

	*line = *column = 0;
	if (text.len > limits->max_bytes)
		return ssf_fail(err, SSF_E_LIMIT, "larger than %zu bytes", limits->max_bytes);
	if (text.len == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "empty");
	json_t *value = ssf_json_plain(text, limits->max_depth);
	if (value == NULL && too_deep(text, limits->max_depth))
		return ssf_fail(err, SSF_E_LIMIT, "nested deeper than %u", limits->max_depth);
	if (value == NULL)
		value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &je);
	if (value == NULL) {
		enum json_error_code code = json_error_code(&je);
		if (code == json_error_out_of_memory)
			return ssf_fail(err, SSF_E_NOMEM, "out of memory");
		/* jansson counts the characters that it has read of a line: at its start, none */
		*line = je.line > 0 ? (unsigned)je.line : 1;
		*column = je.column > 0 ? (unsigned)je.column : 1;
		return ssf_fail(err, SSF_E_MALFORMED, "%s", complaint(code));
	}
	*out = value;
	return 0;
}

int ssf_json_parse(struct ssf_str text, const struct ssf_json_limits *limits, json_t **out,
		   struct ssf_err *err)
{
	unsigned line, column;

	if (ssf_json_parse_at(text, limits, out, &line, &column, err) == 0)
		return 0;
	if (line == 0)
		return ssf_fail_prefix(err, "JSON");
	return ssf_fail_prefix(err, "JSON: line %u column %u", line, column);
}

/* The index after the comment that opens at text[at], or at if none does or it never closes. */
static size_t skip_comment(const char *text, size_t len, size_t at)
{
	if (len - at < 2 || text[at] != '/')
		return at;
	if (text[at + 1] == '/') {
		const char *end = memchr(text + at, '\n', len - at);
		return end == NULL ? len : (size_t)(end - text);
	}
	if (text[at + 1] != '*')
		return at;
	const char *end = memmem(text + at + 2, len - at - 2, "*/", 2);
	return end == NULL ? at : (size_t)(end - text) + 2;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void blank(char *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (text[i] != '\n' && text[i] != '\r')
			text[i] = ' ';
	}
}

void ssf_json_strip_comments(char *text, size_t len)
{
	char last = '[';  /* the last character that is neither space nor comment */
	size_t comma = 0; /* where it is, when it is a comma behind a value */

	for (size_t i = 0; i < len;) {
		size_t after = skip_comment(text, len, i);
		if (after > i) {
			blank(text, i, after);
			i = after;
			continue;
		}
		char c = text[i];
		if (is_space(c)) {
			i++;
			continue;
		}
		if (c == '/' && i + 1 < len && text[i + 1] == '*')
			return;
		if (c == ',')
			comma = strchr("[{,:", last) == NULL ? i : len;
		if ((c == '}' || c == ']') && last == ',' && comma < len)
			text[comma] = ' ';
		last = c;
		i = c == '"' ? skip_string(text, len, i) : i + 1;
	}
}

/* A position in a text on the way down a pointer. */
struct scan {
	const char *text;
	size_t len;
	size_t at;
};

static char peek(struct scan *s)
{
	while (s->at < s->len && is_space(s->text[s->at]))
		s->at++;
	return s->at < s->len ? s->text[s->at] : '\0';
}

static bool accept(struct scan *s, char c)
{
	if (peek(s) != c)
		return false;
	s->at++;
	return true;
}

/* Steps over one value, whatever it is: brackets are known to match. */
static void skip_value(struct scan *s)
{
	size_t depth = 0;

	peek(s);
	while (s->at < s->len) {
		char c = s->text[s->at];
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			return;
		if (c == '{' || c == '[')
			depth++;
		if (c == '}' || c == ']')
			depth--;
		s->at = c == '"' ? skip_string(s->text, s->len, s->at) : s->at + 1;
	}
}

/* Whether one part of an RFC 6901 pointer, still escaped, names the member key. */
static bool part_names(struct ssf_str part, struct ssf_str key)
{
	size_t k = 0;

	for (size_t i = 0; i < part.len; i++, k++) {
		char c = part.ptr[i];
		if (c == '~') {
			char next = i + 1 < part.len ? part.ptr[i + 1] : '\0';
			if (next != '0' && next != '1')
				return false;
			c = next == '0' ? '~' : '/';
			i++;
		}
		if (k >= key.len || key.ptr[k] != c)
			return false;
	}
	return k == key.len;
}

/* quoted is the key with its quotes and escapes. */
static bool part_names_quoted(struct ssf_str part, struct ssf_str quoted)
{
	if (quoted.len < 2)
		return false;
	if (memchr(quoted.ptr, '\\', quoted.len) == NULL)
		return part_names(part, (struct ssf_str){ quoted.ptr + 1, quoted.len - 2 });

	json_auto_t *key = json_loadb(quoted.ptr, quoted.len, JSON_DECODE_ANY, NULL);
	if (!json_is_string(key))
		return false;
	struct ssf_str plain = { json_string_value(key), json_string_length(key) };
	return part_names(part, plain);
}

/* From the '{' at s->at to the value of the member; false if there is none. */
static bool enter_member(struct scan *s, struct ssf_str part)
{
	s->at++;
	while (peek(s) == '"') {
		size_t start = s->at;
		s->at = skip_string(s->text, s->len, start);
		struct ssf_str quoted = { s->text + start, s->at - start };
		if (!accept(s, ':'))
			return false;
		if (part_names_quoted(part, quoted))
			return true;
		skip_value(s);
		if (!accept(s, ','))
			return false;
	}
	return false;
}

static int parse_index(struct ssf_str part, size_t *out)
{
	size_t index = 0;

	if (part.len == 0 || part.len > 9 || (part.len > 1 && part.ptr[0] == '0'))
		return -1;
	for (size_t i = 0; i < part.len; i++) {
		if (part.ptr[i] < '0' || part.ptr[i] > '9')
			return -1;
		index = index * 10 + (size_t)(part.ptr[i] - '0');
	}
	*out = index;
	return 0;
}

/* From the '[' at s->at to the element; false if there is none. */
static bool enter_element(struct scan *s, struct ssf_str part)
{
	size_t index;

	if (parse_index(part, &index) < 0)
		return false;
	s->at++;
	for (size_t i = 0; i < index; i++) {
		skip_value(s);
		if (!accept(s, ','))
			return false;
	}
	return peek(s) != ']' && s->at < s->len;
}

static void line_and_column(struct ssf_str text, size_t at, unsigned *line, unsigned *column)
{
	unsigned l = 1;
	size_t start = 0;

	for (size_t i = 0; i < at; i++) {
		if (text.ptr[i] == '\n') {
			l++;
			start = i + 1;
		}
	}
	*line = l;
	*column = (unsigned)(at - start) + 1;
}

int ssf_json_locate(struct ssf_str text, const char *pointer, unsigned *line, unsigned *column)
{
	struct scan s = { text.ptr, text.len, 0 };

	peek(&s);
	while (*pointer == '/') {
		size_t parent = s.at;
		struct ssf_str part = { pointer + 1, strcspn(pointer + 1, "/") };
		bool found = false;

		pointer += 1 + part.len;
		if (peek(&s) == '{')
			found = enter_member(&s, part);
		else if (peek(&s) == '[')
			found = enter_element(&s, part);
		if (!found && *pointer != '\0')
			return -1;
		if (!found)
			s.at = parent;
		peek(&s);
	}
	if (*pointer != '\0' || s.at >= s.len)
		return -1;
	line_and_column(text, s.at, line, column);
	return 0;
}

size_t ssf_json_weight(const json_t *value)
{
	json_t *v = (json_t *)value; /* only iterated over */
	size_t weight = WEIGHT_OF_VALUE, i;
	const char *name;
	json_t *member;

	if (json_is_string(v))
		weight += json_string_length(v);
	json_array_foreach(v, i, member)
		weight += ssf_json_weight(member);
	json_object_foreach(v, name, member)
		weight += WEIGHT_OF_VALUE + strlen(name) + ssf_json_weight(member);
	return value != NULL ? weight : 0;
}

bool ssf_json_longer(const json_t *value, size_t bytes)
{
	/* no byte of a string takes more than \u0000, and all the rest of a value is shorter than its weight */
	if (6 * ssf_json_weight(value) <= bytes)
		return false;
	return json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > bytes;
}

bool ssf_json_has_real(const json_t *value)
{
	json_t *v = (json_t *)value; /* only iterated over */
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach(v, i, member) {
		if (ssf_json_has_real(member))
			return true;
	}
	json_object_foreach(v, name, member) {
		if (ssf_json_has_real(member))
			return true;
	}
	return json_is_real(v);
}

char *ssf_json_canonical(const json_t *value)
{
	ssf_auto_buf text = SSF_BUF(SIZE_MAX / 4);

	ssf_buf_reserve(&text, CANONICAL_USUAL);
	return ssf_json_append(value, true, &text) == 0 ? ssf_buf_steal(&text) : NULL;
}

/* NULL when absent or null. */
static const json_t *member(const json_t *obj, const char *key)
{
	const json_t *value = json_object_get(obj, key);

	return json_is_null(value) ? NULL : value;
}

static int missing(const char *key, struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_MALFORMED, "%s: missing", key);
}

static int wrong_type(const char *key, const char *wanted, struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_MALFORMED, "%s: not %s", key, wanted);
}

int ssf_json_get_str(const json_t *obj, const char *key, const char **out, struct ssf_err *err)
{
	if (member(obj, key) == NULL)
		return missing(key, err);
	return ssf_json_opt_str(obj, key, out, err);
}

int ssf_json_opt_str(const json_t *obj, const char *key, const char **out, struct ssf_err *err)
{
	const json_t *value = member(obj, key);

	if (value == NULL)
		return 0;
	if (!json_is_string(value))
		return wrong_type(key, "a string", err);
	*out = json_string_value(value);
	return 0;
}

int ssf_json_get_int(const json_t *obj, const char *key, json_int_t *out, struct ssf_err *err)
{
	if (member(obj, key) == NULL)
		return missing(key, err);
	return ssf_json_opt_int(obj, key, out, err);
}

int ssf_json_opt_int(const json_t *obj, const char *key, json_int_t *out, struct ssf_err *err)
{
	const json_t *value = member(obj, key);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value))
		return wrong_type(key, "an integer", err);
	*out = json_integer_value(value);
	return 0;
}

int ssf_json_opt_bool(const json_t *obj, const char *key, bool *out, struct ssf_err *err)
{
	const json_t *value = member(obj, key);

	if (value == NULL)
		return 0;
	if (!json_is_boolean(value))
		return wrong_type(key, "true or false", err);
	*out = json_is_true(value);
	return 0;
}

int ssf_json_opt_strings(const json_t *obj, const char *key, size_t max, const json_t **out,
			 struct ssf_err *err)
{
	const json_t *value = member(obj, key);
	const json_t *element;
	size_t i;

	if (value == NULL) {
		*out = NULL;
		return 0;
	}
	if (!json_is_array(value))
		return wrong_type(key, "an array", err);
	if (json_array_size(value) > max)
		return ssf_fail(err, SSF_E_LIMIT, "%s: more than %zu", key, max);
	json_array_foreach(value, i, element) {
		if (!json_is_string(element))
			return ssf_fail(err, SSF_E_MALFORMED, "%s[%zu]: not a string", key, i);
	}
	*out = value;
	return 0;
}

static bool listed(const char *name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

int ssf_json_only(const json_t *obj, const char *const *names, struct ssf_err *err)
{
	/* jansson iterates over objects that are not const, but changes nothing */
	json_t *mutable_obj = (json_t *)obj;
	const char *key;
	json_t *value;

	json_object_foreach(mutable_obj, key, value) {
		if (!listed(key, names))
			return ssf_fail(err, SSF_E_MALFORMED, "%.64s: unknown member", key);
	}
	return 0;
}
