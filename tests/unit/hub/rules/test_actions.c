/* SPDX-License-Identifier: Apache-2.0 */
/* Actions one by one: what they are compiled from is in test_rule_file.c; here, what they do. */
#include "tests/unit/ssf/support.h"

#include "hub/rules/actions/action.h"

#include <stdio.h>
#include <string.h>

/* One result at most. */
struct results {
	char *uri;
	json_t *subject, *claims;
	char target[64], reason[64];
	char effect[16], target_kind[16];
	int64_t until_s;
};

static int keep_event(void *arg, const char *uri, json_t *subject, json_t *claims,
		      struct ssf_err *err)
{
	struct results *r = arg;

	(void)err;
	r->uri = strrchr(uri, '/') + 1;
	r->subject = json_incref(subject);
	r->claims = json_incref(claims);
	return 0;
}

static int keep_revocation(void *arg, const struct action_revocation *in, struct ssf_err *err)
{
	struct results *r = arg;

	(void)err;
	snprintf(r->target, sizeof(r->target), "%s", in->target);
	snprintf(r->reason, sizeof(r->reason), "%s", in->reason);
	snprintf(r->effect, sizeof(r->effect), "%s", in->effect);
	snprintf(r->target_kind, sizeof(r->target_kind), "%s", in->target_kind);
	r->until_s = in->until_s;
	return 0;
}

/* Compiles and runs one action for an event about agent:a (agent_id NULL: about nobody). */
static int run(const char *text, const char *agent_id, struct results *out, json_t *record,
	       struct ssf_err *err)
{
	json_auto_t *value = support_json(text);
	json_auto_t *document = support_json("{\"type\":\"secret.leaked\",\"n\":7,"
					     "\"detail\":{\"jti\":\"token-1\",\"e\":\"\"}}");
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	const struct action_context c = { .rule_id = "r.1", .rule_title = "Title",
					  .document = document, .issuer = "https://hub.example",
					  .agent_id = agent_id, .at_ms = 1795453880123 };
	const struct action_sink sink = { keep_event, keep_revocation, out };
	struct ssf_diagnostic diag = { .line = 0 };
	struct action a;

	if (action_compile(value, &whole, &diag, &a) < 0)
		fail_msg("%s", diag.err.msg);
	*out = (struct results){ .uri = NULL };
	int r = action_run(&a, &c, &sink, record, err);
	action_done(&a);
	return r;
}

static void revoke_fills_target_and_reason(void **state)
{
	json_auto_t *record = json_object();
	struct results r;
	struct ssf_err err;

	(void)state;
	assert_int_equal(run("{\"revoke\":\"token\",\"target\":\"${detail.jti}\",\"until\":\"24h\","
			     "\"reason\":\"R ${n}\"}", "agent:a", &r, record, &err), 0);
	assert_string_equal(r.effect, "revoke");
	assert_string_equal(r.target_kind, "token");
	assert_string_equal(r.target, "token-1");
	assert_string_equal(r.reason, "R 7");
	assert_int_equal(r.until_s, 86400);
	ssf_auto_free char *text = json_dumps(record, JSON_COMPACT);
	assert_string_equal(text, "{\"revoke\":\"token\",\"target\":\"token-1\",\"reason\":\"R 7\"}");
}

static void durations(void **state)
{
	static const struct {
		const char *until;
		int64_t s;
	} cases[] = { { "1s", 1 }, { "90s", 90 }, { "5m", 300 }, { "3650d", 315360000 } };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *record = json_object();
		struct results r;
		struct ssf_err err;
		char text[128];

		snprintf(text, sizeof(text),
			 "{\"revoke\":\"agent\",\"target\":\"x\",\"until\":\"%s\"}",
			 cases[i].until);
		assert_int_equal(run(text, "agent:a", &r, record, &err), 0);
		assert_int_equal(r.until_s, cases[i].s);
	}
}

static void suspend_takes_the_title_for_a_reason(void **state)
{
	static const char *const texts[] = {
		"{\"suspend\":\"agent:a\"}",
		"{\"suspend\":\"agent:a\",\"reason\":\"${missing}\"}",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(texts); i++) {
		json_auto_t *record = json_object();
		struct results r;
		struct ssf_err err;

		assert_int_equal(run(texts[i], "agent:a", &r, record, &err), 0);
		assert_string_equal(r.effect, "suspend");
		assert_string_equal(r.target_kind, "agent");
		assert_string_equal(r.reason, "Title");
		assert_int_equal(r.until_s, 0);
	}
}

static void a_target_that_is_missing_or_empty_is_an_error(void **state)
{
	static const char *const texts[] = {
		"{\"suspend\":\"${missing}\"}",
		"{\"suspend\":\"${detail.e}\"}",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(texts); i++) {
		json_auto_t *record = json_object();
		struct results r;
		struct ssf_err err;

		assert_int_equal(run(texts[i], "agent:a", &r, record, &err), -1);
		assert_int_equal(err.code, SSF_E_NOT_FOUND);
		assert_string_equal(r.effect, "");
		assert_string_equal(json_string_value(json_object_get(record, "suspend")), "agent");
	}
}

static void emit_adds_what_every_event_says(void **state)
{
	json_auto_t *record = json_object();
	struct results r;
	struct ssf_err err;

	(void)state;
	assert_int_equal(run("{\"emit\":\"caep:session-revoked\",\"subject\":\"agent\"}", "agent:a",
			     &r, record, &err), 0);
	assert_string_equal(r.uri, "session-revoked");
	ssf_auto_free char *subject = json_dumps(r.subject, JSON_COMPACT | JSON_SORT_KEYS);
	ssf_auto_free char *claims = json_dumps(r.claims, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(subject, "{\"format\":\"iss_sub\",\"iss\":\"https://hub.example\","
				     "\"sub\":\"agent:a\"}");
	assert_string_equal(claims, "{\"event_timestamp\":1795453880,"
				    "\"initiating_entity\":\"policy\","
				    "\"reason_admin\":{\"en\":\"Title (rule r.1)\"}}");
	json_decref(r.subject);
	json_decref(r.claims);
}

static void emit_keeps_what_the_rule_says(void **state)
{
	json_auto_t *record = json_object();
	struct results r;
	struct ssf_err err;

	(void)state;
	assert_int_equal(run("{\"emit\":\"risc:account-disabled\",\"subject\":{\"format\":\"opaque\","
			     "\"id\":\"${detail.jti}\"},\"claims\":{\"event_timestamp\":\"${n}\","
			     "\"reason_admin\":{\"en\":\"why\"}}}", NULL, &r, record, &err), 0);
	ssf_auto_free char *claims = json_dumps(r.claims, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(claims, "{\"event_timestamp\":7,\"reason_admin\":{\"en\":\"why\"}}");
	assert_string_equal(json_string_value(json_object_get(r.subject, "id")), "token-1");
	json_decref(r.subject);
	json_decref(r.claims);
}

static void emit_for_nobody_is_an_error(void **state)
{
	json_auto_t *record = json_object();
	struct results r;
	struct ssf_err err;

	(void)state;
	assert_int_equal(run("{\"emit\":\"caep:session-revoked\",\"subject\":\"agent\"}", NULL, &r,
			     record, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	assert_null(r.uri);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(revoke_fills_target_and_reason),
		cmocka_unit_test(durations),
		cmocka_unit_test(suspend_takes_the_title_for_a_reason),
		cmocka_unit_test(a_target_that_is_missing_or_empty_is_an_error),
		cmocka_unit_test(emit_adds_what_every_event_says),
		cmocka_unit_test(emit_keeps_what_the_rule_says),
		cmocka_unit_test(emit_for_nobody_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
