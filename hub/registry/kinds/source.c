/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a source depend on its type; each adapter declares its own (transmitters/adapter.h). They are
 * turned into descriptions of this module once, at the first use.
 */
#include "hub/registry/kinds/kind.h"

#include "lib/http/document_cache.h"
#include "lib/kit/file.h"
#include "lib/ssf/attr.h"
#include "transmitters/adapter.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define OBJECTS_MAX 4 /* nested objects of one adapter */
#define NAME_MAX_LEN 32

/* The members of one adapter: those of the resource itself, and of objects in it ("api.token"). */
struct adapter_kind {
	struct kind_member members[KIND_MEMBERS_MAX + 1];
	struct kind_object object;
	struct {
		char name[NAME_MAX_LEN];
		struct kind_member members[KIND_MEMBERS_MAX + 1];
		struct kind_object object;
	} nested[OBJECTS_MAX];
	struct kind_rule rules[2];
};

static struct adapter_kind adapter_kinds[ADAPTER_COUNT];
static struct kind_variant types[ADAPTER_COUNT + 1];

static struct kind_member *append(struct kind_member list[KIND_MEMBERS_MAX + 1])
{
	size_t n = 0;

	while (list[n].name != NULL)
		n++;
	assert(n < KIND_MEMBERS_MAX);
	return &list[n];
}

/* The object that a dotted name is in. Its member is added to the resource when it is first named. */
static struct kind_member *nested_of(struct adapter_kind *k, const char *name, size_t len)
{
	size_t i = 0;

	assert(len < NAME_MAX_LEN);
	while (i < OBJECTS_MAX && k->nested[i].name[0] != '\0' &&
	       (strncmp(k->nested[i].name, name, len) != 0 || k->nested[i].name[len] != '\0'))
		i++;
	assert(i < OBJECTS_MAX);
	if (k->nested[i].name[0] == '\0') {
		memcpy(k->nested[i].name, name, len);
		k->nested[i].object.members = k->nested[i].members;
		*append(k->members) = (struct kind_member){ .name = k->nested[i].name, .type = KIND_OBJECT,
							    .object = &k->nested[i].object };
	}
	return k->nested[i].members;
}

static enum kind_type type_of(enum adapter_member_type type)
{
	switch (type) {
	case ADAPTER_BOOL:
		return KIND_BOOL;
	case ADAPTER_SECRET:
		return KIND_SEALED_SECRET;
	case ADAPTER_URL:
	case ADAPTER_KEYS_URL:
		return KIND_URL;
	case ADAPTER_TEXT:
	case ADAPTER_KEYS_FILE:
		break;
	}
	return KIND_TEXT;
}

static void describe_adapter(const struct source_adapter *a, struct adapter_kind *k)
{
	const char *url = NULL, *file = NULL;

	for (const struct adapter_member *m = a->members; m->name != NULL; m++) {
		const char *dot = strchr(m->name, '.');
		struct kind_member *list = dot != NULL ? nested_of(k, m->name, (size_t)(dot - m->name)) : k->members;
		*append(list) = (struct kind_member){
			.name = dot != NULL ? dot + 1 : m->name,
			.type = type_of(m->type),
			.flags = ((m->flags & ADAPTER_REQUIRED) != 0 ? KIND_REQUIRED : 0u) |
				 ((m->flags & ADAPTER_IN_HEADER) != 0 ? KIND_IN_HEADER : 0u),
			.help = m->help,
			.example = m->example,
		};
		url = m->type == ADAPTER_KEYS_URL ? m->name : url;
		file = m->type == ADAPTER_KEYS_FILE ? m->name : file;
	}
	if (url != NULL && file != NULL)
		k->rules[0] = (struct kind_rule){ KIND_EXACTLY_ONE, { url, file } };
	k->object = (struct kind_object){ k->members, k->rules };
}

static const struct kind_variant *source_types(void)
{
	for (size_t i = 0; i < ADAPTER_COUNT && types[i].value == NULL; i++) {
		const struct source_adapter *a = adapter_at(i);
		describe_adapter(a, &adapter_kinds[i]);
		types[i] = (struct kind_variant){ a->type, a->summary, &adapter_kinds[i].object };
	}
	return types;
}

static const struct kind_member members[] = {
	{ "type", KIND_CHOICE, KIND_REQUIRED, .variants = source_types,
	  .help = "What sends the signals (docs/sources).", .example = "\"github\"" },
	{ .name = NULL },
};

/* A file of keys must be readable now, or the source could never authenticate anybody. */
static int check_keys_file(const struct kind_check *c, const struct source_adapter *adapter, const char *member)
{
	const char *path = json_string_value(json_object_get(c->spec, member));
	ssf_auto_buf text = SSF_BUF(DOCUMENT_MAX);
	struct ssf_err err;
	void *keys;

	if (path == NULL)
		return 0;
	if (file_read(path, &text, &err) < 0 || adapter->keys->parse(ssf_buf_str(&text), &keys, &err) < 0)
		return ssf_diagnose_member(c->diagnostic, c->at, member, "%s: %s", member, err.msg);
	adapter->keys->free(keys);
	return 0;
}

static int check_source(const struct kind_check *c)
{
	const struct source_adapter *adapter =
		adapter_by_type(json_string_value(json_object_get(c->spec, "type")));
	struct ssf_err err;

	for (const struct adapter_member *m = adapter->members; m->name != NULL; m++) {
		if (m->type == ADAPTER_KEYS_FILE && check_keys_file(c, adapter, m->name) < 0)
			return -1;
	}
	if (adapter->check != NULL && adapter->check(c->spec, &err) < 0)
		return ssf_diagnose_err(c->diagnostic, c->at, &err);
	return 0;
}

const struct kind_info kind_source = {
	.name = "source",
	.plural = "sources",
	.help = "A system that sends signals to POST /in/{source}.",
	.example = "{\"kind\":\"source\",\"id\":\"gh\",\"type\":\"github\",\"secret\":\"0d3f6a1c22e7\","
		   "\"api\":{\"url\":\"https://api.github.com\",\"token\":\"github_pat_0123\"}}",
	.object = { members, NULL },
	.check = check_source,
};
