/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/rules/rule_result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ISSUER "https://hub.example"

static const char rules_text[] =
	"{\"hrl\":1,\"rules\":[{\"id\":\"leak.enforced\",\"title\":\"A secret leaked\",\"mode\":\"enforce\","
	"\"severity\":\"critical\",\"on\":[\"secret.leaked\"],\"actions\":["
	"{\"revoke\":\"agent\",\"target\":\"${subject.agent_id}\",\"until\":\"1h\",\"reason\":\"leaked ${detail.nowhere}\"},"
	"{\"revoke\":\"credential\",\"target\":\"${$credential.id}\",\"reason\":\"leaked\"},"
	"{\"emit\":\"caep:session-revoked\",\"subject\":\"agent\"},"
	"{\"emit\":\"caep:credential-change\",\"subject\":\"agent\",\"claims\":{\"credential_type\":\"api-token\","
	"\"change_type\":\"revoke\",\"event_timestamp\":\"${time}\"}}]},"
	"{\"id\":\"leak.rehearsed\",\"title\":\"A secret leaked\",\"mode\":\"dry-run\",\"severity\":\"low\","
	"\"on\":[\"secret.leaked\"],\"actions\":[{\"suspend\":\"${subject.agent_id}\",\"reason\":\"rehearsal\"},"
	"{\"emit\":\"caep:session-revoked\",\"subject\":\"agent\"}]}]}";

static struct event leak = {
	.refs = 1,
	.seq = 42,
	.at_ms = 1795453880123,
	.origin = "source:ghp",
	.origin_id = "body.0",
	.type = "secret.leaked",
	.txn = "txn-1",
	.agent_id = "agent:a",
};

struct ran {
	struct rule_file *file;
	struct rule_result result;
	json_t *document, *trace;
	json_t *events; /* as rules_commit() gets them */
};

static void run_rule(struct ran *r, size_t i, const struct event *e)
{
	struct ssf_diagnostic diag;
	struct ssf_err err;

	memset(r, 0, sizeof(*r));
	assert_int_equal(rule_file_compile(ssf_str_c(rules_text), &r->file, &diag), 0);
	assert_int_equal(rule_result_init(&r->result, &err), 0);
	r->trace = json_array();
	r->document = json_pack("{s:s, s:I, s:{s:s}, s:{}, s:{s:b}}", "type", "secret.leaked", "time",
				(json_int_t)1795453880, "subject", "agent_id", "agent:a", "detail",
				"$credential", "known", 0);
	const struct rule_result_match m = { r->file, "leaks", rule_file_at(r->file, i), e,
					     r->document, r->trace, ISSUER };
	assert_int_equal(rule_result_add(&r->result, &m, &err), 0);
	char *events = drafts_text(r->result.events);
	r->events = json_loads(events, 0, NULL);
	free(events);
}

static void ran_done(struct ran *r)
{
	rule_result_done(&r->result);
	rule_file_free(r->file);
	json_decref(r->document);
	json_decref(r->trace);
	json_decref(r->events);
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void enforced_rule_revokes_and_emits(void **state)
{
	const json_t *revocation, *event, *body;
	struct ran r;

	(void)state;
	run_rule(&r, 0, &leak);
	assert_int_equal(json_array_size(r.result.matches), 1);
	assert_int_equal(json_array_size(r.events), 2);

	/* the reason cannot be filled: the title replaces it, and the revocation is made */
	assert_int_equal(json_array_size(r.result.revocations), 1);
	revocation = json_array_get(r.result.revocations, 0);
	assert_string_equal(text(revocation, "target"), "agent:a");
	assert_string_equal(text(revocation, "reason"), "A secret leaked");
	assert_string_equal(text(revocation, "not_before"), "2026-11-23T17:11:20Z");
	assert_string_equal(text(revocation, "until"), "2026-11-23T18:11:20Z");

	event = json_array_get(r.events, 0);
	body = json_object_get(event, "body");
	assert_string_equal(text(event, "txn"), "txn-1");
	assert_string_equal(text(event, "origin"), EVENT_ORIGIN_RULES);
	assert_int_equal(json_integer_value(json_object_get(event, "cause")), 42);
	assert_string_equal(text(json_object_get(event, "sub_id"), "iss"), ISSUER);
	assert_string_equal(text(json_object_get(event, "sub_id"), "sub"), "agent:a");
	assert_string_equal(text(body, "initiating_entity"), "policy");
	assert_string_equal(text(json_object_get(body, "reason_admin"), "en"),
			    "A secret leaked (rule leak.enforced)");
	body = json_object_get(json_array_get(r.events, 1), "body");
	assert_int_equal(json_integer_value(json_object_get(body, "event_timestamp")), 1795453880);
	ran_done(&r);
}

static void an_action_that_cannot_be_filled_is_recorded(void **state)
{
	const json_t *actions, *failed;
	struct ran r;

	(void)state;
	run_rule(&r, 0, &leak);
	actions = json_object_get(json_array_get(r.result.matches, 0), "actions");
	assert_int_equal(json_array_size(actions), 4);
	failed = json_array_get(actions, 1);
	assert_string_equal(text(failed, "revoke"), "credential");
	assert_non_null(strstr(text(failed, "error"), "$credential.id"));
	assert_null(text(json_array_get(actions, 0), "error"));
	ran_done(&r);
}

static void a_dry_run_rule_only_records(void **state)
{
	const json_t *hit, *actions;
	struct ran r;

	(void)state;
	run_rule(&r, 1, &leak);
	assert_int_equal(json_array_size(r.events), 0);
	assert_int_equal(json_array_size(r.result.revocations), 0);
	hit = json_array_get(r.result.matches, 0);
	actions = json_object_get(hit, "actions");
	assert_string_equal(text(hit, "mode"), "dry-run");
	assert_string_equal(text(json_array_get(actions, 0), "suspend"), "agent");
	assert_string_equal(text(json_array_get(actions, 0), "target"), "agent:a");
	assert_non_null(text(json_array_get(actions, 1), "emit"));
	ran_done(&r);
}

static void action_ids_are_stable_and_differ_by_event(void **state)
{
	struct event other = leak;
	struct ran a, b, c;

	(void)state;
	other.seq = 43;
	run_rule(&a, 0, &leak);
	run_rule(&b, 0, &leak);
	run_rule(&c, 0, &other);
	for (size_t i = 0; i < 2; i++) {
		const char *id = text(json_array_get(a.events, i), "origin_id");
		assert_string_equal(id, text(json_array_get(b.events, i), "origin_id"));
		assert_string_not_equal(id, text(json_array_get(c.events, i), "origin_id"));
	}
	assert_string_not_equal(text(json_array_get(a.events, 0), "origin_id"),
				text(json_array_get(a.events, 1), "origin_id"));
	ran_done(&a);
	ran_done(&b);
	ran_done(&c);
}

static void event_without_agent_emits_nothing_for_it(void **state)
{
	struct event nobody = leak;
	struct ran r;

	(void)state;
	nobody.agent_id = NULL;
	run_rule(&r, 0, &nobody);
	assert_int_equal(json_array_size(r.events), 0);
	ran_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enforced_rule_revokes_and_emits),
		cmocka_unit_test(an_action_that_cannot_be_filled_is_recorded),
		cmocka_unit_test(a_dry_run_rule_only_records),
		cmocka_unit_test(action_ids_are_stable_and_differ_by_event),
		cmocka_unit_test(event_without_agent_emits_nothing_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
