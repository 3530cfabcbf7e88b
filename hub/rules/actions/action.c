/* SPDX-License-Identifier: Apache-2.0 */
/* The table of actions, and what several of them share. */
#include "hub/rules/actions/action.h"

#include "hub/rules/template.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

#define REASON_MAX 4096 /* bytes */
#define TARGET_MAX 1024 /* bytes; targets are in an index */

static const struct action_type *const types[] = {
#define ACTION(id, name) &id##_action,
#include "hub/rules/actions/actions.def"
#undef ACTION
};

/* "emit", "revoke" or "suspend" */
static void list_names(struct ssf_buf *out)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(types); i++) {
		const char *before = i == 0 ? "" : i + 1 < SSF_ARRAY_SIZE(types) ? ", " : " or ";

		ssf_buf_addf(out, "%s\"%s\"", before, types[i]->name);
	}
}

int action_compile(const json_t *value, const struct ssf_json_path *at,
		   struct ssf_diagnostic *diag, struct action *out)
{
	/* of the language, but not run by this version */
	static const char *const later[] = { "reapproval", "risk",   "throttle",
					     "ttl_cap",    "notify", "alert" };
	ssf_auto_buf names = SSF_BUF(200);

	*out = (struct action){ NULL, NULL };
	if (!json_is_object(value))
		return ssf_diagnose(diag, at, "an action is an object");
	for (size_t i = 0; i < SSF_ARRAY_SIZE(types); i++) {
		if (json_object_get(value, types[i]->name) != NULL) {
			out->type = types[i];
			return types[i]->compile(value, at, diag, &out->compiled);
		}
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(later); i++) {
		if (json_object_get(value, later[i]) != NULL)
			return ssf_diagnose_member(diag, at, later[i],
						   "\"%s\" is not supported by this version",
						   later[i]);
	}
	list_names(&names);
	return ssf_diagnose(diag, at, "an action has %s", names.ptr);
}

void action_done(struct action *a)
{
	free(a->compiled);
	*a = (struct action){ NULL, NULL };
}

int action_run(const struct action *a, const struct action_context *c,
	       const struct action_sink *sink, json_t *record, struct ssf_err *err)
{
	return a->type->run(a->compiled, c, sink, record, err);
}

int action_get_template(const json_t *value, const char *key, const struct ssf_json_path *at,
			struct ssf_diagnostic *diag, const char **out)
{
	const json_t *text = json_object_get(value, key);

	if (text == NULL)
		return ssf_diagnose(diag, at, "the action needs \"%s\"", key);
	if (json_string_length(text) == 0)
		return ssf_diagnose_member(diag, at, key, "\"%s\" takes a text", key);
	if (template_check(text, SSF_JSON_MEMBER(at, key), diag) < 0)
		return -1;
	*out = json_string_value(text);
	return 0;
}

int action_opt_template(const json_t *value, const char *key, const struct ssf_json_path *at,
			struct ssf_diagnostic *diag, const char **out)
{
	return json_object_get(value, key) == NULL ? 0 :
						     action_get_template(value, key, at, diag, out);
}

int action_run_revocation(const struct action_revocation *templates,
			  const struct action_context *c, const struct action_sink *sink,
			  json_t *record, struct ssf_err *err)
{
	ssf_auto_buf reason = SSF_BUF(REASON_MAX), target = SSF_BUF(TARGET_MAX);
	struct action_revocation r = *templates;

	json_object_set_new(record, r.effect, json_string(r.target_kind));
	if (template_fill(r.target, c->document, &target, err) < 0)
		return ssf_fail_prefix(err, "target");
	if (target.len == 0)
		return ssf_fail(err, SSF_E_NOT_FOUND, "target: empty");
	if (r.reason == NULL || template_fill(r.reason, c->document, &reason, NULL) < 0) {
		ssf_buf_reset(&reason); /* a missing reason never stops a revocation */
		ssf_buf_adds(&reason, c->rule_title);
	}
	r.target = target.ptr;
	r.reason = reason.ptr;
	json_object_set_new(record, "target", json_string(r.target));
	json_object_set_new(record, "reason", json_string(r.reason));
	return sink->revocation(sink->arg, &r, err);
}
