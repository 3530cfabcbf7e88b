/* SPDX-License-Identifier: Apache-2.0 */
/* {"suspend":AGENT, "reason"}: the agent is suspended until somebody lifts it. */
#include "hub/rules/actions/action.h"

#include "hub/rules/language.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>

static int suspend_compile(const json_t *value, const struct ssf_json_path *at,
			   struct ssf_diagnostic *diag, void **out)
{
	static const char *const names[] = { "suspend", "reason", NULL };
	ssf_auto_free struct action_revocation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	*r = (struct action_revocation){ .effect = "suspend", .target_kind = "agent" };
	if (language_only_members(diag, at, value, names, NULL) < 0 ||
	    action_get_template(value, "suspend", at, diag, &r->target) < 0 ||
	    action_opt_template(value, "reason", at, diag, &r->reason) < 0)
		return -1;
	*out = SSF_STEAL(r);
	return 0;
}

static int suspend_run(const void *compiled, const struct action_context *c,
		       const struct action_sink *sink, json_t *record, struct ssf_err *err)
{
	return action_run_revocation(compiled, c, sink, record, err);
}

const struct action_type suspend_action = { "suspend", suspend_compile, suspend_run };
