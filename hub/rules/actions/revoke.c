/* SPDX-License-Identifier: Apache-2.0 */
/* {"revoke":"agent"|"token"|"credential", "target", "reason", "until"} */
#include "hub/rules/actions/action.h"

#include "hub/rules/language.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

#define UNTIL_DAYS_MAX 3650

/* "90s", "5m", "24h", "30d" */
static int parse_duration(const char *text, int64_t *out)
{
	static const struct {
		char unit;
		int32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t digits = strspn(text, "0123456789");
	int64_t n = 0;

	if (digits == 0 || digits > 9 || strlen(text) != digits + 1)
		return -1;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	for (size_t i = 0; i < SSF_ARRAY_SIZE(units); i++) {
		if (text[digits] == units[i].unit) {
			*out = n * units[i].seconds;
			return 0;
		}
	}
	return -1;
}

static int compile_until(const json_t *value, const struct ssf_json_path *at,
			 struct ssf_diagnostic *diag, int64_t *out)
{
	const json_t *until = json_object_get(value, "until");
	int64_t s;

	if (until == NULL)
		return 0;
	if (!json_is_string(until) || parse_duration(json_string_value(until), &s) < 0)
		return ssf_diagnose_member(diag, at, "until",
					   "\"until\" takes a duration like \"90s\", \"5m\", "
					   "\"24h\", \"30d\"");
	if (s == 0 || s > (int64_t)UNTIL_DAYS_MAX * 86400)
		return ssf_diagnose_member(diag, at, "until",
					   "\"until\" takes from \"1s\" to \"%dd\"",
					   UNTIL_DAYS_MAX);
	*out = s;
	return 0;
}

static int compile_kind(const json_t *value, const struct ssf_json_path *at,
			struct ssf_diagnostic *diag, const char **out)
{
	static const char *const kinds[] = { "agent", "token", "credential", NULL };
	static const char *const later[] = { "tool", "owner-agents", NULL };
	const char *kind = json_string_value(json_object_get(value, "revoke"));

	*out = kind;
	if (kind != NULL && language_listed(kind, kinds))
		return 0;
	if (kind != NULL && language_listed(kind, later))
		return ssf_diagnose_member(diag, at, "revoke",
					   "\"%s\" is not supported by this version", kind);
	return ssf_diagnose_member(diag, at, "revoke",
				   "\"revoke\" takes \"agent\", \"token\" or \"credential\"");
}

static int revoke_compile(const json_t *value, const struct ssf_json_path *at,
			  struct ssf_diagnostic *diag, void **out)
{
	static const char *const names[] = { "revoke", "target", "reason", "until", NULL };
	ssf_auto_free struct action_revocation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	r->effect = "revoke";
	if (language_only_members(diag, at, value, names, NULL) < 0 ||
	    compile_kind(value, at, diag, &r->target_kind) < 0 ||
	    action_get_template(value, "target", at, diag, &r->target) < 0 ||
	    action_opt_template(value, "reason", at, diag, &r->reason) < 0 ||
	    compile_until(value, at, diag, &r->until_s) < 0)
		return -1;
	*out = SSF_STEAL(r);
	return 0;
}

static int revoke_run(const void *compiled, const struct action_context *c,
		      const struct action_sink *sink, json_t *record, struct ssf_err *err)
{
	return action_run_revocation(compiled, c, sink, record, err);
}

const struct action_type revoke_action = { "revoke", revoke_compile, revoke_run };
