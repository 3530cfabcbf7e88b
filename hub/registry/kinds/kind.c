/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kinds, and what can be said about a description without a resource store. */
#include "hub/registry/kinds/kind.h"

#include "lib/ssf/attr.h"

#include <assert.h>
#include <string.h>

static const struct kind_info *const kinds[KIND_COUNT] = {
#define KIND(constant, name) [KIND_##constant] = &kind_##name,
#include "hub/registry/kinds/kinds.def"
#undef KIND
};

const struct kind_info *kind_of(enum kind kind)
{
	return kinds[kind];
}

const char *kind_name(enum kind kind)
{
	return kinds[kind]->name;
}

int kind_find(const char *name, bool exact, enum kind *out)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (strcmp(kinds[i]->name, name) == 0 || (!exact && strcmp(kinds[i]->plural, name) == 0)) {
			*out = (enum kind)i;
			return 0;
		}
	}
	return -1;
}

bool kind_id_valid(const char *id)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-";
	size_t len = id != NULL ? strlen(id) : 0;

	return len >= 1 && len <= KIND_ID_MAX && strspn(id, allowed) == len;
}

const struct kind_variant *kind_variant(const struct kind_member *member, const json_t *value)
{
	const char *text = json_string_value(value);

	for (const struct kind_variant *v = member->variants(); text != NULL && v->value != NULL; v++) {
		if (strcmp(v->value, text) == 0)
			return v;
	}
	return NULL;
}

static size_t add_members(const struct kind_object *o, const struct kind_member *out[KIND_MEMBERS_MAX], size_t n)
{
	for (const struct kind_member *m = o->members; m->name != NULL; m++) {
		assert(n < KIND_MEMBERS_MAX);
		out[n++] = m;
	}
	return n;
}

size_t kind_members(const struct kind_object *o, const json_t *value,
		    const struct kind_member *out[KIND_MEMBERS_MAX])
{
	size_t own = add_members(o, out, 0), n = own;

	for (size_t i = 0; i < own && value != NULL; i++) {
		const struct kind_variant *v = NULL;
		if (out[i]->variants != NULL)
			v = kind_variant(out[i], json_object_get(value, out[i]->name));
		if (v != NULL && v->object != NULL)
			n = add_members(v->object, out, n);
	}
	return n;
}
