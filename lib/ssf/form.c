/* SPDX-License-Identifier: Apache-2.0 */
/* Forms, decoded into one buffer that grows to the size of the body and no further. */
#include "lib/ssf/form.h"

#include <string.h>

int ssf_percent_decode(struct ssf_str s, bool plus, struct ssf_buf *out, struct ssf_err *err)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.ptr[i];
		if (c == '%') {
			if (s.len - i < 3 ||
			    ssf_unhex((struct ssf_str){ s.ptr + i + 1, 2 }, &c, 1) < 0)
				return ssf_fail(err, SSF_E_MALFORMED, "bad percent escape");
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (ssf_buf_append(out, (struct ssf_str){ (const char *)&c, 1 }, err) < 0)
			return -1;
	}
	return 0;
}

static bool is_text(struct ssf_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	}
	return ssf_utf8_valid(s);
}

/* Decodes one name or value; *at is where it begins in the text. */
static int take(struct ssf_form *f, struct ssf_str s, size_t *at, struct ssf_err *err)
{
	*at = f->text.len;
	if (ssf_percent_decode(s, true, &f->text, err) < 0)
		return ssf_fail_prefix(err, "form");
	if (!is_text((struct ssf_str){ f->text.ptr + *at, f->text.len - *at }))
		return ssf_fail(err, SSF_E_MALFORMED, "form: a control character, or not UTF-8");
	return ssf_buf_append(&f->text, (struct ssf_str){ "", 1 }, err);
}

static bool has(const struct ssf_form *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->text.ptr + f->fields[i].name, name) == 0)
			return true;
	}
	return false;
}

static int take_field(struct ssf_form *f, struct ssf_str field, struct ssf_err *err)
{
	const char *equals = memchr(field.ptr, '=', field.len);
	size_t len = equals != NULL ? (size_t)(equals - field.ptr) : field.len;
	struct ssf_str value = { field.ptr + len, field.len - len };
	size_t name_at, value_at;

	if (f->count == SSF_FORM_FIELDS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "form: more than %d fields", SSF_FORM_FIELDS_MAX);
	if (len == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "form: field without a name");
	if (value.len > 0) { /* the equals sign */
		value.ptr++;
		value.len--;
	}
	if (take(f, (struct ssf_str){ field.ptr, len }, &name_at, err) < 0 ||
	    take(f, value, &value_at, err) < 0)
		return -1;
	if (has(f, f->text.ptr + name_at))
		return ssf_fail(err, SSF_E_MALFORMED, "form: a field is there twice");
	f->fields[f->count].name = name_at;
	f->fields[f->count++].value = value_at;
	return 0;
}

int ssf_form_parse(struct ssf_str body, struct ssf_form *out, struct ssf_err *err)
{
	*out = (struct ssf_form){ .count = 0 };
	/* decoding makes nothing longer, but each field gets two NULs for at most one sign */
	ssf_buf_init(&out->text, body.len + SSF_FORM_FIELDS_MAX + 1);
	while (body.len > 0) {
		const char *end = memchr(body.ptr, '&', body.len);
		struct ssf_str field = { body.ptr,
					 end != NULL ? (size_t)(end - body.ptr) : body.len };
		size_t used = field.len + (end != NULL);

		if (field.len > 0 && take_field(out, field, err) < 0)
			return -1;
		body.ptr += used;
		body.len -= used;
	}
	return 0;
}

void ssf_form_done(struct ssf_form *f)
{
	ssf_buf_done(&f->text);
	*f = (struct ssf_form){ .count = 0 };
}

const char *ssf_form_get(const struct ssf_form *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++) {
		const char *value = f->text.ptr + f->fields[i].value;
		if (strcmp(f->text.ptr + f->fields[i].name, name) == 0)
			return *value != '\0' ? value : NULL;
	}
	return NULL;
}
