/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/rules/template.h"

#include "hub/rules/language.h"
#include "lib/ssf/attr.h"

#include <string.h>

#define KEY_MAX 256          /* bytes of one key in a path, with the NUL */
#define FILLED_MAX 4096      /* bytes of one filled string inside a JSON value */

/* A stretch of a template: either text as it stands, or a path with its default. */
struct piece {
	struct ssf_str text;
	struct ssf_str path;
	struct ssf_str fallback;
	bool is_path;
	bool has_fallback;
};

/* Length of the path at s: up to the "|" or "}" behind it; 0 if it is none. */
static size_t path_length(const char *s)
{
	size_t len = 0;

	while (s[len] != '|' && s[len] != '}') {
		if (strchr(" \t\r\n{", s[len]) != NULL) /* also at the NUL */
			return 0;
		if (s[len] == '\\' && s[++len] == '\0')
			return 0;
		len++;
	}
	return len;
}

/* Takes the first key off a path, which is empty (NULL) after the last. -1: no key, or too long. */
static int next_key(struct ssf_str *path, char key[KEY_MAX])
{
	size_t used = 0, i = 0;

	for (; i < path->len && path->ptr[i] != '.'; i++) {
		if (path->ptr[i] == '\\')
			i++;
		if (used == KEY_MAX - 1)
			return -1;
		key[used++] = path->ptr[i];
	}
	key[used] = '\0';
	if (i == path->len)
		*path = (struct ssf_str){ NULL, 0 };
	else
		*path = (struct ssf_str){ path->ptr + i + 1, path->len - i - 1 };
	return used == 0 ? -1 : 0;
}

static int check_keys(struct ssf_str path)
{
	char key[KEY_MAX];

	while (path.ptr != NULL) {
		if (next_key(&path, key) < 0)
			return -1;
	}
	return 0;
}

/* Takes the next piece off *at. Returns 1, 0 at the end, -1 if the template is malformed. */
static int next_piece(const char **at, struct piece *out)
{
	const char *s = *at;
	size_t len;

	*out = (struct piece){ 0 };
	if (*s == '\0')
		return 0;
	if (strncmp(s, "${", 2) != 0) {
		const char *end = strstr(s, "${");
		out->text = (struct ssf_str){ s, end == NULL ? strlen(s) : (size_t)(end - s) };
		*at = s + out->text.len;
		return 1;
	}
	s += 2;
	len = path_length(s);
	out->is_path = true;
	out->path = (struct ssf_str){ s, len };
	if (len == 0 || check_keys(out->path) < 0)
		return -1;
	s += len;
	if (*s == '|') {
		out->has_fallback = true;
		out->fallback = (struct ssf_str){ s + 1, strcspn(s + 1, "{}") };
		s += 1 + out->fallback.len;
	}
	if (*s != '}')
		return -1;
	*at = s + 1;
	return 1;
}

/* NULL when there is nothing, or null, at the path. */
static const json_t *look_up(const json_t *document, struct ssf_str path)
{
	char key[KEY_MAX];

	while (path.ptr != NULL && next_key(&path, key) == 0)
		document = json_object_get(document, key);
	return json_is_null(document) ? NULL : document;
}

static int add_value(const json_t *value, struct ssf_str path, struct ssf_buf *out,
		     struct ssf_err *err)
{
	if (json_is_string(value))
		return ssf_buf_append(out,
				      (struct ssf_str){ json_string_value(value),
							json_string_length(value) },
				      err);
	if (json_is_object(value) || json_is_array(value))
		return ssf_fail(err, SSF_E_MALFORMED, "an object or array cannot be text: %.*s",
				(int)path.len, path.ptr);

	/* 15 digits: a number shows as it was written */
	ssf_auto_free char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "template");
	return ssf_buf_append(out, ssf_str_c(text), err);
}

int template_fill(const char *text, const json_t *document, struct ssf_buf *out,
	      struct ssf_err *err)
{
	struct piece piece;
	int more;

	while ((more = next_piece(&text, &piece)) > 0) {
		const json_t *value = piece.is_path ? look_up(document, piece.path) : NULL;
		int r;

		if (!piece.is_path)
			r = ssf_buf_append(out, piece.text, err);
		else if (value != NULL)
			r = add_value(value, piece.path, out, err);
		else if (piece.has_fallback)
			r = ssf_buf_append(out, piece.fallback, err);
		else
			r = ssf_fail(err, SSF_E_NOT_FOUND, "not in the event: %.*s",
				     (int)piece.path.len, piece.path.ptr);
		if (r < 0)
			return -1;
	}
	return more == 0 ? 0 : ssf_fail(err, SSF_E_MALFORMED, "template: not a ${path}");
}

/* --- JSON ------------------------------------------------------------------------------------ */

static int fill_value(const json_t *in, const json_t *document, json_t **out, struct ssf_err *err);

/* A template that is one path and nothing else takes a number or boolean over as it is, or NULL. */
static const json_t *whole_scalar(const char *text, const json_t *document)
{
	struct piece piece;
	const json_t *value;

	if (next_piece(&text, &piece) <= 0 || !piece.is_path || *text != '\0')
		return NULL;
	value = look_up(document, piece.path);
	return json_is_number(value) || json_is_boolean(value) ? value : NULL;
}

static int fill_string(const json_t *in, const json_t *document, json_t **out, struct ssf_err *err)
{
	const json_t *scalar = whole_scalar(json_string_value(in), document);
	ssf_auto_buf text = SSF_BUF(FILLED_MAX);

	if (scalar != NULL) {
		*out = json_incref((json_t *)scalar);
		return 0;
	}
	if (template_fill(json_string_value(in), document, &text, err) < 0)
		return -1;
	*out = json_stringn(text.len > 0 ? text.ptr : "", text.len);
	return *out == NULL ? ssf_fail(err, SSF_E_NOMEM, "template") : 0;
}

static int fill_object(const json_t *in, const json_t *document, json_t **out, struct ssf_err *err)
{
	json_auto_t *filled = json_object();
	json_t *members = (json_t *)in; /* only iterated over */
	const char *key;
	json_t *value;

	if (filled == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "template");
	json_object_foreach(members, key, value) {
		json_t *member = NULL;
		if (fill_value(value, document, &member, err) < 0)
			return ssf_fail_prefix(err, "%s", key);
		if (member != NULL && json_object_set_new(filled, key, member) < 0)
			return ssf_fail(err, SSF_E_NOMEM, "template");
	}
	*out = SSF_STEAL(filled);
	return 0;
}

static int fill_array(const json_t *in, const json_t *document, json_t **out, struct ssf_err *err)
{
	json_auto_t *filled = json_array();
	const json_t *value;
	size_t i;

	if (filled == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "template");
	json_array_foreach(in, i, value) {
		json_t *element = NULL;
		if (fill_value(value, document, &element, err) < 0)
			return ssf_fail_prefix(err, "%zu", i);
		if (element != NULL && json_array_append_new(filled, element) < 0)
			return ssf_fail(err, SSF_E_NOMEM, "template");
	}
	*out = SSF_STEAL(filled);
	return 0;
}

static size_t size_of(const json_t *value)
{
	return json_is_object(value) ? json_object_size(value) : json_array_size(value);
}

/* A value inside another; *out stays NULL when it is left out. */
static int fill_value(const json_t *in, const json_t *document, json_t **out, struct ssf_err *err)
{
	struct ssf_err why = { .code = SSF_OK };
	json_t *filled = NULL;

	if (template_fill_json(in, document, &filled, &why) < 0) {
		if (json_is_string(in) && why.code == SSF_E_NOT_FOUND)
			return 0;
		return ssf_fail(err, why.code, "%s", why.msg);
	}
	if (size_of(in) > 0 && size_of(filled) == 0) {
		json_decref(filled); /* nothing is left of it: {"en":"${missing}"} */
		return 0;
	}
	*out = filled;
	return 0;
}

int template_fill_json(const json_t *value, const json_t *document, json_t **out,
		   struct ssf_err *err)
{
	if (json_is_string(value))
		return fill_string(value, document, out, err);
	if (json_is_object(value))
		return fill_object(value, document, out, err);
	if (json_is_array(value))
		return fill_array(value, document, out, err);
	*out = json_incref((json_t *)value);
	return 0;
}

/* --- checks ---------------------------------------------------------------- */

static int check_text(const char *text, const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	struct piece piece;
	char root[KEY_MAX];
	int more;

	while ((more = next_piece(&text, &piece)) > 0) {
		if (piece.is_path && next_key(&piece.path, root) == 0 &&
		    language_check_root(diag, at, root) < 0)
			return -1;
	}
	return more == 0 ? 0 : ssf_diagnose(diag, at, "not a ${path} or ${path|default}");
}

int template_check(const json_t *value, const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	json_t *members = (json_t *)value; /* only iterated over */
	const char *key;
	json_t *child;
	size_t i;

	if (json_is_string(value))
		return check_text(json_string_value(value), at, diag);
	json_object_foreach(members, key, child) {
		struct ssf_json_path here = { at, key, 0 };
		if (template_check(child, &here, diag) < 0)
			return -1;
	}
	json_array_foreach(value, i, child) {
		struct ssf_json_path here = { at, NULL, i };
		if (template_check(child, &here, diag) < 0)
			return -1;
	}
	return 0;
}

bool template_has_path(const json_t *value)
{
	json_t *members = (json_t *)value; /* only iterated over */
	const char *key;
	json_t *child;
	size_t i;

	if (json_is_string(value))
		return strstr(json_string_value(value), "${") != NULL;
	json_object_foreach(members, key, child) {
		if (template_has_path(child))
			return true;
	}
	json_array_foreach(value, i, child) {
		if (template_has_path(child))
			return true;
	}
	return false;
}
