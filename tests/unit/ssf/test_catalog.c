/* SPDX-License-Identifier: Apache-2.0 */
/* The event types: complete, found both ways, their members checked. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/catalog.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	"caep:session-revoked",
	"caep:token-claims-change",
	"caep:credential-change",
	"caep:assurance-level-change",
	"caep:device-compliance-change",
	"caep:session-established",
	"caep:session-presented",
	"caep:risk-level-change",
	"risc:account-credential-change-required",
	"risc:account-purged",
	"risc:account-disabled",
	"risc:account-enabled",
	"risc:identifier-changed",
	"risc:identifier-recycled",
	"risc:credential-compromise",
	"risc:opt-in",
	"risc:opt-out-initiated",
	"risc:opt-out-cancelled",
	"risc:opt-out-effective",
	"risc:recovery-activated",
	"risc:recovery-information-changed",
	"risc:sessions-revoked",
	"ssf:verification",
	"ssf:stream-updated",
};

static void is_complete(void **state)
{
	size_t count;
	const struct ssf_event_type *types = ssf_event_types(&count);

	(void)state;
	assert_int_equal(count, SSF_ARRAY_SIZE(names));
	for (size_t i = 0; i < count; i++) {
		const struct ssf_event_type *type = ssf_event_by_name(names[i]);
		assert_non_null(type);
		assert_ptr_equal(ssf_event_by_uri(type->uri), type);
		assert_true(type >= types && type < types + count);
		assert_int_equal(type->control, strncmp(names[i], "ssf:", 4) == 0);
	}
	assert_string_equal(ssf_event_by_name("caep:session-revoked")->uri,
			    "https://schemas.openid.net/secevent/caep/event-type/session-revoked");
	assert_string_equal(ssf_event_by_name("ssf:verification")->uri,
			    "https://schemas.openid.net/secevent/ssf/event-type/verification");
	assert_null(ssf_event_by_name("session-revoked"));
	assert_null(ssf_event_by_uri(""));
	assert_null(ssf_event_by_uri("caep:session-revoked"));
}

/* part NULL: good. */
static const struct {
	const char *name;
	const char *claims;
	const char *part;
} cases[] = {
	{ "caep:session-revoked", "{}", NULL },
	{ "caep:session-revoked", "{\"anything\":[1]}", NULL },
	{ "caep:session-revoked", "[]", "not an object" },
	{ "caep:session-revoked", "{\"event_timestamp\":1615304991}", NULL },
	{ "caep:session-revoked", "{\"event_timestamp\":1615304991.5}", NULL },
	{ "caep:session-revoked", "{\"event_timestamp\":1615304991000}", NULL },
	{ "caep:session-revoked", "{\"event_timestamp\":\"1615304991\"}", "event_timestamp" },
	{ "caep:session-revoked", "{\"event_timestamp\":null}", "event_timestamp" },
	{ "caep:session-revoked", "{\"initiating_entity\":\"admin\"}", NULL },
	{ "caep:session-revoked", "{\"initiating_entity\":\"policy\"}", NULL },
	{ "caep:session-revoked", "{\"initiating_entity\":\"robot\"}", "initiating_entity" },
	{ "caep:session-revoked", "{\"reason_admin\":{\"en\":\"why\",\"es-410\":\"x\"}}", NULL },
	{ "caep:session-revoked", "{\"reason_admin\":\"why\"}", "reason_admin" },
	{ "caep:session-revoked", "{\"reason_admin\":{}}", "reason_admin" },
	{ "caep:session-revoked", "{\"reason_user\":{\"en\":1}}", "reason_user" },
	{ "caep:session-revoked", "{\"reason_user\":[\"en\"]}", "reason_user" },
	{ "caep:token-claims-change", "{\"claims\":{\"role\":null}}", NULL },
	{ "caep:token-claims-change", "{}", "claims: missing" },
	{ "caep:token-claims-change", "{\"claims\":{}}", "claims" },
	{ "caep:token-claims-change", "{\"claims\":\"role\"}", "claims" },
	{ "caep:credential-change", "{\"credential_type\":\"password\",\"change_type\":\"create\"}",
	  NULL },
	{ "caep:credential-change", "{\"credential_type\":\"agreed\",\"change_type\":\"delete\"}",
	  NULL },
	{ "caep:credential-change", "{\"credential_type\":\"\",\"change_type\":\"delete\"}",
	  "credential_type" },
	{ "caep:credential-change", "{\"credential_type\":\"pin\",\"change_type\":\"destroy\"}",
	  "change_type" },
	{ "caep:credential-change", "{\"credential_type\":\"pin\"}", "change_type: missing" },
	{ "caep:credential-change", "{\"change_type\":\"update\"}", "credential_type: missing" },
	{ "caep:credential-change",
	  "{\"credential_type\":\"pin\",\"change_type\":\"revoke\",\"friendly_name\":1}",
	  "friendly_name" },
	{ "caep:assurance-level-change", "{\"namespace\":\"NIST-AAL\",\"current_level\":\"2\","
	  "\"previous_level\":\"1\",\"change_direction\":\"increase\"}", NULL },
	{ "caep:assurance-level-change", "{\"namespace\":\"Retinal\",\"current_level\":\"x\"}",
	  NULL },
	{ "caep:assurance-level-change", "{\"current_level\":\"x\"}", "namespace: missing" },
	{ "caep:assurance-level-change", "{\"namespace\":\"x\"}", "current_level: missing" },
	{ "caep:assurance-level-change",
	  "{\"namespace\":\"x\",\"current_level\":\"x\",\"change_direction\":\"sideways\"}",
	  "change_direction" },
	{ "caep:device-compliance-change",
	  "{\"previous_status\":\"compliant\",\"current_status\":\"not-compliant\"}", NULL },
	{ "caep:device-compliance-change",
	  "{\"previous_status\":\"compliant\",\"current_status\":\"unknown\"}", "current_status" },
	{ "caep:device-compliance-change", "{\"current_status\":\"compliant\"}",
	  "previous_status: missing" },
	{ "caep:session-established", "{\"fp_ua\":\"f\",\"acr\":\"A\",\"amr\":[\"otp\"]}", NULL },
	{ "caep:session-established", "{\"amr\":\"otp\"}", "amr" },
	{ "caep:session-established", "{\"amr\":[1]}", "amr" },
	{ "caep:session-presented", "{\"fp_ua\":\"f\",\"ext_id\":\"12345\"}", NULL },
	{ "caep:session-presented", "{\"ext_id\":12345}", "ext_id" },
	{ "caep:risk-level-change", "{\"principal\":\"USER\",\"current_level\":\"LOW\"}", NULL },
	{ "caep:risk-level-change", "{\"principal\":\"ROBOT\",\"current_level\":\"HIGH\","
	  "\"previous_level\":\"MEDIUM\",\"risk_reason\":\"r\"}", NULL },
	{ "caep:risk-level-change", "{\"principal\":\"USER\",\"current_level\":\"low\"}",
	  "current_level" },
	{ "caep:risk-level-change", "{\"current_level\":\"LOW\"}", "principal: missing" },
	{ "risc:account-purged", "{}", NULL },
	{ "risc:account-disabled", "{}", NULL },
	{ "risc:account-disabled", "{\"reason\":\"bulk-account\"}", NULL },
	{ "risc:account-disabled", "{\"reason\":\"other\"}", "reason" },
	{ "risc:identifier-changed", "{\"new-value\":\"a@b\"}", NULL },
	{ "risc:identifier-changed", "{\"new-value\":{}}", "new-value" },
	{ "risc:credential-compromise", "{\"credential_type\":\"password\"}", NULL },
	{ "risc:credential-compromise", "{}", "credential_type: missing" },
	{ "risc:credential-compromise", "{\"credential_type\":\"x\",\"reason_admin\":\"plain\"}",
	  NULL },
	{ "risc:credential-compromise",
	  "{\"credential_type\":\"x\",\"reason_user\":{\"en\":\"mapped\"}}", NULL },
	{ "risc:credential-compromise", "{\"credential_type\":\"x\",\"reason_user\":7}",
	  "reason_user" },
	{ "ssf:verification", "{}", NULL },
	{ "ssf:verification", "{\"state\":\"x\"}", NULL },
	{ "ssf:verification", "{\"state\":7}", "state" },
	{ "ssf:stream-updated", "{\"status\":\"paused\",\"reason\":\"x\"}", NULL },
	{ "ssf:stream-updated", "{}", "status: missing" },
	{ "ssf:stream-updated", "{\"status\":\"gone\"}", "status" },
};

static void checks_members(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *claims = support_json(cases[i].claims);
		struct ssf_err err = { 0 };
		int r = ssf_event_check(ssf_event_by_name(cases[i].name), claims, &err);

		if ((r == 0) != (cases[i].part == NULL))
			fail_msg("%s %s: %s", cases[i].name, cases[i].claims, err.msg);
		if (r < 0)
			support_assert_err(&err, SSF_E_MALFORMED, cases[i].part, cases[i].claims);
	}
}

/* RISC 1.0 sections 2.5 and 2.6 */
static void narrows_subjects(void **state)
{
	static const struct {
		const char *name, *subject;
		int fits;
	} subjects[] = {
		{ "risc:identifier-changed", "{\"format\":\"email\",\"email\":\"a@b\"}", 1 },
		{ "risc:identifier-changed", "{\"format\":\"phone_number\",\"phone_number\":\"+1\"}", 1 },
		{ "risc:identifier-changed", "{\"format\":\"opaque\",\"id\":\"x\"}", 0 },
		{ "risc:identifier-changed", "{\"format\":\"complex\",\"user\":{\"format\":\"email\"}}", 0 },
		{ "risc:identifier-changed", "{\"format\":7}", 0 },
		{ "risc:identifier-recycled", "{\"format\":\"email\",\"email\":\"a@b\"}", 1 },
		{ "risc:identifier-recycled", "{\"format\":\"uri\",\"uri\":\"x:y\"}", 0 },
		{ "risc:account-purged", "{\"format\":\"opaque\",\"id\":\"x\"}", 1 },
		{ "", "{\"format\":\"opaque\",\"id\":\"x\"}", 1 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(subjects); i++) {
		json_auto_t *subject = support_json(subjects[i].subject);
		struct ssf_err err = { 0 };
		int r = ssf_event_check_subject(ssf_event_by_name(subjects[i].name), subject, &err);

		assert_int_equal(r, subjects[i].fits ? 0 : -1);
		if (r < 0)
			support_assert_err(&err, SSF_E_MALFORMED, "email or phone_number", subjects[i].subject);
	}
}

static void unknown_types_need_an_object(void **state)
{
	json_auto_t *object = support_json("{\"event_timestamp\":\"whenever\"}");
	json_auto_t *array = support_json("[]");
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_event_check(NULL, object, &err), 0);
	assert_int_equal(ssf_event_check(NULL, array, &err), -1);
	assert_int_equal(ssf_event_check(NULL, NULL, &err), -1);
}

/* CAEP interop profile, section 3: reason_admin is there and not empty. Times are in seconds. */
static void goes_out_complete(void **state)
{
	static const struct {
		const char *name, *in, *out;
	} outs[] = {
		{ "caep:session-revoked", "{}",
		  "{\"reason_admin\":{\"en\":\"caep:session-revoked, without a reason given\"}}" },
		{ "caep:session-revoked", "{\"reason_admin\":{\"en\":\"\"}}",
		  "{\"reason_admin\":{\"en\":\"caep:session-revoked, without a reason given\"}}" },
		{ "caep:session-revoked", "{\"reason_admin\":{\"de\":\"x\"},\"event_timestamp\":1700000000}",
		  "{\"event_timestamp\":1700000000,\"reason_admin\":{\"de\":\"x\"}}" },
		{ "caep:session-revoked", "{\"reason_admin\":{\"de\":\"x\"},\"event_timestamp\":1700000000123}",
		  "{\"event_timestamp\":1700000000,\"reason_admin\":{\"de\":\"x\"}}" },
		{ "risc:account-disabled", "{\"reason\":\"hijacking\"}", "{\"reason\":\"hijacking\"}" },
		{ "risc:credential-compromise", "{\"credential_type\":\"x\",\"event_timestamp\":1700000000999.5}",
		  "{\"credential_type\":\"x\",\"event_timestamp\":1700000000}" },
		{ "ssf:verification", "{\"state\":\"x\"}", "{\"state\":\"x\"}" },
		{ "", "{\"event_timestamp\":1700000000123}", "{\"event_timestamp\":1700000000123}" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(outs); i++) {
		json_auto_t *in = support_json(outs[i].in);
		json_auto_t *before = json_deep_copy(in);
		json_auto_t *out = ssf_event_outgoing(ssf_event_by_name(outs[i].name), in);
		char *text = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(text, outs[i].out);
		assert_true(json_equal(in, before));
		free(text);
	}
	json_auto_t *none = ssf_event_outgoing(NULL, NULL);
	assert_int_equal(json_object_size(none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_complete),
		cmocka_unit_test(checks_members),
		cmocka_unit_test(narrows_subjects),
		cmocka_unit_test(unknown_types_need_an_object),
		cmocka_unit_test(goes_out_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
