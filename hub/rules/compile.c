/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles rule files: the members of a file and of its rules, where each error is, and what
 * is left of them when they are right.
 */
#include "hub/rules/compile.h"

#include "hub/rules/pattern.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 256
#define ACTIONS_MAX 32  /* of one rule */
#define ON_MAX 64       /* event types of one rule */
#define TYPE_MAX 256    /* bytes of an event type */
#define SLUG_MIN 3
#define SLUG_MAX 64

struct compiled {
	struct rule rule;
	struct rule_action *actions;
	const json_t *on;
	struct rule_pattern *match; /* NULL: the type decides */
};

struct rule_file {
	unsigned refs;
	json_t *root;               /* strings of the rules point into it */
	struct compiled *rules;
	size_t count;
	char digest[SSF_SHA256_HEX];
};

/* What rules take from "defaults" when they do not say it themselves. */
struct defaults {
	const char *mode;
	const char *severity;
};

static const char *const mode_names[] = {
	[RULE_OFF] = "off",
	[RULE_DRY_RUN] = "dry-run",
	[RULE_ENFORCE] = "enforce",
	NULL,
};

static const char *const severities[] = { "info", "low", "medium", "high", "critical", NULL };

/* --- members of a rule ----------------------------------------------------------------------- */

static bool is_slug(const char *id)
{
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(id);

	return len >= SLUG_MIN && len <= SLUG_MAX && id[0] >= 'a' && id[0] <= 'z' &&
	       strspn(id, rest) == len;
}

static int check_id(const struct rule_file *f, size_t i, const json_t *value,
		    const struct place *at, struct blame *b)
{
	const char *id = json_string_value(json_object_get(value, "id"));

	if (id == NULL || !is_slug(id))
		return place_fail_member(b, at, "id",
					 "\"id\" takes %d to %d of a-z 0-9 . _ -, a letter first",
					 SLUG_MIN, SLUG_MAX);
	for (size_t k = 0; k < i; k++) {
		if (strcmp(f->rules[k].rule.id, id) == 0)
			return place_fail_member(b, at, "id", "another rule has this id");
	}
	f->rules[i].rule.id = id;
	return 0;
}

static int check_texts(const json_t *value, const struct place *at, struct blame *b)
{
	static const char *const names[] = { "title", "description", "runbook", "owner" };
	const json_t *tag;
	size_t i;

	for (i = 0; i < SSF_ARRAY_SIZE(names); i++) {
		const json_t *text = json_object_get(value, names[i]);
		if (text != NULL && json_string_length(text) == 0)
			return place_fail_member(b, at, names[i], "\"%s\" takes a text", names[i]);
	}
	if (json_object_get(value, "title") == NULL)
		return place_fail(b, at, SSF_E_MALFORMED, "the rule needs \"title\"");

	const json_t *tags = json_object_get(value, "tags");
	if (tags != NULL && !json_is_array(tags))
		return place_fail_member(b, at, "tags", "\"tags\" takes an array of strings");
	json_array_foreach(tags, i, tag) {
		struct place list = { at, "tags", 0 }, here = { &list, NULL, i };
		if (!json_is_string(tag))
			return place_fail(b, &here, SSF_E_MALFORMED,
					  "\"tags\" takes an array of strings");
	}
	return 0;
}

static int check_risk(const json_t *value, const struct place *at, struct blame *b)
{
	const json_t *risk = json_object_get(value, "risk");
	json_int_t n = json_integer_value(risk);

	if (risk != NULL && (!json_is_integer(risk) || n < 0 || n > 100))
		return place_fail_member(b, at, "risk", "\"risk\" takes an integer from 0 to 100");
	return 0;
}

/* One of the names, as in the table. *out stays as it was when the member is absent. */
static int opt_name(const json_t *object, const char *key, const char *const *names,
		    const struct place *at, struct blame *b, const char **out)
{
	const json_t *value = json_object_get(object, key);
	ssf_auto_buf list = SSF_BUF(256);

	if (value == NULL)
		return 0;
	if (json_is_string(value) && place_listed(json_string_value(value), names)) {
		*out = json_string_value(value);
		return 0;
	}
	for (size_t i = 0; names[i] != NULL; i++)
		ssf_buf_addf(&list, "%s\"%s\"", i > 0 ? ", " : "", names[i]);
	return place_fail_member(b, at, key, "\"%s\" takes one of %s", key, list.ptr);
}

static int check_mode(struct rule *rule, const json_t *value, const struct defaults *d,
		      const struct place *at, struct blame *b)
{
	const char *mode = d->mode;

	rule->severity = d->severity;
	if (opt_name(value, "mode", mode_names, at, b, &mode) < 0 ||
	    opt_name(value, "severity", severities, at, b, &rule->severity) < 0)
		return -1;
	if (mode == NULL || rule->severity == NULL)
		return place_fail(b, at, SSF_E_MALFORMED,
				  "the rule needs \"%s\", here or in \"defaults\"",
				  mode == NULL ? "mode" : "severity");
	for (size_t i = 0; mode_names[i] != NULL; i++) {
		if (strcmp(mode, mode_names[i]) == 0)
			rule->mode = (enum rule_mode)i;
	}
	return 0;
}

/* An event type, or a prefix of types that ends in ".*" */
static int check_type(const json_t *type, const struct place *at, struct blame *b)
{
	size_t len = json_string_length(type);
	struct ssf_str text = { json_string_value(type), len };
	const char *star;

	if (len == 0 || len > TYPE_MAX)
		return place_fail(b, at, SSF_E_MALFORMED, "an event type is a string of 1 to %d bytes",
				  TYPE_MAX);
	star = strchr(text.ptr, '*');
	if (star != NULL && (len < 3 || star != text.ptr + len - 1 || star[-1] != '.'))
		return place_fail(b, at, SSF_E_MALFORMED,
				  "\"*\" stands only at the end, behind a dot: \"agent.*\"");
	if (ssf_str_has_prefix(text, "caep:") || ssf_str_has_prefix(text, "risc:"))
		return place_fail(b, at, SSF_E_MALFORMED,
				  "events that come in are named by their URI here");
	return 0;
}

static int compile_on(struct compiled *c, const json_t *value, const struct place *at,
		      struct blame *b)
{
	const json_t *on = json_object_get(value, "on"), *type;
	struct place here = { at, "on", 0 };
	size_t i;

	if (on == NULL)
		return place_fail(b, at, SSF_E_MALFORMED, "the rule needs \"on\"");
	if (json_array_size(on) == 0)
		return place_fail(b, &here, SSF_E_MALFORMED, "\"on\" takes an array of event types");
	if (json_array_size(on) > ON_MAX)
		return place_fail(b, &here, SSF_E_LIMIT, "more than %d event types", ON_MAX);
	json_array_foreach(on, i, type) {
		struct place there = { &here, NULL, i };
		if (check_type(type, &there, b) < 0)
			return -1;
	}
	c->on = on;
	return 0;
}

static int compile_match(struct compiled *c, const json_t *value, const struct place *at,
			 struct blame *b)
{
	const json_t *match = json_object_get(value, "match");
	struct place here = { at, "match", 0 };

	return match == NULL ? 0 : pattern_compile(match, &here, b, &c->match);
}

static int compile_actions(struct compiled *c, const json_t *value, const struct place *at,
			   struct blame *b)
{
	const json_t *actions = json_object_get(value, "actions"), *action;
	struct place here = { at, "actions", 0 };
	size_t count = json_array_size(actions), i;

	if (actions == NULL)
		return place_fail(b, at, SSF_E_MALFORMED, "the rule needs \"actions\"");
	if (count == 0)
		return place_fail(b, &here, SSF_E_MALFORMED, "\"actions\" takes an array of actions");
	if (count > ACTIONS_MAX)
		return place_fail(b, &here, SSF_E_LIMIT, "more than %d actions", ACTIONS_MAX);
	c->actions = calloc(count, sizeof(c->actions[0]));
	if (c->actions == NULL)
		return ssf_fail(b->err, SSF_E_NOMEM, "rules");
	json_array_foreach(actions, i, action) {
		struct place there = { &here, NULL, i };
		if (action_compile(action, &there, b, &c->actions[i]) < 0)
			return -1;
	}
	c->rule.actions = c->actions;
	c->rule.action_count = count;
	return 0;
}

/* Tests are kept with the rule; this version does not run them. */
static int check_tests(const json_t *value, const struct place *at, struct blame *b)
{
	const json_t *tests = json_object_get(value, "tests"), *test;
	struct place here = { at, "tests", 0 };
	size_t i;

	if (tests != NULL && !json_is_array(tests))
		return place_fail(b, &here, SSF_E_MALFORMED, "\"tests\" takes an array of objects");
	json_array_foreach(tests, i, test) {
		struct place there = { &here, NULL, i };
		if (!json_is_object(test))
			return place_fail(b, &there, SSF_E_MALFORMED, "a test is an object");
	}
	return 0;
}

static int compile_rule(struct rule_file *f, size_t i, const json_t *value,
			const struct defaults *d, const struct place *at, struct blame *b)
{
	static const char *const names[] = { "id", "title", "description", "runbook", "owner",
					     "tags", "mode", "severity", "risk", "on", "match",
					     "actions", "tests", NULL };
	static const char *const later[] = { "unless", "state", "suppress", "limits", NULL };
	struct compiled *c = &f->rules[i];

	if (!json_is_object(value))
		return place_fail(b, at, SSF_E_MALFORMED, "a rule is an object");
	if (place_only(b, at, value, names, later) < 0 || check_id(f, i, value, at, b) < 0 ||
	    check_texts(value, at, b) < 0 || check_mode(&c->rule, value, d, at, b) < 0 ||
	    check_risk(value, at, b) < 0 || compile_on(c, value, at, b) < 0 ||
	    compile_match(c, value, at, b) < 0 || compile_actions(c, value, at, b) < 0 ||
	    check_tests(value, at, b) < 0)
		return -1;
	c->rule.title = json_string_value(json_object_get(value, "title"));
	return 0;
}

/* --- files ----------------------------------------------------------------------------------- */

static int compile_defaults(const json_t *file, const struct place *at, struct blame *b,
			    struct defaults *out)
{
	static const char *const names[] = { "mode", "severity", NULL };
	static const char *const later[] = { "description", "runbook", "owner", "tags", "risk", "on",
					     "match", "unless", "state", "suppress", "actions",
					     "limits", NULL };
	const json_t *value = json_object_get(file, "defaults");
	struct place here = { at, "defaults", 0 };

	if (value == NULL)
		return 0;
	if (!json_is_object(value))
		return place_fail(b, &here, SSF_E_MALFORMED, "\"defaults\" takes an object");
	if (place_only(b, &here, value, names, later) < 0 ||
	    opt_name(value, "mode", mode_names, &here, b, &out->mode) < 0)
		return -1;
	return opt_name(value, "severity", severities, &here, b, &out->severity);
}

/* Says which rule the error is about: by its id, or by its number when that is no name. */
static int blame_rule(struct ssf_err *err, const json_t *rule, size_t i)
{
	const char *id = json_string_value(json_object_get(rule, "id"));

	if (id != NULL && is_slug(id))
		return ssf_fail_prefix(err, "rule %s", id);
	return ssf_fail_prefix(err, "rule #%zu", i + 1);
}

static int compile_rules(struct rule_file *f, const struct defaults *d, const struct place *at,
			 struct blame *b)
{
	const json_t *rules = json_object_get(f->root, "rules"), *rule;
	struct place here = { at, "rules", 0 };
	size_t count = json_array_size(rules), i;

	if (rules == NULL)
		return place_fail(b, at, SSF_E_MALFORMED, "the file needs \"rules\"");
	if (count == 0)
		return place_fail(b, &here, SSF_E_MALFORMED, "\"rules\" takes an array of rules");
	if (count > RULES_MAX)
		return place_fail(b, &here, SSF_E_LIMIT, "more than %d rules", RULES_MAX);
	f->rules = calloc(count, sizeof(f->rules[0]));
	if (f->rules == NULL)
		return ssf_fail(b->err, SSF_E_NOMEM, "rules");
	f->count = count;
	json_array_foreach(rules, i, rule) {
		struct place there = { &here, NULL, i };
		if (compile_rule(f, i, rule, d, &there, b) < 0)
			return blame_rule(b->err, rule, i);
	}
	return 0;
}

static int compile_file(struct rule_file *f, struct blame *b)
{
	static const char *const names[] = { "hrl", "defaults", "rules", NULL };
	static const char *const later[] = { "lists", NULL };
	struct place whole = { NULL, NULL, 0 };
	struct defaults d = { NULL, NULL };

	if (!json_is_object(f->root))
		return place_fail(b, &whole, SSF_E_MALFORMED, "a rule file is an object");
	if (place_only(b, &whole, f->root, names, later) < 0)
		return -1;
	if (json_integer_value(json_object_get(f->root, "hrl")) != 1)
		return place_fail_member(b, &whole, "hrl", "the file needs \"hrl\": 1");
	if (compile_defaults(f->root, &whole, b, &d) < 0)
		return -1;
	return compile_rules(f, &d, &whole, b);
}

/* --- text ------------------------------------------------------------------------------------ */

/* Comments are not JSON, but have to be UTF-8 as well. */
static int check_utf8(struct ssf_str text, struct ssf_err *err)
{
	unsigned line = 1;
	size_t start = 0, at = 0;

	while (at < text.len) {
		size_t len = 1;
		while (len < 4 && len < text.len - at &&
		       !ssf_utf8_valid((struct ssf_str){ text.ptr + at, len }))
			len++;
		if (!ssf_utf8_valid((struct ssf_str){ text.ptr + at, len }))
			return ssf_fail(err, SSF_E_MALFORMED, "%u:%zu: not UTF-8", line,
					at - start + 1);
		at += len;
		if (text.ptr[at - 1] == '\n') {
			line++;
			start = at;
		}
	}
	return 0;
}

/* ssf_json_parse() says in words where the error is; a rule file's errors begin with it. */
static int blame_syntax(struct ssf_err *err)
{
	unsigned line = 1, column = 1;
	int skip = 0;
	char what[sizeof(err->msg)];

	if (err == NULL)
		return -1;
	if (sscanf(err->msg, "JSON: line %u column %u: %n", &line, &column, &skip) != 2)
		sscanf(err->msg, "JSON: %n", &skip);
	snprintf(what, sizeof(what), "%s", err->msg + skip);
	/* jansson counts characters that it has read: none, if the line has just begun */
	return ssf_fail(err, err->code, "%u:%u: %s", line, column > 0 ? column : 1, what);
}

static int blame_place(struct ssf_err *err, struct ssf_str text, const struct blame *b)
{
	unsigned line = 1, column = 1;

	ssf_json_locate(text, b->pointer.len > 0 ? b->pointer.ptr : "", &line, &column);
	return ssf_fail_prefix(err, "%u:%u", line, column);
}

int rule_file_compile(struct ssf_str text, struct rule_file **out, struct ssf_err *err)
{
	struct ssf_json_limits limits = ssf_json_default;
	ssf_auto(rule_file) f = calloc(1, sizeof(*f));
	ssf_auto_free char *plain = NULL;
	struct blame b = { .err = err };

	if (f == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	if (text.len > RULES_FILE_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "1:1: larger than %d bytes", RULES_FILE_MAX);
	if (check_utf8(text, err) < 0)
		return -1;
	plain = ssf_str_dup(text);
	if (plain == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	ssf_json_strip_comments(plain, text.len);
	limits.max_bytes = RULES_FILE_MAX;
	if (ssf_json_parse((struct ssf_str){ plain, text.len }, &limits, &f->root, err) < 0)
		return blame_syntax(err);

	f->refs = 1;
	ssf_sha256_hex(text, f->digest);
	ssf_buf_init(&b.pointer, BLAME_POINTER_MAX);
	int r = compile_file(f, &b);
	if (r < 0)
		blame_place(err, (struct ssf_str){ plain, text.len }, &b);
	ssf_buf_done(&b.pointer);
	if (r == 0)
		*out = SSF_STEAL(f);
	return r;
}

/* --- compiled files -------------------------------------------------------------------------- */

struct rule_file *rule_file_ref(struct rule_file *f)
{
	f->refs++;
	return f;
}

void rule_file_free(struct rule_file *f)
{
	if (f == NULL || (f->refs > 0 && --f->refs > 0))
		return;
	for (size_t i = 0; i < f->count; i++) {
		free(f->rules[i].actions);
		rule_pattern_free(f->rules[i].match);
	}
	free(f->rules);
	json_decref(f->root);
	free(f);
}

size_t rule_file_count(const struct rule_file *f)
{
	return f->count;
}

const struct rule *rule_file_at(const struct rule_file *f, size_t i)
{
	return &f->rules[i].rule;
}

const char *rule_file_digest(const struct rule_file *f)
{
	return f->digest;
}

bool rule_wants(const struct rule_file *f, size_t i, const char *type)
{
	const json_t *on;
	size_t k;

	json_array_foreach(f->rules[i].on, k, on) {
		const char *want = json_string_value(on);
		size_t len = json_string_length(on);

		if (want[len - 1] == '*' ? strncmp(type, want, len - 1) == 0
					 : strcmp(type, want) == 0)
			return true;
	}
	return false;
}

int rule_match(const struct rule_file *f, size_t i, const json_t *document, bool *matched,
	       json_t *trace, struct ssf_err *err)
{
	const char *type = json_string_value(json_object_get(document, "type"));

	if (type == NULL || !rule_wants(f, i, type)) {
		*matched = false;
		return 0;
	}
	if (f->rules[i].match == NULL) {
		*matched = true;
		return 0;
	}
	return pattern_match(f->rules[i].match, document, matched, trace, err);
}
