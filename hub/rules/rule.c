/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a rule. The JSON value owns all strings. */
#include "hub/rules/rule.h"

#include "hub/rules/language.h"
#include "hub/rules/match.h"

#include <stdlib.h>
#include <string.h>

#define ACTIONS_MAX 32  /* of one rule */
#define ON_MAX 64       /* event types of one rule */
#define TYPE_MAX 256    /* bytes of an event type */
#define ID_MIN 3
#define ID_MAX 64

static const char *const mode_names[] = {
	[RULE_OFF] = "off",
	[RULE_DRY_RUN] = "dry-run",
	[RULE_ENFORCE] = "enforce",
	NULL,
};

static const char *const severities[] = { "info", "low", "medium", "high", "critical", NULL };

const char *rule_mode_name(enum rule_mode mode)
{
	return mode_names[mode];
}

bool rule_id_valid(const char *id)
{
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = id != NULL ? strlen(id) : 0;

	return len >= ID_MIN && len <= ID_MAX && id[0] >= 'a' && id[0] <= 'z' &&
	       strspn(id, rest) == len;
}

/* --- members ------------------------------------------------------------------------------- */

static int check_id(const json_t *value, const struct ssf_json_path *at,
		    struct ssf_diagnostic *diag, const char **out)
{
	*out = json_string_value(json_object_get(value, "id"));
	if (!rule_id_valid(*out))
		return ssf_diagnose_member(diag, at, "id",
					   "\"id\" takes %d to %d of a-z 0-9 . _ -, a letter first",
					   ID_MIN, ID_MAX);
	return 0;
}

static int check_texts(const json_t *value, const struct ssf_json_path *at,
		       struct ssf_diagnostic *diag)
{
	static const char *const names[] = { "title", "description", "runbook", "owner" };
	const json_t *tag;
	size_t i;

	for (i = 0; i < SSF_ARRAY_SIZE(names); i++) {
		const json_t *text = json_object_get(value, names[i]);
		if (text != NULL && json_string_length(text) == 0)
			return ssf_diagnose_member(diag, at, names[i], "\"%s\" takes a text",
						   names[i]);
	}
	if (json_object_get(value, "title") == NULL)
		return ssf_diagnose(diag, at, "the rule needs \"title\"");

	const json_t *tags = json_object_get(value, "tags");
	if (tags != NULL && !json_is_array(tags))
		return ssf_diagnose_member(diag, at, "tags", "\"tags\" takes an array of strings");
	json_array_foreach(tags, i, tag) {
		struct ssf_json_path list = { at, "tags", 0 }, here = { &list, NULL, i };
		if (!json_is_string(tag))
			return ssf_diagnose(diag, &here, "\"tags\" takes an array of strings");
	}
	return 0;
}

static int check_risk(const json_t *value, const struct ssf_json_path *at,
		      struct ssf_diagnostic *diag)
{
	const json_t *risk = json_object_get(value, "risk");
	json_int_t n = json_integer_value(risk);

	if (risk != NULL && (!json_is_integer(risk) || n < 0 || n > 100))
		return ssf_diagnose_member(diag, at, "risk",
					   "\"risk\" takes an integer from 0 to 100");
	return 0;
}

/* A member that takes one of the names. *out stays as it was when the member is absent. */
static int opt_name(const json_t *object, const char *key, const char *const *names,
		    const struct ssf_json_path *at, struct ssf_diagnostic *diag, const char **out)
{
	const json_t *value = json_object_get(object, key);
	ssf_auto_buf list = SSF_BUF(256);

	if (value == NULL)
		return 0;
	if (json_is_string(value) && language_listed(json_string_value(value), names)) {
		*out = json_string_value(value);
		return 0;
	}
	for (size_t i = 0; names[i] != NULL; i++)
		ssf_buf_addf(&list, "%s\"%s\"", i > 0 ? ", " : "", names[i]);
	return ssf_diagnose_member(diag, at, key, "\"%s\" takes one of %s", key, list.ptr);
}

static int check_mode(struct rule *rule, const json_t *value, const struct rule_defaults *d,
		      const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	const char *mode = d->mode;

	rule->severity = d->severity;
	if (opt_name(value, "mode", mode_names, at, diag, &mode) < 0 ||
	    opt_name(value, "severity", severities, at, diag, &rule->severity) < 0)
		return -1;
	if (mode == NULL || rule->severity == NULL)
		return ssf_diagnose(diag, at, "the rule needs \"%s\", here or in \"defaults\"",
				    mode == NULL ? "mode" : "severity");
	for (size_t i = 0; mode_names[i] != NULL; i++) {
		if (strcmp(mode, mode_names[i]) == 0)
			rule->mode = (enum rule_mode)i;
	}
	return 0;
}

/* An event type, or a prefix of types that ends in ".*" */
static int check_type(const json_t *type, const struct ssf_json_path *at,
		      struct ssf_diagnostic *diag)
{
	size_t len = json_string_length(type);
	struct ssf_str text = { json_string_value(type), len };
	const char *star;

	if (len == 0 || len > TYPE_MAX)
		return ssf_diagnose(diag, at, "an event type is a string of 1 to %d bytes",
				    TYPE_MAX);
	star = strchr(text.ptr, '*');
	if (star != NULL && (len < 3 || star != text.ptr + len - 1 || star[-1] != '.'))
		return ssf_diagnose(diag, at,
				    "\"*\" stands only at the end, behind a dot: \"agent.*\"");
	if (ssf_str_has_prefix(text, "caep:") || ssf_str_has_prefix(text, "risc:"))
		return ssf_diagnose(diag, at, "events that come in are named by their URI here");
	return 0;
}

static int compile_on(struct rule *rule, const json_t *value, const struct ssf_json_path *at,
		      struct ssf_diagnostic *diag)
{
	const struct ssf_json_path *here = SSF_JSON_MEMBER(at, "on");
	const json_t *on = json_object_get(value, "on"), *type;
	size_t i;

	if (on == NULL)
		return ssf_diagnose(diag, at, "the rule needs \"on\"");
	if (json_array_size(on) == 0)
		return ssf_diagnose(diag, here, "\"on\" takes an array of event types");
	if (json_array_size(on) > ON_MAX)
		return ssf_diagnose_limit(diag, here, "more than %d event types", ON_MAX);
	json_array_foreach(on, i, type) {
		if (check_type(type, SSF_JSON_ELEMENT(here, i), diag) < 0)
			return -1;
	}
	rule->on = on;
	return 0;
}

static int compile_actions(struct rule *rule, const json_t *value, const struct ssf_json_path *at,
			   struct ssf_diagnostic *diag)
{
	const struct ssf_json_path *here = SSF_JSON_MEMBER(at, "actions");
	const json_t *actions = json_object_get(value, "actions"), *action;
	size_t count = json_array_size(actions), i;

	if (actions == NULL)
		return ssf_diagnose(diag, at, "the rule needs \"actions\"");
	if (count == 0)
		return ssf_diagnose(diag, here, "\"actions\" takes an array of actions");
	if (count > ACTIONS_MAX)
		return ssf_diagnose_limit(diag, here, "more than %d actions", ACTIONS_MAX);
	rule->actions = calloc(count, sizeof(rule->actions[0]));
	if (rule->actions == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	rule->action_count = count;
	json_array_foreach(actions, i, action) {
		if (action_compile(action, SSF_JSON_ELEMENT(here, i), diag, &rule->actions[i]) < 0)
			return -1;
	}
	return 0;
}

/* Tests are kept with the rule; this version does not run them. */
static int check_tests(const json_t *value, const struct ssf_json_path *at,
		       struct ssf_diagnostic *diag)
{
	const json_t *tests = json_object_get(value, "tests"), *test;
	struct ssf_json_path here = { at, "tests", 0 };
	size_t i;

	if (tests != NULL && !json_is_array(tests))
		return ssf_diagnose(diag, &here, "\"tests\" takes an array of objects");
	json_array_foreach(tests, i, test) {
		struct ssf_json_path there = { &here, NULL, i };
		if (!json_is_object(test))
			return ssf_diagnose(diag, &there, "a test is an object");
	}
	return 0;
}

/* --- rules --------------------------------------------------------------------------------- */

int rule_defaults_compile(const json_t *value, const struct ssf_json_path *at,
			  struct ssf_diagnostic *diag, struct rule_defaults *out)
{
	static const char *const names[] = { "mode", "severity", NULL };
	static const char *const later[] = { "description", "runbook", "owner", "tags", "risk",
					     "on", "match", "unless", "state", "suppress",
					     "actions", "limits", NULL };

	if (!json_is_object(value))
		return ssf_diagnose(diag, at, "\"defaults\" takes an object");
	if (language_only_members(diag, at, value, names, later) < 0 ||
	    opt_name(value, "mode", mode_names, at, diag, &out->mode) < 0)
		return -1;
	return opt_name(value, "severity", severities, at, diag, &out->severity);
}

int rule_compile(const json_t *value, const struct rule_defaults *defaults,
		 const struct ssf_json_path *at, struct ssf_diagnostic *diag, struct rule *out)
{
	static const char *const names[] = { "id", "title", "description", "runbook", "owner",
					     "tags", "mode", "severity", "risk", "on", "match",
					     "actions", "tests", NULL };
	static const char *const later[] = { "unless", "state", "suppress", "limits", NULL };
	const json_t *match = json_object_get(value, "match");

	if (!json_is_object(value))
		return ssf_diagnose(diag, at, "a rule is an object");
	if (language_only_members(diag, at, value, names, later) < 0 ||
	    check_id(value, at, diag, &out->id) < 0 || check_texts(value, at, diag) < 0 ||
	    check_mode(out, value, defaults, at, diag) < 0 || check_risk(value, at, diag) < 0 ||
	    compile_on(out, value, at, diag) < 0)
		return -1;
	if (match != NULL &&
	    pattern_compile(match, SSF_JSON_MEMBER(at, "match"), diag, &out->pattern) < 0)
		return -1;
	if (compile_actions(out, value, at, diag) < 0 || check_tests(value, at, diag) < 0)
		return -1;
	out->title = json_string_value(json_object_get(value, "title"));
	return 0;
}

void rule_done(struct rule *rule)
{
	for (size_t i = 0; i < rule->action_count; i++)
		action_done(&rule->actions[i]);
	free(rule->actions);
	pattern_free(rule->pattern);
}

bool rule_wants(const struct rule *rule, const char *type)
{
	const json_t *on;
	size_t k;

	json_array_foreach(rule->on, k, on) {
		const char *want = json_string_value(on);
		size_t len = json_string_length(on);

		if (want[len - 1] == '*' ? strncmp(type, want, len - 1) == 0 :
					   strcmp(type, want) == 0)
			return true;
	}
	return false;
}

int rule_match(const struct rule *rule, const json_t *document, bool *matched, json_t *trace,
	       struct ssf_err *err)
{
	const char *type = json_string_value(json_object_get(document, "type"));

	*matched = type != NULL && rule_wants(rule, type);
	if (!*matched || rule->pattern == NULL)
		return 0;
	return match_pattern(rule->pattern, document, matched, trace, err);
}
