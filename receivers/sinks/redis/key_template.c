/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template is parsed once, into parts that point into its own copy of the text. Values come from
 * outside and are never parsed: a "${" in a value stays as it is.
 */
#include "receivers/sinks/redis/key_template.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX (2 * KEY_TEMPLATE_NAMES_MAX + 1)

/* event_timestamp above this is in milliseconds: as seconds it would be past the year 5000. */
#define SECONDS_MAX 100000000000.0

struct part {
	struct ssf_str text; /* literal text, or the names between the braces */
	bool is_name;
};

struct key_template {
	char *text;
	size_t n_names;
	size_t n;
	struct part parts[PARTS_MAX];
};

static bool next_piece(struct ssf_str *rest, char sep, struct ssf_str *piece)
{
	const char *end;

	if (rest->ptr == NULL)
		return false;
	end = memchr(rest->ptr, sep, rest->len);
	if (end == NULL) {
		*piece = *rest;
		rest->ptr = NULL;
	} else {
		*piece = (struct ssf_str){ rest->ptr, (size_t)(end - rest->ptr) };
		rest->len -= piece->len + 1;
		rest->ptr = end + 1;
	}
	return true;
}

static bool is_member_name(struct ssf_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-'))
			return false;
	}
	return s.len > 0;
}

static int check_names(struct ssf_str names, struct ssf_err *err)
{
	struct ssf_str name;
	struct ssf_str member;

	while (next_piece(&names, '|', &name)) {
		while (next_piece(&name, '.', &member)) {
			if (!is_member_name(member))
				return ssf_fail(err, SSF_E_MALFORMED,
						"template: a name in ${} must be letters, digits, "
						"_ and -, joined by dots");
		}
	}
	return 0;
}

static int add_name(struct key_template *t, struct ssf_str *rest, struct ssf_err *err)
{
	const char *end = memchr(rest->ptr, '}', rest->len);
	struct ssf_str names;

	if (end == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "template: ${ without }");
	if (++t->n_names > KEY_TEMPLATE_NAMES_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "template: more than %d names",
				KEY_TEMPLATE_NAMES_MAX);
	names = (struct ssf_str){ rest->ptr + 2, (size_t)(end - rest->ptr) - 2 };
	if (check_names(names, err) < 0)
		return -1;
	t->parts[t->n++] = (struct part){ .text = names, .is_name = true };
	rest->len -= (size_t)(end + 1 - rest->ptr);
	rest->ptr = end + 1;
	return 0;
}

static int parse_parts(struct key_template *t, struct ssf_str rest, struct ssf_err *err)
{
	while (rest.len > 0) {
		const char *name = memmem(rest.ptr, rest.len, "${", 2);
		size_t literal = name != NULL ? (size_t)(name - rest.ptr) : rest.len;

		if (literal > 0)
			t->parts[t->n++] = (struct part){ .text = { rest.ptr, literal } };
		rest.ptr += literal;
		rest.len -= literal;
		if (name != NULL && add_name(t, &rest, err) < 0)
			return -1;
	}
	return 0;
}

int key_template_parse(struct ssf_str text, struct key_template **out, struct ssf_err *err)
{
	ssf_auto(key_template) t = NULL;

	if (text.len == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "template: empty");
	if (text.len > KEY_TEMPLATE_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "template: longer than %d bytes",
				KEY_TEMPLATE_MAX);
	t = calloc(1, sizeof(*t));
	if (t != NULL)
		t->text = ssf_str_dup(text);
	if (t == NULL || t->text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "template: out of memory");
	if (parse_parts(t, (struct ssf_str){ t->text, text.len }, err) < 0)
		return -1;
	*out = SSF_STEAL(t);
	return 0;
}

void key_template_free(struct key_template *t)
{
	if (t == NULL)
		return;
	free(t->text);
	free(t);
}

static const json_t *member_of(const json_t *obj, struct ssf_str name)
{
	char key[KEY_TEMPLATE_MAX + 1];

	memcpy(key, name.ptr, name.len);
	key[name.len] = '\0';
	return json_object_get(obj, key);
}

static const json_t *walk(const json_t *obj, struct ssf_str path)
{
	struct ssf_str name;

	while (obj != NULL && next_piece(&path, '.', &name))
		obj = member_of(obj, name);
	return obj;
}

/* Cuts prefix off, if it is there. */
static bool take_prefix(struct ssf_str *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!ssf_str_has_prefix(*path, prefix))
		return false;
	path->ptr += len;
	path->len -= len;
	return true;
}

static int value_text(struct ssf_str name, const json_t *value, struct ssf_buf *out,
		      struct ssf_err *err)
{
	int shown = name.len < 64 ? (int)name.len : 64;

	if (value == NULL || json_is_null(value) ||
	    (json_is_string(value) && json_string_length(value) == 0))
		return ssf_fail(err, SSF_E_NOT_FOUND, "${%.*s} has no value", shown, name.ptr);
	if (json_is_integer(value))
		ssf_buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_string(value))
		ssf_buf_add(out, json_string_value(value), json_string_length(value));
	else
		return ssf_fail(err, SSF_E_MALFORMED, "${%.*s} is neither a string nor an integer",
				shown, name.ptr);
	if (ssf_buf_failed(out))
		return ssf_fail(err, SSF_E_LIMIT, "${%.*s} is longer than %d bytes", shown,
				name.ptr, KEY_TEMPLATE_VALUE_MAX);
	return 0;
}

static int timestamp_text(const json_t *event, struct ssf_buf *out, struct ssf_err *err)
{
	const json_t *value = json_object_get(event, "event_timestamp");
	double at = json_number_value(value);

	/* A NumericDate may have a fraction; the bounds keep the conversion defined. */
	if (!json_is_number(value) || at < 0 || at > SECONDS_MAX * 1000)
		return ssf_fail(err, SSF_E_NOT_FOUND, "${event_timestamp} has no value");
	ssf_buf_addf(out, "%" PRId64, (int64_t)(at > SECONDS_MAX ? at / 1000 : at));
	return 0;
}

static int one_value(struct ssf_str name, const struct key_template_values *v, struct ssf_buf *out,
		     struct ssf_err *err)
{
	struct ssf_str path = name;

	if (ssf_str_eq_c(name, "iat")) {
		ssf_buf_addf(out, "%" PRId64, v->iat);
		return 0;
	}
	if (ssf_str_eq_c(name, "jti")) {
		ssf_buf_adds(out, v->jti);
		return 0;
	}
	if (ssf_str_eq_c(name, "event_timestamp"))
		return timestamp_text(v->event, out, err);
	if (take_prefix(&path, "event."))
		return value_text(name, walk(v->event, path), out, err);
	take_prefix(&path, "sub_id.");
	return value_text(name, walk(v->sub_id, path), out, err);
}

static int first_value(struct ssf_str names, const struct key_template_values *v,
		       struct ssf_buf *out, struct ssf_err *err)
{
	struct ssf_err why = { .code = SSF_E_NOT_FOUND };
	struct ssf_str name;

	while (next_piece(&names, '|', &name)) {
		if (one_value(name, v, out, &why) == 0)
			return 0;
		if (why.code != SSF_E_NOT_FOUND)
			break;
	}
	if (err != NULL)
		*err = why;
	return -1;
}

/* The characters that Redis's stringmatchlen() treats as more than themselves. */
static void add_escaped(struct ssf_str value, struct ssf_buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		if (strchr("*?[]\\", value.ptr[i]) != NULL)
			ssf_buf_addc(out, '\\');
		ssf_buf_addc(out, value.ptr[i]);
	}
}

int key_template_fill(const struct key_template *t, const struct key_template_values *values,
		  enum key_template_use use, struct ssf_buf *out, struct ssf_err *err)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct part *p = &t->parts[i];
		ssf_auto_buf value = SSF_BUF(KEY_TEMPLATE_VALUE_MAX);

		if (!p->is_name) {
			ssf_buf_add(out, p->text.ptr, p->text.len);
			continue;
		}
		if (first_value(p->text, values, &value, err) < 0)
			return -1;
		if (use == KEY_TEMPLATE_GLOB)
			add_escaped(ssf_buf_str(&value), out);
		else
			ssf_buf_add(out, value.ptr, value.len);
	}
	if (ssf_buf_failed(out))
		return ssf_fail(err, SSF_E_NOMEM, "template: out of memory");
	return 0;
}
