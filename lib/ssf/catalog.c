/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event types and what their members may be, all from catalog.def. RISC
 * does not say that its reasons are language maps, so a plain text passes too.
 */
#include "lib/ssf/catalog.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"

#include <string.h>

#define BASE "https://schemas.openid.net/secevent/"
#define EVENT(profile, type, is_control, ...) \
	{ BASE profile "/event-type/" type, profile ":" type, { __VA_ARGS__ }, is_control },

static const struct ssf_event_type types[] = {
#define CAEP(type, ...) EVENT("caep", type, 0, __VA_ARGS__)
#define RISC(type, ...) EVENT("risc", type, 0, __VA_ARGS__)
#define SSF(type, ...) EVENT("ssf", type, 1, __VA_ARGS__)
#include "lib/ssf/catalog.def"
};

enum shape {
	NUMBER,
	STRING,
	FILLED_STRING,
	FILLED_OBJECT,
	STRINGS,
	MESSAGES, /* language tags to texts, at least one */
	TEXT,     /* a string or MESSAGES */
};

struct member {
	const char *scope;
	const char *name;
	enum shape shape;
	const char *values[5]; /* all that are allowed, NULL-terminated; none: any */
};

static const struct member members[] = {
#define MEMBER(scope, name, shape, ...) { scope, name, shape, { __VA_ARGS__ } },
#include "lib/ssf/catalog.def"
};

const struct ssf_event_type *ssf_event_types(size_t *count)
{
	*count = SSF_ARRAY_SIZE(types);
	return types;
}

const struct ssf_event_type *ssf_event_by_uri(const char *uri)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].uri, uri) == 0)
			return &types[i];
	}
	return NULL;
}

const struct ssf_event_type *ssf_event_by_name(const char *name)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

struct subject_rule {
	const char *event;
	const char *formats[3]; /* NULL-terminated */
};

static const struct subject_rule subject_rules[] = {
#define SUBJECT(event, ...) { event, { __VA_ARGS__ } },
#include "lib/ssf/catalog.def"
};

static bool in_scope(const struct member *member, const struct ssf_event_type *type)
{
	struct ssf_str scope = ssf_str_c(member->scope);

	if (ssf_str_has_suffix(scope, ":"))
		return ssf_str_has_prefix(ssf_str_c(type->name), member->scope);
	return ssf_str_eq_c(scope, type->name);
}

static bool is_listed(const char *const *list, const char *text)
{
	for (size_t i = 0; list[i] != NULL; i++) {
		if (strcmp(list[i], text) == 0)
			return true;
	}
	return false;
}

static bool value_allowed(const struct member *member, const char *text)
{
	return member->values[0] == NULL || is_listed(member->values, text);
}

static bool is_messages(const json_t *value)
{
	json_t *object = (json_t *)value; /* only iterated over */
	const char *language;
	json_t *text;

	if (json_object_size(value) == 0)
		return false;
	json_object_foreach(object, language, text) {
		if (!json_is_string(text))
			return false;
	}
	return true;
}

static bool is_strings(const json_t *value)
{
	const json_t *element;
	size_t i;

	json_array_foreach(value, i, element) {
		if (!json_is_string(element))
			return false;
	}
	return json_is_array(value);
}

static bool fits(const struct member *member, const json_t *value)
{
	switch (member->shape) {
	case NUMBER:
		return json_is_number(value);
	case STRING:
		return json_is_string(value) && value_allowed(member, json_string_value(value));
	case FILLED_STRING:
		return json_string_length(value) > 0;
	case FILLED_OBJECT:
		return json_object_size(value) > 0;
	case STRINGS:
		return is_strings(value);
	case MESSAGES:
		return is_messages(value);
	case TEXT:
		return json_is_string(value) || is_messages(value);
	}
	return false;
}

int ssf_event_check(const struct ssf_event_type *type, const json_t *claims, struct ssf_err *err)
{
	if (!json_is_object(claims))
		return ssf_fail(err, SSF_E_MALFORMED, "event: not an object");
	if (type == NULL)
		return 0;
	for (size_t i = 0; type->required[i] != NULL; i++) {
		if (json_object_get(claims, type->required[i]) == NULL)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: %s: missing", type->name,
					type->required[i]);
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(members); i++) {
		const json_t *value = json_object_get(claims, members[i].name);
		if (value != NULL && in_scope(&members[i], type) && !fits(&members[i], value))
			return ssf_fail(err, SSF_E_MALFORMED, "%s: %s: wrong type or value",
					type->name, members[i].name);
	}
	return 0;
}

int ssf_event_check_subject(const struct ssf_event_type *type, const json_t *subject,
			    struct ssf_err *err)
{
	const char *format = json_string_value(json_object_get(subject, "format"));

	for (size_t i = 0; type != NULL && i < SSF_ARRAY_SIZE(subject_rules); i++) {
		const struct subject_rule *rule = &subject_rules[i];
		if (strcmp(rule->event, type->name) == 0 &&
		    (format == NULL || !is_listed(rule->formats, format)))
			return ssf_fail(err, SSF_E_MALFORMED, "format: %s takes email or phone_number alone",
					type->name);
	}
	return 0;
}

/* --- on the way out ---------------------------------------------------------------------------- */

/* The year 5138 in seconds: larger numbers are milliseconds. */
#define SECONDS_MAX 1e11

static bool says_something(const json_t *messages)
{
	json_t *object = (json_t *)messages; /* only iterated over */
	const char *language;
	json_t *text;

	json_object_foreach(object, language, text) {
		if (json_string_length(text) > 0)
			return true;
	}
	return false;
}

static int seconds_out(json_t *claims)
{
	double at = json_number_value(json_object_get(claims, "event_timestamp"));

	if (at <= SECONDS_MAX || at >= 1e18)
		return 0;
	return json_object_set_new(claims, "event_timestamp", json_integer((json_int_t)(at / 1000)));
}

static int reason_out(const struct ssf_event_type *type, json_t *claims)
{
	if (says_something(json_object_get(claims, "reason_admin")))
		return 0;
	return json_object_set_new(claims, "reason_admin",
				   json_pack("{s:s+}", "en", type->name, ", without a reason given"));
}

json_t *ssf_event_outgoing(const struct ssf_event_type *type, const json_t *claims)
{
	json_auto_t *out = claims != NULL ? json_copy((json_t *)claims) : json_object();
	bool caep = type != NULL && ssf_str_has_prefix(ssf_str_c(type->name), "caep:");

	if (out == NULL || type == NULL || type->control)
		return SSF_STEAL(out);
	if (seconds_out(out) < 0 || (caep && reason_out(type, out) < 0))
		return NULL;
	return SSF_STEAL(out);
}
