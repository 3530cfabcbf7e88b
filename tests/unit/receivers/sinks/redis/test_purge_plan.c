/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/sinks/redis/purge_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REVOKED "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
#define VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification"
#define ISS_SUB "{\"format\":\"iss_sub\",\"iss\":\"https://i\",\"sub\":\"ada\"}"
#define ALL_OF "\"keys\":[\"k:${sub}\"],\"index_sets\":[\"i:${sub}\"],\"patterns\":[\"p:${sub}\"]"

/* What a plan says, in one line, for comparing. */
static void show(const struct purge_plan *p, char *out, size_t out_len)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < p->keys.count; i++)
		n += (size_t)snprintf(out + n, out_len - n, "%s ", p->keys.list[i]);
	for (size_t i = 0; i < p->index_sets.count; i++)
		n += (size_t)snprintf(out + n, out_len - n, "%s ", p->index_sets.list[i]);
	for (size_t i = 0; i < p->patterns.count; i++)
		n += (size_t)snprintf(out + n, out_len - n, "%s ", p->patterns.list[i]);
	for (size_t i = 0; i < p->mark_count; i++)
		n += (size_t)snprintf(out + n, out_len - n, "%s=%s/%lld ", p->marks[i].key,
				      p->marks[i].value, (long long)p->marks[i].ttl_s);
}

static void plan_of(const char *rules_text, const char *sub_id, const char *events,
		    struct purge_plan *out)
{
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	json_auto_t *subject = json_loads(sub_id, 0, NULL);
	json_auto_t *events_doc = json_loads(events, 0, NULL);
	const struct ssf_set set = {
		.jti = "j", .iat = 1000, .sub_id = subject, .events = events_doc
	};
	struct ssf_diagnostic diag = { .line = 0 };
	struct purge_rules rules;
	struct ssf_err err = { 0 };
	char text[4096];

	snprintf(text, sizeof(text), "[%s]", rules_text);
	json_auto_t *doc = json_loads(text, 0, NULL);
	assert_non_null(doc);
	assert_non_null(events_doc);
	if (purge_rules_parse(doc, &whole, &diag, &rules) < 0)
		fail_msg("%s", diag.err.msg);
	assert_int_equal(purge_plan_make(&rules, &set, out, &err), 0);
	purge_rules_done(&rules);
}

static void rules_make_a_plan(void **state)
{
	static const struct {
		const char *rules;
		const char *sub_id;
		const char *events;
		size_t rule_count;
		const char *want;
	} cases[] = {
		{ "{" ALL_OF "}", ISS_SUB, "{\"" REVOKED "\":{}}", 1, "k:ada i:ada p:ada " },
		{ "{\"events\":[\"" REVOKED "\"],\"keys\":[\"k\"]}", ISS_SUB,
		  "{\"" REVOKED "\":{}}", 1, "k " },
		{ "{\"events\":[\"urn:other\"],\"keys\":[\"k\"]}", ISS_SUB, "{\"" REVOKED "\":{}}",
		  0, "" },
		{ "{\"keys\":[\"k\"]}", ISS_SUB, "{\"urn:unheard-of\":{}}", 1, "k " },
		/* Two events: each its own values. */
		{ "{\"keys\":[\"${event.x}\"]}", ISS_SUB,
		  "{\"urn:a\":{\"x\":\"1\"},\"urn:b\":{\"x\":\"2\"}}", 2, "1 2 " },
		/* Members that must be equal, inner ones too. */
		{ "{\"subject\":{\"format\":\"iss_sub\"},\"keys\":[\"k\"]}", ISS_SUB,
		  "{\"urn:a\":{}}", 1, "k " },
		{ "{\"subject\":{\"format\":\"email\"},\"keys\":[\"k\"]}", ISS_SUB,
		  "{\"urn:a\":{}}", 0, "" },
		{ "{\"subject\":{\"user\":{\"iss\":\"i\"}},\"keys\":[\"${user.sub}\"]}",
		  "{\"format\":\"complex\",\"user\":{\"iss\":\"i\",\"sub\":\"s\"}}",
		  "{\"urn:a\":{}}", 1, "s " },
		{ "{\"subject\":{\"user\":{\"iss\":\"i\"}},\"keys\":[\"k\"]}",
		  "{\"format\":\"complex\",\"user\":\"i\"}", "{\"urn:a\":{}}", 0, "" },
		/* A rule that cannot be filled is left out as a whole; the others stay. */
		{ "{\"keys\":[\"one\"]},{\"keys\":[\"two\",\"${absent}\"]},{\"keys\":[\"three\"]}",
		  ISS_SUB, "{\"urn:a\":{}}", 2, "one three " },
		{ "{" ALL_OF ",\"set\":[{\"key\":\"m\",\"value\":\"${event.v}\",\"ttl_s\":9}]}",
		  ISS_SUB, "{\"urn:a\":{\"v\":\"not a number\"}}", 0, "" },
		{ "{\"set\":[{\"key\":\"m\",\"value\":\"${event.v|iat}\",\"ttl_s\":9}]}", ISS_SUB,
		  "{\"urn:a\":{\"v\":-5}}", 0, "" },
		{ "{\"set\":[{\"key\":\"m\",\"value\":\"${event.v|iat}\",\"ttl_s\":9}]}", ISS_SUB,
		  "{\"urn:a\":{\"v\":1234567890123456}}", 0, "" },
		{ "{\"set\":[{\"key\":\"m:${sub}\",\"value\":\"${event_timestamp|iat}\",\"ttl_s\":"
		  "9}]}",
		  ISS_SUB, "{\"urn:a\":{}}", 1, "m:ada=1000/9 " },
		/* Control events match nothing, whatever the rule. */
		{ "{\"keys\":[\"k\"]}", "{\"format\":\"opaque\",\"id\":\"s\"}",
		  "{\"" VERIFICATION "\":{\"state\":\"x\"}}", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct purge_plan p = { 0 };
		char text[512];

		plan_of(cases[i].rules, cases[i].sub_id, cases[i].events, &p);
		show(&p, text, sizeof(text));
		if (p.rule_count != cases[i].rule_count || strcmp(text, cases[i].want) != 0)
			fail_msg("case %zu: %zu rules, %s", i, p.rule_count, text);
		purge_plan_done(&p);
	}
}

static void only_patterns_are_escaped(void **state)
{
	struct purge_plan p = { 0 };
	char text[512];

	(void)state;
	plan_of("{" ALL_OF "}", "{\"format\":\"iss_sub\",\"iss\":\"i\",\"sub\":\"*\"}",
		"{\"urn:a\":{}}", &p);
	show(&p, text, sizeof(text));
	assert_string_equal(text, "k:* i:* p:\\* ");
	purge_plan_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_make_a_plan),
		cmocka_unit_test(only_patterns_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
