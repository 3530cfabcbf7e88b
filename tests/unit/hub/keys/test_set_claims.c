/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/set_claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static json_t *compose(struct set_claims *c, int64_t seq, const char *audience, const char *jti)
{
	json_auto_t *subject = json_pack("{s:s, s:s}", "format", "opaque", "id", "x");
	json_auto_t *body = json_pack("{s:I}", "n", (json_int_t)seq);
	const struct event e = { .seq = seq, .at_ms = 5999, .txn = "t", .sub_id = subject, .body = body,
				 .type = "https://schemas.openid.net/secevent/caep/event-type/session-revoked" };
	ssf_auto_buf out = SSF_BUF(4096);
	struct ssf_err err;

	assert_int_equal(set_claims_compose(c, &e, audience, jti, &out, &err), 0);
	return json_loadb(out.ptr, out.len, 0, NULL);
}

static const char *text(const json_t *claims, const char *member)
{
	return json_string_value(json_object_get(claims, member));
}

static void sets_of_one_event_differ_in_aud_and_jti_only(void **state)
{
	struct set_claims *c = set_claims_new("https://hub.example");
	json_auto_t *a = compose(c, 1, "https://a.example", "jti-a");
	json_auto_t *b = compose(c, 1, "https://b.example", "jti-b");

	(void)state;
	assert_string_equal(text(a, "iss"), "https://hub.example");
	assert_int_equal(json_integer_value(json_object_get(a, "iat")), 5);
	assert_string_equal(text(a, "jti"), "jti-a");
	assert_string_equal(text(b, "aud"), "https://b.example");
	for (int i = 0; i < 2; i++) {
		json_object_del(i == 0 ? a : b, "aud");
		json_object_del(i == 0 ? a : b, "jti");
	}
	assert_true(json_equal(a, b));
	set_claims_free(c);
}

/* Slots are shared by seqs that are 64 apart. */
static void what_is_kept_of_one_event_is_not_used_for_another(void **state)
{
	struct set_claims *c = set_claims_new("https://hub.example");

	(void)state;
	for (int64_t seq = 1; seq <= 257; seq += 64) {
		json_auto_t *claims = compose(c, seq, "a", "j");
		json_t *event = json_object_iter_value(json_object_iter(json_object_get(claims, "events")));
		assert_int_equal(json_integer_value(json_object_get(event, "n")), seq);
	}
	set_claims_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_of_one_event_differ_in_aud_and_jti_only),
		cmocka_unit_test(what_is_kept_of_one_event_is_not_used_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
