/* SPDX-License-Identifier: Apache-2.0 */
/* What is hashed and signed is written here: the bytes must never differ from jansson's. */
#include "lib/ssf/json_text.h"

#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 32 /* of one object that are sorted without memory of their own */

static void add_escaped(struct ssf_buf *out, char c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* each with what stands for it */

	for (size_t i = 0; i < sizeof(letters) - 1; i += 2) {
		if (letters[i] == c) {
			ssf_buf_addc(out, '\\');
			ssf_buf_addc(out, letters[i + 1]);
			return;
		}
	}
	ssf_buf_addf(out, "\\u%04X", (unsigned)(unsigned char)c);
}

static void add_string(struct ssf_buf *out, const char *text, size_t len)
{
	size_t from = 0;

	ssf_buf_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\')
			continue;
		ssf_buf_add(out, text + from, i - from);
		add_escaped(out, text[i]);
		from = i + 1;
	}
	ssf_buf_add(out, text + from, len - from);
	ssf_buf_addc(out, '"');
}

static void add_value(struct ssf_buf *out, const json_t *value, bool sorted);

static void add_member(struct ssf_buf *out, const char *name, const json_t *value, bool sorted)
{
	add_string(out, name, strlen(name));
	ssf_buf_addc(out, ':');
	add_value(out, value, sorted);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_sorted_members(struct ssf_buf *out, json_t *object)
{
	const char *few[NAMES_MAX];
	size_t count = json_object_size(object), n = 0;
	ssf_auto_free const char **many = count > NAMES_MAX ? calloc(count, sizeof(*many)) : NULL;
	const char **names = count > NAMES_MAX ? many : few;
	const char *name;
	json_t *value;

	if (names == NULL) {
		out->failed = true;
		return;
	}
	json_object_foreach(object, name, value)
		names[n++] = name;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			ssf_buf_addc(out, ',');
		add_member(out, names[i], json_object_get(object, names[i]), true);
	}
}

static void add_object(struct ssf_buf *out, json_t *object, bool sorted)
{
	const char *name;
	json_t *value;
	bool first = true;

	ssf_buf_addc(out, '{');
	if (sorted) {
		add_sorted_members(out, object);
	} else {
		json_object_foreach(object, name, value) {
			if (!first)
				ssf_buf_addc(out, ',');
			add_member(out, name, value, false);
			first = false;
		}
	}
	ssf_buf_addc(out, '}');
}

static void add_array(struct ssf_buf *out, json_t *array, bool sorted)
{
	json_t *value;
	size_t i;

	ssf_buf_addc(out, '[');
	json_array_foreach(array, i, value) {
		if (i > 0)
			ssf_buf_addc(out, ',');
		add_value(out, value, sorted);
	}
	ssf_buf_addc(out, ']');
}

/* Digits enough to be the same number again: jansson knows how. */
static void add_real(struct ssf_buf *out, const json_t *real)
{
	ssf_auto_free char *text = json_dumps(real, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text == NULL)
		out->failed = true;
	else
		ssf_buf_adds(out, text);
}

static void add_value(struct ssf_buf *out, const json_t *value, bool sorted)
{
	json_t *v = (json_t *)value; /* only iterated over */

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		add_object(out, v, sorted);
		break;
	case JSON_ARRAY:
		add_array(out, v, sorted);
		break;
	case JSON_STRING:
		add_string(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		ssf_buf_addf(out, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		add_real(out, v);
		break;
	case JSON_TRUE:
		ssf_buf_adds(out, "true");
		break;
	case JSON_FALSE:
		ssf_buf_adds(out, "false");
		break;
	case JSON_NULL:
		ssf_buf_adds(out, "null");
		break;
	}
}

int ssf_json_append(const json_t *value, bool sorted, struct ssf_buf *out)
{
	if (value == NULL)
		out->failed = true;
	else
		add_value(out, value, sorted);
	return ssf_buf_failed(out) ? -1 : 0;
}

int ssf_json_append_string(struct ssf_str text, struct ssf_buf *out)
{
	add_string(out, text.ptr, text.len);
	return ssf_buf_failed(out) ? -1 : 0;
}
