/* SPDX-License-Identifier: Apache-2.0 */
/* Places in a rule file, and what is wrong there. Knows nothing of rules. */
#include "hub/rules/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_pointer(struct ssf_buf *out, const struct place *at)
{
	if (at->up == NULL)
		return;
	add_pointer(out, at->up);
	if (at->key == NULL) {
		ssf_buf_addf(out, "/%zu", at->index);
		return;
	}
	ssf_buf_addc(out, '/');
	for (const char *c = at->key; *c != '\0'; c++) {
		if (*c == '~' || *c == '/')
			ssf_buf_adds(out, *c == '~' ? "~0" : "~1");
		else
			ssf_buf_addc(out, *c);
	}
}

int place_fail_at(struct blame *b, const struct place *at, enum ssf_code code, const char *file,
		  int line, const char *fmt, ...)
{
	char text[512]; /* more than an error holds: it is the error that cuts between characters */
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ssf_buf_reset(&b->pointer);
	add_pointer(&b->pointer, at);
	return ssf_fail_at(b->err, code, file, line, "%s", n < 0 ? "" : text);
}

bool place_listed(const char *name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

int place_check_root(struct blame *b, const struct place *at, const char *root)
{
	static const char *const joins[] = { "$agent", "$owner", "$credential", NULL };
	static const char *const later[] = { "$sponsor", "$tool", "$token", "$receiver", NULL };

	if (root[0] != '$' || place_listed(root, joins))
		return 0;
	if (place_listed(root, later))
		return place_fail(b, at, SSF_E_MALFORMED, "\"%s\" is not supported by this version",
				  root);
	return place_fail(b, at, SSF_E_MALFORMED, "events have no \"%s\"", root);
}

int place_only(struct blame *b, const struct place *at, const json_t *object,
	       const char *const *names, const char *const *later)
{
	json_t *members = (json_t *)object; /* only iterated over */
	const char *key;
	json_t *value;

	json_object_foreach(members, key, value) {
		struct place here = { at, key, 0 };
		if (place_listed(key, names))
			continue;
		if (later != NULL && place_listed(key, later))
			return place_fail(b, &here, SSF_E_MALFORMED,
					  "\"%s\" is not supported by this version", key);
		return place_fail(b, &here, SSF_E_MALFORMED, "unknown key \"%s\"", key);
	}
	return 0;
}
