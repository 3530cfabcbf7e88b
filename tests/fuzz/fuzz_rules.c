/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule file as an operator could send it. Compiled rules are matched against one document and
 * their actions run; an error has a place.
 */
#include "hub/rules/rule_file.h"

#include <stdlib.h>

static const char document_text[] =
	"{\"type\":\"secret.leaked\",\"id\":\"e-1\",\"source\":\"gh\",\"txn\":\"t-1\","
	"\"time\":1795453880,\"iss\":\"https://hub.example\","
	"\"subject\":{\"agent_id\":\"agent:triage-bot\"},"
	"\"detail\":{\"provider\":\"github\",\"validity\":\"active\",\"alert\":42,\"public\":true,"
	"\"repository\":\"acme/app\",\"ip\":\"::ffff:10.0.0.1\",\"none\":null,"
	"\"locations\":[{\"path\":\"a\",\"line\":1},[{\"path\":\"b\",\"line\":2.5}],[]]},"
	"\"$agent\":{\"known\":true,\"id\":\"agent:triage-bot\",\"tools\":[\"jira\",[\"git\"]]},"
	"\"$owner\":{\"known\":false},\"$credential\":{\"known\":true,\"id\":\"cred-1\"}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_event(void *arg, const char *uri, json_t *subject, json_t *claims,
		       struct ssf_err *err)
{
	(void)arg, (void)uri, (void)err;
	if (!json_is_object(subject) || !json_is_object(claims))
		abort();
	return 0;
}

static int check_revocation(void *arg, const struct action_revocation *r, struct ssf_err *err)
{
	(void)arg, (void)err;
	if (r->target[0] == '\0' || !ssf_utf8_valid(ssf_str_c(r->target)) ||
	    !ssf_utf8_valid(ssf_str_c(r->reason)))
		abort();
	return 0;
}

static void run(const struct rule *r, const json_t *document)
{
	const struct action_sink sink = { check_event, check_revocation, NULL };
	const struct action_context c = { .rule_id = r->id, .rule_title = r->title,
					  .document = document, .issuer = "https://hub.example",
					  .agent_id = "agent:triage-bot", .at_ms = 1795453880123 };
	json_t *trace = json_array();
	bool matched = false, again = false;
	struct ssf_err err;

	if (rule_match(r, document, &matched, trace, &err) < 0 ||
	    rule_match(r, document, &again, NULL, &err) < 0 || matched != again)
		abort();
	if (!matched && json_array_size(trace) > 0)
		abort();
	for (size_t k = 0; k < r->action_count; k++) {
		json_t *record = json_object();

		if (action_run(&r->actions[k], &c, &sink, record, &err) < 0 &&
		    err.code == SSF_E_NOMEM)
			abort();
		json_decref(record);
	}
	json_decref(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *document;
	struct rule_file *f = NULL;
	struct ssf_diagnostic diag;

	if (document == NULL)
		document = json_loads(document_text, JSON_REJECT_DUPLICATES, NULL);
	if (rule_file_compile((struct ssf_str){ (const char *)data, size }, &f, &diag) < 0) {
		if (diag.line == 0 || diag.column == 0 ||
		    !ssf_utf8_valid(ssf_str_c(diag.err.msg)) ||
		    !ssf_utf8_valid(ssf_str_c(diag.path)))
			abort();
		return 0;
	}
	for (size_t i = 0; i < rule_file_count(f); i++)
		run(rule_file_at(f, i), document);
	rule_file_free(f);
	return 0;
}
