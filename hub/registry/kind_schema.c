/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema 2020-12, as OpenAPI 3.1 has it. Lengths are in bytes here and in characters there: never stricter. */
#include "hub/registry/kind_schema.h"

#include "lib/ssf/attr.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SCHEMAS "#/components/schemas/"
#define ID_REF SCHEMAS "Id"

static json_t *reference(const char *ref, const char *description)
{
	return json_pack("{s:s, s:s*}", "$ref", ref, "description", description);
}

static json_t *list_of(const char *const *values)
{
	json_t *list = json_array();

	for (; *values != NULL; values++)
		json_array_append_new(list, json_string(*values));
	return list;
}

/* --- members ------------------------------------------------------------------------------------------------- */

static json_t *object_schema(const struct kind_object *o, enum kind_schema_form form, json_t *first);

static json_t *texts_schema(const struct kind_member *m)
{
	json_t *items = m->values != NULL ? json_pack("{s:o}", "enum", list_of(m->values)) :
					    json_pack("{s:s}", "type", "string");
	json_t *schema = json_pack("{s:s, s:I, s:o}", "type", "array", "maxItems",
				   (json_int_t)(m->max > 0 ? m->max : KIND_LIST_MAX), "items", items);

	if (m->min > 0)
		json_object_set_new(schema, "minItems", json_integer(m->min));
	return schema;
}

static json_t *secret_schema(const struct kind_member *m)
{
	return json_pack("{s:s, s:I, s:i, s:b}", "type", "string", "minLength",
			 (json_int_t)(m->min > 0 ? m->min : KIND_SECRET_MIN), "maxLength", KIND_SECRET_MAX,
			 "writeOnly", true);
}

static json_t *value_schema(const struct kind_member *m, enum kind_schema_form form)
{
	switch (m->type) {
	case KIND_TEXT:
		return json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength", KIND_TEXT_MAX);
	case KIND_STRING:
	case KIND_MADE:
		return json_pack("{s:s}", "type", "string");
	case KIND_CHOICE:
		return json_pack("{s:o}", "enum", list_of(m->values));
	case KIND_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case KIND_INTEGER:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)m->min, "maximum",
				 (json_int_t)m->max);
	case KIND_TEXTS:
		return texts_schema(m);
	case KIND_MAP:
		return json_pack("{s:s}", "type", "object");
	case KIND_OBJECT:
		return object_schema(m->object, form, json_object());
	case KIND_REFERENCE:
		return reference(ID_REF, NULL);
	case KIND_URL:
	case KIND_PUSH_URL:
		return json_pack("{s:s, s:s}", "type", "string", "format", "uri");
	case KIND_JWKS:
		return json_pack("{s:s, s:[s]}", "type", "object", "required", "keys");
	case KIND_SHA256:
		return json_pack("{s:s, s:s}", "type", "string", "pattern",
				 form == KIND_SCHEMA_SHOWN ? "^[0-9a-f]{64}$" : "^[0-9A-Fa-f]{64}$");
	case KIND_HASHED:
		return secret_schema(m);
	case KIND_SEALED_SECRET:
		break;
	}
	return form == KIND_SCHEMA_SHOWN ? json_pack("{s:s}", "const", KIND_SEALED) : secret_schema(m);
}

/* Nothing may stand beside a reference but its description. */
static json_t *member_schema(const struct kind_member *m, enum kind_schema_form form)
{
	bool ignored = m->type == KIND_MADE && form == KIND_SCHEMA_WRITTEN;
	json_t *schema = ignored ? json_object() : value_schema(m, form);
	char description[512];

	snprintf(description, sizeof(description), "%s%s%s%s", m->help != NULL ? m->help : "",
		 ignored ? " Ignored." : "", m->absent != NULL ? " Absent: " : "",
		 m->absent != NULL ? m->absent : "");
	if (description[0] != '\0')
		json_object_set_new(schema, "description", json_string(description));
	if (m->example != NULL && form == KIND_SCHEMA_WRITTEN && json_object_get(schema, "$ref") == NULL)
		json_object_set_new(schema, "examples",
				    json_pack("[o]", json_loads(m->example, JSON_DECODE_ANY, NULL)));
	return schema;
}

/* --- objects --------------------------------------------------------------------------------------------------- */

static bool is_shown(const struct kind_member *m, enum kind_schema_form form)
{
	return form == KIND_SCHEMA_WRITTEN || m->type != KIND_HASHED;
}

/* A member of this name, if this form has it. */
static bool has_member(const struct kind_member *const *members, size_t n, const char *name, enum kind_schema_form form)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(members[i]->name, name) == 0)
			return is_shown(members[i], form);
	}
	return false;
}

/* [{"required": [a]}, {"required": [b]}] */
static json_t *each_required(const json_t *names)
{
	json_t *list = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name)
		json_array_append_new(list, json_pack("{s:[O]}", "required", name));
	return list;
}

static json_t *not_two_of(const json_t *names)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i < json_array_size(names); i++) {
		for (size_t j = i + 1; j < json_array_size(names); j++)
			json_array_append_new(pairs, json_pack("{s:[O, O]}", "required", json_array_get(names, i),
							       json_array_get(names, j)));
	}
	return json_pack("{s:{s:o}}", "not", "anyOf", pairs);
}

static json_t *all_or_none(const json_t *names)
{
	json_t *dependent = json_object(), *name;
	size_t i;

	json_array_foreach(names, i, name)
		json_object_set(dependent, json_string_value(name), (json_t *)names);
	return json_pack("{s:o}", "dependentRequired", dependent);
}

/* Adds what a rule says to the schema; names that this form does not have are left out. */
static void add_rule(json_t *schema, const struct kind_rule *rule, const struct kind_member *const *members, size_t n,
		     enum kind_schema_form form)
{
	json_auto_t *names = json_array();
	json_t *all = json_object_get(schema, "allOf"), *part = NULL;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(rule->names) && rule->names[i] != NULL; i++) {
		if (has_member(members, n, rule->names[i], form))
			json_array_append_new(names, json_string(rule->names[i]));
	}
	if (rule->type == KIND_EXACTLY_ONE && json_array_size(names) == 1)
		json_array_extend(json_object_get(schema, "required"), names);
	else if (rule->type == KIND_EXACTLY_ONE)
		part = json_pack("{s:o}", "oneOf", each_required(names));
	else if (rule->type == KIND_AT_LEAST_ONE)
		part = json_pack("{s:o}", "anyOf", each_required(names));
	else if (rule->type == KIND_TOGETHER)
		part = all_or_none(names);
	else if (json_array_size(names) > 1)
		part = not_two_of(names);
	if (part == NULL)
		return;
	if (all == NULL) {
		all = json_array();
		json_object_set_new(schema, "allOf", all);
	}
	json_array_append_new(all, part);
}

/* The members of one form: with a variant, its choice is a constant. first: properties to begin with, taken over. */
static json_t *closed_object(const struct kind_object *o, const struct kind_variant *v, enum kind_schema_form form,
			     json_t *first)
{
	const struct kind_member *members[KIND_MEMBERS_MAX];
	size_t own = kind_members(o, NULL, members), n = own;
	json_t *required = json_array(), *schema;
	const char *key;
	json_t *value;

	if (v != NULL && v->object != NULL)
		n += kind_members(v->object, NULL, members + own);
	json_object_foreach(first, key, value) {
		if (strcmp(key, "version") != 0)
			json_array_append_new(required, json_string(key));
	}
	for (size_t i = 0; i < n; i++) {
		const struct kind_member *m = members[i];
		if (!is_shown(m, form))
			continue;
		json_object_set_new(first, m->name,
				    m->variants != NULL ? json_pack("{s:s}", "const", v->value) :
							  member_schema(m, form));
		if ((m->flags & KIND_REQUIRED) != 0 || (m->type == KIND_MADE && form == KIND_SCHEMA_SHOWN))
			json_array_append_new(required, json_string(m->name));
	}
	schema = json_pack("{s:s, s:b, s:o, s:o}", "type", "object", "additionalProperties", 0, "required", required,
			   "properties", first);
	for (const struct kind_rule *r = o->rules; r != NULL && r->type != 0; r++)
		add_rule(schema, r, members, n, form);
	for (const struct kind_rule *r = v != NULL && v->object != NULL ? v->object->rules : NULL;
	     r != NULL && r->type != 0; r++)
		add_rule(schema, r, members, n, form);
	if (json_array_size(required) == 0)
		json_object_del(schema, "required");
	return schema;
}

/* An object has at most one choice that selects variants. */
static json_t *object_schema(const struct kind_object *o, enum kind_schema_form form, json_t *first)
{
	const struct kind_member *choice = o->members;
	json_t *variants;

	while (choice->name != NULL && choice->variants == NULL)
		choice++;
	if (choice->name == NULL)
		return closed_object(o, NULL, form, first);
	variants = json_array();
	for (const struct kind_variant *v = choice->variants(); v->value != NULL; v++) {
		json_t *one = closed_object(o, v, form, json_deep_copy(first));
		json_object_set_new(one, "description", json_string(v->help));
		json_array_append_new(variants, one);
	}
	json_decref(first);
	return json_pack("{s:o}", "oneOf", variants);
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

json_t *kind_schema(enum kind kind, enum kind_schema_form form)
{
	const struct kind_info *k = kind_of(kind);
	json_t *first = json_pack("{s:{s:s}, s:{s:s}, s:{s:s}}", "kind", "const", k->name, "id", "$ref", ID_REF,
				  "version", "$ref", SCHEMAS "Version");
	json_t *schema = object_schema(&k->object, form, first);

	if (form == KIND_SCHEMA_SHOWN)
		json_object_set_new(schema, "description", json_string(k->help));
	return schema;
}

static void component_name(enum kind kind, enum kind_schema_form form, char out[64])
{
	snprintf(out, 64, "%s%s", kind_name(kind), form == KIND_SCHEMA_WRITTEN ? "Input" : "");
	out[0] = (char)toupper((unsigned char)out[0]);
}

json_t *kind_schema_components(void)
{
	json_t *all = json_object(), *names = json_array();
	json_t *shown = json_array(), *written = json_array();

	json_object_set_new(all, "Kind", json_pack("{s:o}", "enum", names));
	json_object_set_new(all, "Version",
			    json_pack("{s:s, s:[s, s], s:i}", "description",
				      "It counts up with every change. In a request: the version that must be stored "
				      "now, 0: none; absent or null: any.",
				      "type", "integer", "null", "minimum", 0));
	for (size_t k = 0; k < KIND_COUNT; k++) {
		json_array_append_new(names, json_string(kind_name((enum kind)k)));
		for (int form = KIND_SCHEMA_WRITTEN; form <= KIND_SCHEMA_SHOWN; form++) {
			char name[64], ref[128];
			component_name((enum kind)k, (enum kind_schema_form)form, name);
			snprintf(ref, sizeof(ref), SCHEMAS "%s", name);
			json_object_set_new(all, name, kind_schema((enum kind)k, (enum kind_schema_form)form));
			json_array_append_new(form == KIND_SCHEMA_SHOWN ? shown : written, reference(ref, NULL));
		}
	}
	json_object_set_new(all, "Resource",
			    json_pack("{s:s, s:[s], s:o}", "description",
				      "As the hub shows it: secrets are \"(sealed)\" or hashed.", "required", "version",
				      "oneOf", shown));
	json_object_set_new(all, "ResourceInput",
			    json_pack("{s:s, s:o}", "description", "As the operator applies it.", "oneOf", written));
	return all;
}
