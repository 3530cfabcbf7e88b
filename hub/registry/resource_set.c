/* SPDX-License-Identifier: Apache-2.0 */
/* One index a kind: "MEMBER/WITHIN/VALUE" to id. Ids have no slash, so a key reads in one way only. */
#include "hub/registry/resource_set.h"

#include "lib/ssf/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct resource_set {
	json_t *specs[KIND_COUNT];    /* id to spec */
	json_t *versions[KIND_COUNT]; /* id to version */
	json_t *index[KIND_COUNT];
};

struct resource_set *resource_set_new(void)
{
	struct resource_set *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	for (size_t k = 0; ok && k < KIND_COUNT; k++) {
		s->specs[k] = json_object();
		s->versions[k] = json_object();
		s->index[k] = json_object();
		ok = s->specs[k] != NULL && s->versions[k] != NULL && s->index[k] != NULL;
	}
	if (ok)
		return s;
	resource_set_free(s);
	return NULL;
}

void resource_set_free(struct resource_set *s)
{
	if (s == NULL)
		return;
	for (size_t k = 0; k < KIND_COUNT; k++) {
		json_decref(s->specs[k]);
		json_decref(s->versions[k]);
		json_decref(s->index[k]);
	}
	free(s);
}

/* --- the index --------------------------------------------------------------------------------------- */

/* NULL when out of memory; the caller frees it. */
static char *index_key(const char *member, const char *within, const char *value)
{
	char *key;

	return asprintf(&key, "%s/%s/%s", member, within != NULL ? within : "", value) < 0 ? NULL : key;
}

/* Adds an entry, or removes it unless it belongs to another resource by now. */
static int index_value(json_t *index, const char *key, const char *id, bool add)
{
	const char *owner;

	if (key == NULL)
		return -1;
	if (add)
		return json_object_set_new(index, key, json_string(id));
	owner = json_string_value(json_object_get(index, key));
	if (owner != NULL && strcmp(owner, id) == 0)
		json_object_del(index, key);
	return 0;
}

static int index_member(json_t *index, const struct kind_member *m, const char *id, const json_t *spec, bool add)
{
	const json_t *value = json_object_get(spec, m->name), *item;
	const char *within = m->within != NULL ? json_string_value(json_object_get(spec, m->within)) : NULL;
	size_t i;

	if (json_is_string(value)) {
		ssf_auto_free char *key = index_key(m->name, within, json_string_value(value));
		return index_value(index, key, id, add);
	}
	json_array_foreach(value, i, item) {
		ssf_auto_free char *key = index_key(m->name, within, json_string_value(item));
		if (index_value(index, key, id, add) < 0)
			return -1;
	}
	return 0;
}

static int index_resource(struct resource_set *s, enum kind kind, const char *id, const json_t *spec, bool add)
{
	for (const struct kind_member *m = kind_of(kind)->object.members; m->name != NULL; m++) {
		if ((m->flags & KIND_UNIQUE) != 0 && index_member(s->index[kind], m, id, spec, add) < 0)
			return -1;
	}
	return 0;
}

/* --- resources ------------------------------------------------------------------------------------------ */

int resource_set_put(struct resource_set *s, enum kind kind, const char *id, json_t *spec, int64_t version)
{
	const json_t *old = resource_set_get(s, kind, id);

	if (old != NULL && index_resource(s, kind, id, old, false) < 0)
		return -1;
	if (spec == NULL) {
		json_object_del(s->specs[kind], id);
		json_object_del(s->versions[kind], id);
		return 0;
	}
	return json_object_set(s->specs[kind], id, spec) < 0 ||
			       json_object_set_new(s->versions[kind], id, json_integer(version)) < 0 ?
		       -1 :
		       index_resource(s, kind, id, spec, true);
}

const json_t *resource_set_get(const struct resource_set *s, enum kind kind, const char *id)
{
	return json_object_get(s->specs[kind], id);
}

int64_t resource_set_version(const struct resource_set *s, enum kind kind, const char *id)
{
	return json_integer_value(json_object_get(s->versions[kind], id));
}

const json_t *resource_set_all(const struct resource_set *s, enum kind kind)
{
	return s->specs[kind];
}

const char *resource_set_find(const struct resource_set *s, enum kind kind, const char *member,
			      const char *within, const char *value)
{
	ssf_auto_free char *key = index_key(member, within, value);

	return key != NULL ? json_string_value(json_object_get(s->index[kind], key)) : NULL;
}
