/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a rule file, and its text: UTF-8, comments, syntax. */
#include "hub/rules/rule_file.h"

#include "hub/rules/language.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 256

struct rule_file {
	unsigned refs;
	json_t *root; /* strings of the rules point into it */
	struct rule *rules;
	size_t count;
	char digest[SSF_SHA256_HEX];
};

/* Puts the rule's id before the message, or its number when the id is none. Returns -1. */
static int name_rule(struct ssf_diagnostic *diag, const json_t *rule, size_t i)
{
	const char *id = json_string_value(json_object_get(rule, "id"));

	if (rule_id_valid(id))
		return ssf_fail_prefix(&diag->err, "rule %s", id);
	return ssf_fail_prefix(&diag->err, "rule #%zu", i + 1);
}

static int compile_rule(struct rule_file *f, size_t i, const json_t *value,
			const struct rule_defaults *defaults, const struct ssf_json_path *at,
			struct ssf_diagnostic *diag)
{
	struct rule *rule = &f->rules[i];

	f->count++; /* rule_done() is called for it */
	if (rule_compile(value, defaults, at, diag, rule) < 0)
		return -1;
	for (size_t k = 0; k < i; k++) {
		if (strcmp(f->rules[k].id, rule->id) == 0)
			return ssf_diagnose_member(diag, at, "id", "another rule has this id");
	}
	return 0;
}

static int compile_rules(struct rule_file *f, const struct rule_defaults *defaults,
			 const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	const struct ssf_json_path *here = SSF_JSON_MEMBER(at, "rules");
	const json_t *rules = json_object_get(f->root, "rules"), *rule;
	size_t count = json_array_size(rules), i;

	if (rules == NULL)
		return ssf_diagnose(diag, at, "the file needs \"rules\"");
	if (count == 0)
		return ssf_diagnose(diag, here, "\"rules\" takes an array of rules");
	if (count > RULES_MAX)
		return ssf_diagnose_limit(diag, here, "more than %d rules", RULES_MAX);
	f->rules = calloc(count, sizeof(f->rules[0]));
	if (f->rules == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	json_array_foreach(rules, i, rule) {
		if (compile_rule(f, i, rule, defaults, SSF_JSON_ELEMENT(here, i), diag) < 0)
			return name_rule(diag, rule, i);
	}
	return 0;
}

static int compile_file(struct rule_file *f, struct ssf_diagnostic *diag)
{
	static const char *const names[] = { "hrl", "defaults", "rules", NULL };
	static const char *const later[] = { "lists", NULL };
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	const json_t *defaults = json_object_get(f->root, "defaults");
	struct rule_defaults d = { NULL, NULL };

	if (!json_is_object(f->root))
		return ssf_diagnose(diag, &whole, "a rule file is an object");
	if (language_only_members(diag, &whole, f->root, names, later) < 0)
		return -1;
	if (json_integer_value(json_object_get(f->root, "hrl")) != 1)
		return ssf_diagnose_member(diag, &whole, "hrl", "the file needs \"hrl\": 1");
	if (defaults != NULL &&
	    rule_defaults_compile(defaults, SSF_JSON_MEMBER(&whole, "defaults"), diag, &d) < 0)
		return -1;
	return compile_rules(f, &d, &whole, diag);
}

/* --- text ---------------------------------------------------------------------------------- */

/* Comments are not JSON, but have to be UTF-8 as well. */
static int check_utf8(struct ssf_str text, struct ssf_diagnostic *diag)
{
	size_t valid = ssf_utf8_prefix(text), start = 0;

	if (valid == text.len)
		return 0;
	diag->line = 1;
	for (size_t i = 0; i < valid; i++) {
		if (text.ptr[i] == '\n') {
			diag->line++;
			start = i + 1;
		}
	}
	diag->column = (unsigned)(valid - start) + 1;
	return ssf_fail(&diag->err, SSF_E_MALFORMED, "not UTF-8");
}

static int parse_text(struct rule_file *f, struct ssf_str text, char *plain,
		      struct ssf_diagnostic *diag)
{
	const struct ssf_json_limits limits = { .max_bytes = RULE_FILE_MAX,
						.max_depth = ssf_json_default.max_depth };

	if (text.len <= RULE_FILE_MAX && check_utf8(text, diag) < 0)
		return -1;
	ssf_json_strip_comments(plain, text.len);
	diag->text = (struct ssf_str){ plain, text.len };
	if (ssf_json_parse_at(diag->text, &limits, &f->root, &diag->line, &diag->column,
			      &diag->err) == 0)
		return 0;
	if (diag->line == 0)
		diag->line = diag->column = 1;
	return -1;
}

int rule_file_compile(struct ssf_str text, struct rule_file **out, struct ssf_diagnostic *diag)
{
	ssf_auto(rule_file) f = calloc(1, sizeof(*f));
	ssf_auto_free char *plain = ssf_str_dup(text);
	int r;

	*diag = (struct ssf_diagnostic){ .line = 0 };
	if (f == NULL || plain == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	f->refs = 1;
	ssf_sha256_hex(text, f->digest);
	r = parse_text(f, text, plain, diag);
	if (r == 0)
		r = compile_file(f, diag);
	diag->text = text; /* of the same length, and it outlives this call */
	if (r == 0)
		*out = SSF_STEAL(f);
	return r;
}

/* --- compiled files ------------------------------------------------------------------------ */

struct rule_file *rule_file_ref(struct rule_file *f)
{
	f->refs++;
	return f;
}

void rule_file_free(struct rule_file *f)
{
	if (f == NULL || (f->refs > 0 && --f->refs > 0))
		return;
	for (size_t i = 0; i < f->count; i++)
		rule_done(&f->rules[i]);
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
	return &f->rules[i];
}

const char *rule_file_digest(const struct rule_file *f)
{
	return f->digest;
}
