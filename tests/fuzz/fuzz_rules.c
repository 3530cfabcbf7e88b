/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule file as an operator could send it. What compiles is matched against one document,
 * and what matches has its templates filled; what does not compile says where.
 */
#include "hub/rules/rules.h"

#include <stdio.h>
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

static void fill_json(const json_t *value, const json_t *document)
{
	json_t *filled = NULL;
	struct ssf_err err;

	if (value != NULL && rule_fill_json(value, document, &filled, &err) == 0 && filled == NULL)
		abort();
	json_decref(filled);
}

static void fill_text(const char *text, const json_t *document)
{
	struct ssf_buf out;
	struct ssf_err err;

	ssf_buf_init(&out, 1024);
	if (text != NULL && rule_fill(text, document, &out, &err) == 0 &&
	    !ssf_utf8_valid(ssf_buf_str(&out)))
		abort();
	ssf_buf_done(&out);
}

static void run(const struct rule_file *f, size_t i, const json_t *document)
{
	const struct rule *r = rule_file_at(f, i);
	json_t *trace = json_array();
	bool matched = false, again = false;
	struct ssf_err err;

	if (rule_match(f, i, document, &matched, trace, &err) < 0 ||
	    rule_match(f, i, document, &again, NULL, &err) < 0 || matched != again)
		abort();
	if (!matched && json_array_size(trace) > 0)
		abort();
	for (size_t k = 0; k < r->action_count; k++) {
		fill_json(r->actions[k].subject, document);
		fill_json(r->actions[k].claims, document);
		fill_text(r->actions[k].target, document);
		fill_text(r->actions[k].reason, document);
	}
	json_decref(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *document;
	struct rule_file *f = NULL;
	struct ssf_err err = { .code = SSF_OK };
	unsigned line, column;

	if (document == NULL)
		document = json_loads(document_text, JSON_REJECT_DUPLICATES, NULL);
	if (rule_file_compile((struct ssf_str){ (const char *)data, size }, &f, &err) < 0) {
		if (sscanf(err.msg, "%u:%u: ", &line, &column) != 2 || line == 0 ||
		    !ssf_utf8_valid(ssf_str_c(err.msg)))
			abort();
		return 0;
	}
	for (size_t i = 0; i < rule_file_count(f); i++)
		run(f, i, document);
	rule_file_free(f);
	return 0;
}
