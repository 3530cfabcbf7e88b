/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

#include "hub/rules/rule_file.h"

#define EXAMPLE \
	"\"{\\\"hrl\\\":1,\\\"rules\\\":[{\\\"id\\\":\\\"leak\\\",\\\"title\\\":\\\"A se" \
	"cret leaked\\\",\\\"mode\\\":\\\"enforce\\\",\\\"severity\\\":\\\"high\\\"" \
	",\\\"on\\\":[\\\"secret.leaked\\\"],\\\"actions\\\":[{\\\"suspend\\\":\\\"" \
	"${$agent.id}\\\"}]}]}\""

static const struct kind_member members[] = {
	{ "text", KIND_STRING, KIND_REQUIRED, .help = "The rule file (docs/reference/rules.md).",
	  .example = EXAMPLE },
	{ "digest", KIND_MADE, .help = "The SHA-256 of the rules.",
	  .example = "\"9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a\"" },
	{ .name = NULL },
};

/* The message begins with the line and column in the rule file; the diagnostic names the member text. */
static int check_rules(const struct kind_check *c)
{
	const char *text = json_string_value(json_object_get(c->spec, "text"));
	ssf_auto(rule_file) file = NULL;
	struct ssf_diagnostic why;
	struct ssf_err err;

	if (rule_file_compile(ssf_str_c(text), &file, &why) < 0) {
		(void)ssf_diagnostic_err(&why, &err);
		return ssf_diagnose_err(c->diagnostic, SSF_JSON_MEMBER(c->at, "text"), &err);
	}
	if (json_object_set_new(c->spec, "digest", json_string(rule_file_digest(file))) < 0) {
		ssf_fail(&err, SSF_E_NOMEM, "rules");
		return ssf_diagnose_err(c->diagnostic, c->at, &err);
	}
	return 0;
}

const struct kind_info kind_rules = {
	.name = "rules",
	.plural = "rules",
	.help = "A rule file: what follows from events. `ssfhub apply FILE.rules.json` makes it from the file.",
	.example = "{\"kind\":\"rules\",\"id\":\"leaked-secret\",\"text\":" EXAMPLE "}",
	.object = { members, NULL },
	.check = check_rules,
};
