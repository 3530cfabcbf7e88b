/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule language, HRL v1 (docs/reference/rules.md): a rule file is compiled once and matched
 * against event documents. Pure: no I/O, no clock, no registry; the caller joins what
 * rules may refer to into the document. Compiled rules are immutable and reference counted.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define RULES_FILE_MAX (1024 * 1024)

enum rule_mode { RULE_OFF, RULE_DRY_RUN, RULE_ENFORCE };

enum rule_action_kind { RULE_EMIT, RULE_REVOKE, RULE_SUSPEND };

enum rule_target { RULE_TARGET_AGENT, RULE_TARGET_TOKEN, RULE_TARGET_CREDENTIAL };

/* One action; strings are templates with ${path} and ${path|default}. */
struct rule_action {
	enum rule_action_kind kind;
	const char *event_uri;     /* emit: URI */
	const json_t *subject;     /* emit: string "agent" or a subject object of templates */
	const json_t *claims;      /* emit: object of templates, or NULL */
	enum rule_target what;     /* revoke */
	const char *target;        /* revoke, suspend: template */
	int64_t until_s;           /* revoke: seconds, 0 = for ever */
	const char *reason;        /* template */
};

struct rule {
	const char *id;
	const char *title;
	const char *severity;
	enum rule_mode mode;
	const struct rule_action *actions;
	size_t action_count;
};

struct rule_file;

/*
 * Compiles the text of a rule file (comments and trailing commas allowed). Every error is
 * "LINE:COLUMN: rule ID: what is wrong" and covers syntax, unknown keys, operators of the
 * language that this version does not run, wrong types, limits (256 rules, pattern depth 16,
 * 1,000 alternatives, 256 $or branches), duplicate rule ids, actions without what they need.
 */
ssf_nodiscard int rule_file_compile(struct ssf_str text, struct rule_file **out,
				    struct ssf_err *err);
struct rule_file *rule_file_ref(struct rule_file *f);
void rule_file_free(struct rule_file *f);
SSF_DEFINE_AUTO(rule_file)

size_t rule_file_count(const struct rule_file *f);
const struct rule *rule_file_at(const struct rule_file *f, size_t i);
const char *rule_file_digest(const struct rule_file *f); /* hex SHA-256 of the text */

/* Whether rule i wants events of this type at all (its "on"). */
bool rule_wants(const struct rule_file *f, size_t i, const char *type);

/*
 * Whether rule i matches the document ("on", then "match"). trace, if not NULL, gets an
 * array of {"path","op","value"} for the patterns that decided a match: why it matched.
 * SSF_E_NOMEM is the only failure. Values of paths are those of the document: it holds no secrets.
 */
ssf_nodiscard int rule_match(const struct rule_file *f, size_t i, const json_t *document,
			     bool *matched, json_t *trace, struct ssf_err *err);

/* A pattern alone, for stream filters and tests. */
struct rule_pattern;
ssf_nodiscard int rule_pattern_compile(const json_t *pattern, struct rule_pattern **out,
				       struct ssf_err *err);
void rule_pattern_free(struct rule_pattern *p);
SSF_DEFINE_AUTO(rule_pattern)
bool rule_pattern_match(const struct rule_pattern *p, const json_t *document);

/*
 * Fills a template from the document. Missing path without default: SSF_E_NOT_FOUND naming
 * it. Numbers and booleans show as in JSON; objects and arrays are SSF_E_MALFORMED.
 */
ssf_nodiscard int rule_fill(const char *template_text, const json_t *document,
			    struct ssf_buf *out, struct ssf_err *err);
/*
 * The same for every string of a JSON value; members whose path is missing are left out. A string
 * that is one path and nothing else takes a number or boolean over with its type.
 */
ssf_nodiscard int rule_fill_json(const json_t *template_value, const json_t *document,
				 json_t **out, struct ssf_err *err);
