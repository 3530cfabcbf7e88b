/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One compiled rule: when it matches, and what it does then.
 */
#pragma once

#include "hub/rules/actions/action.h"
#include "hub/rules/pattern.h"

enum rule_mode { RULE_OFF, RULE_DRY_RUN, RULE_ENFORCE };

/* Strings are borrowed from the JSON value that the rule was compiled from. */
struct rule {
	const char *id;
	const char *title;
	const char *severity;
	enum rule_mode mode;
	const json_t *on;        /* event types, and prefixes that end in ".*" */
	struct pattern *pattern; /* NULL: the type decides */
	struct action *actions;
	size_t action_count;
};

/* "defaults" of the file, for rules that do not say it themselves; NULL: not given. */
struct rule_defaults {
	const char *mode;
	const char *severity;
};
ssf_nodiscard int rule_defaults_compile(const json_t *value, const struct ssf_json_path *at,
					struct ssf_diagnostic *diag, struct rule_defaults *out);

/* value must outlive the rule. Call rule_done() in any case. */
ssf_nodiscard int rule_compile(const json_t *value, const struct rule_defaults *defaults,
			       const struct ssf_json_path *at, struct ssf_diagnostic *diag,
			       struct rule *out);
void rule_done(struct rule *rule); /* no-op on zeroed memory */

/* Whether an id can name a rule: 3 to 64 of a-z 0-9 . _ -, a letter first. NULL cannot. */
bool rule_id_valid(const char *id);
const char *rule_mode_name(enum rule_mode mode); /* "dry-run" */

/* Whether the rule is for events of this type at all (its "on"). */
bool rule_wants(const struct rule *rule, const char *type);

/*
 * Whether the rule matches the document ("on", then "match"). trace, if not NULL, gets an array
 * of {"path","op","value"} for the patterns that decided: why it matched. SSF_E_NOMEM is the
 * only error. The values are those of the document, which holds no secrets.
 */
ssf_nodiscard int rule_match(const struct rule *rule, const json_t *document, bool *matched,
			     json_t *trace, struct ssf_err *err);
