/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ssf/json.h"
#include "tests/unit/transmitters/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DELIVERY "72d3162e-cc78-11e3-81ab-4c9367dc0958"
#define DOCS_SECRET "It's a Secret to Everybody"
#define DOCS_BODY "Hello, World!"
#define DOCS_MAC_BUT_2 "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e"
#define DOCS_MAC DOCS_MAC_BUT_2 "17"

/* One delivery; the headers can be changed before it is mapped. */
struct delivery {
	struct test_header headers[6];
	struct ssf_str body;
};

enum { EVENT, GUID, HOOK_ID, CONTENT_TYPE, SIGNATURE };

static struct delivery delivery(const char *event, struct ssf_str body)
{
	return (struct delivery){
		.headers = { { "X-GitHub-Event", ssf_str_c(event) },
			     { "X-GitHub-Delivery", SSF_STR(DELIVERY) },
			     { "X-GitHub-Hook-ID", SSF_STR("44") },
			     { "Content-Type", SSF_STR("application/json") },
			     { "X-Hub-Signature-256", { NULL, 0 } } },
		.body = body,
	};
}

static int map(const struct delivery *d, struct signal_list *list, struct ssf_err *err)
{
	struct adapter_request r = test_request(d->headers, d->body);

	return test_map(&github_adapter, &r, list, err);
}

static int verify(const struct delivery *d, const struct ssf_str *secrets, size_t count,
		  struct ssf_err *err)
{
	struct adapter_request r = test_request(d->headers, d->body);

	return test_authenticate(&github_adapter, &r, secrets, count, err);
}

static int verify_one(const char *body, const char *signature, const char *secret,
		      struct ssf_err *err)
{
	struct delivery d = delivery("ping", ssf_str_c(body));
	struct ssf_str secrets[] = { ssf_str_c(secret) };

	d.headers[SIGNATURE].value = ssf_str_c(signature);
	return verify(&d, secrets, 1, err);
}

static void published_and_own_macs_verify(void **state)
{
	static const struct {
		const char *file;
		const char *secret;
		const char *mac;
	} cases[] = {
		{ "github/webhook/signed-docs-hello.txt", DOCS_SECRET, DOCS_MAC },
		{ "github/webhook/signed-own-json.json", "hub-secret-1",
		  "9f8274f38426f7192074a1cb399e082674088771c535aaf1ddfc44728129ce23" },
		{ "github/webhook/signed-own-form.txt", "hub-secret-1",
		  "106161bbca2eea37761d99d3cefaca4ff67b4bc30f4cd50fa7715d2b684c8504" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_buf body;
		struct ssf_err err;
		char signature[80];

		load_vector(cases[i].file, &body);
		snprintf(signature, sizeof(signature), "sha256=%s", cases[i].mac);
		assert_int_equal(verify_one(body.ptr, signature, cases[i].secret, &err), 0);

		body.ptr[body.len / 2] ^= 1;
		assert_int_equal(verify_one(body.ptr, signature, cases[i].secret, &err), -1);
		assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
		body.ptr[body.len / 2] ^= 1;

		assert_int_equal(ssf_buf_addc(&body, '\n'), 0);
		assert_int_equal(verify_one(body.ptr, signature, cases[i].secret, &err), -1);
		assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	}
}

static void signature_header_forms(void **state)
{
	static const struct {
		const char *signature;
		bool accepted;
	} cases[] = {
		{ "sha256=" DOCS_MAC, true },
		{ "sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17", true },
		{ "", false },
		{ DOCS_MAC, false },
		{ "sha256=", false },
		{ "SHA256=" DOCS_MAC, false },
		{ "sha256 " DOCS_MAC, false },
		{ "sha256=" DOCS_MAC "00", false },
		{ "sha256=" DOCS_MAC "0", false },
		{ "sha256=" DOCS_MAC " ", false },
		{ " sha256=" DOCS_MAC, false },
		{ "sha256=" DOCS_MAC_BUT_2, false },
		{ "sha256=" DOCS_MAC_BUT_2 "1", false },
		{ "sha256=" DOCS_MAC_BUT_2 "1g", false },
		{ "sha256=" DOCS_MAC_BUT_2 "16", false },
		/* X-Hub-Signature of the same body: right, but SHA-1 */
		{ "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		int r = verify_one(DOCS_BODY, cases[i].signature, DOCS_SECRET, &err);

		assert_int_equal(r, cases[i].accepted ? 0 : -1);
		if (r < 0)
			assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	}
}

static void any_of_several_secrets_fits(void **state)
{
	struct ssf_str secrets[] = { SSF_STR("old"), SSF_STR(""), SSF_STR(DOCS_SECRET) };
	struct delivery d = delivery("ping", SSF_STR(DOCS_BODY));
	struct ssf_err err;

	(void)state;
	d.headers[SIGNATURE].value = SSF_STR("sha256=" DOCS_MAC);
	assert_int_equal(verify(&d, secrets, 3, &err), 0);
	assert_int_equal(verify(&d, secrets + 2, 1, &err), 0);
	assert_int_equal(verify(&d, secrets, 2, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	assert_int_equal(verify(&d, NULL, 0, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
}

static void empty_secret_authenticates_nobody(void **state)
{
	struct ssf_err err;

	(void)state;
	/* HMAC-SHA256 with an empty key over an empty message */
	assert_int_equal(verify_one("", "sha256=b613679a0814d9ec772f95d778c35fc5"
					"ff1697c493715653c6c712144292c5ad", "", &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
}

#define ORIGIN "\"provider\":\"github\",\"repository\":\"acme/app\",\"repository_id\":900100200," \
	"\"organization\":\"acme\""
#define URLS "\"html_url\":\"https://github.com/acme/app/security/secret-scanning/42\"," \
	"\"url\":\"https://api.github.com/repos/acme/app/secret-scanning/alerts/42\""
#define ALERT ORIGIN ",\"event\":\"secret_scanning_alert\",\"alert\":42," \
	"\"secret_type\":\"acme_api_token\",\"secret_type_display_name\":\"Acme API token\"," URLS
#define LOCATION ORIGIN ",\"event\":\"secret_scanning_alert_location\",\"action\":\"created\"," \
	"\"alert\":42,\"secret_type\":\"acme_api_token\",\"validity\":\"unknown\"," \
	"\"secret_type_display_name\":\"Acme API token\",\"push_protection_bypassed\":false," \
	"\"publicly_leaked\":false," URLS
#define QUIET ",\"push_protection_bypassed\":false,\"publicly_leaked\":false"

static const struct map_case {
	const char *file;
	const char *event;
	const char *type;
	bool needs_lookup;
	const char *detail;
} map_cases[] = {
	{ "alert-created", "secret_scanning_alert", "github.secret_scanning_alert.created",
	  true,
	  "{" ALERT ",\"action\":\"created\",\"validity\":\"unknown\"" QUIET "}" },
	{ "alert-created-active", "secret_scanning_alert", "github.secret_scanning_alert.created",
	  true,
	  "{" ALERT ",\"action\":\"created\",\"validity\":\"active\"" QUIET "}" },
	{ "alert-created-inactive", "secret_scanning_alert", "github.secret_scanning_alert.created",
	  false,
	  "{" ALERT ",\"action\":\"created\",\"validity\":\"inactive\"" QUIET "}" },
	{ "alert-created-bypassed", "secret_scanning_alert", "github.secret_scanning_alert.created",
	  true,
	  "{" ALERT ",\"action\":\"created\",\"validity\":\"unknown\","
	  "\"push_protection_bypassed\":true,\"publicly_leaked\":false}" },
	{ "alert-reopened", "secret_scanning_alert", "github.secret_scanning_alert.reopened",
	  true,
	  "{" ALERT ",\"action\":\"reopened\",\"validity\":\"unknown\"" QUIET "}" },
	{ "alert-publicly_leaked", "secret_scanning_alert",
	  "github.secret_scanning_alert.publicly_leaked", true,
	  "{" ALERT ",\"action\":\"publicly_leaked\",\"validity\":\"active\","
	  "\"push_protection_bypassed\":false,\"publicly_leaked\":true}" },
	{ "alert-validated-active", "secret_scanning_alert",
	  "github.secret_scanning_alert.validated", true,
	  "{" ALERT ",\"action\":\"validated\",\"validity\":\"active\"" QUIET "}" },
	{ "alert-validated-inactive", "secret_scanning_alert",
	  "github.secret_scanning_alert.validated", false,
	  "{" ALERT ",\"action\":\"validated\",\"validity\":\"inactive\"" QUIET "}" },
	{ "alert-resolved-revoked", "secret_scanning_alert",
	  "github.secret_scanning_alert.resolved", false,
	  "{" ALERT ",\"action\":\"resolved\",\"validity\":\"inactive\","
	  "\"resolution\":\"revoked\"" QUIET "}" },
	{ "alert-resolved-false_positive", "secret_scanning_alert",
	  "github.secret_scanning_alert.resolved", false,
	  "{" ALERT ",\"action\":\"resolved\",\"validity\":\"unknown\","
	  "\"resolution\":\"false_positive\"" QUIET "}" },
	{ "alert-revoked-old", "secret_scanning_alert", "github.secret_scanning_alert.revoked",
	  false,
	  "{" ALERT ",\"action\":\"revoked\",\"validity\":\"unknown\","
	  "\"resolution\":\"revoked\"" QUIET "}" },
	{ "alert-assigned", "secret_scanning_alert", "github.secret_scanning_alert.assigned",
	  false,
	  "{" ALERT ",\"action\":\"assigned\",\"validity\":\"active\"" QUIET "}" },
	{ "alert-unassigned", "secret_scanning_alert", "github.secret_scanning_alert.unassigned",
	  false,
	  "{" ALERT ",\"action\":\"unassigned\",\"validity\":\"active\"" QUIET "}" },
	{ "alert-unknown-action", "secret_scanning_alert",
	  "github.secret_scanning_alert.quarantined", false,
	  "{" ALERT ",\"action\":\"quarantined\",\"validity\":\"unknown\"" QUIET "}" },
	{ "alert-ghes-minimal", "secret_scanning_alert", "github.secret_scanning_alert.created",
	  true,
	  "{\"provider\":\"github\",\"event\":\"secret_scanning_alert\",\"action\":\"created\","
	  "\"alert\":7,\"repository\":\"octo-org/hub\",\"repository_id\":118,"
	  "\"secret_type\":\"adafruit_io_key\"}" },
	{ "alert-hostile", "secret_scanning_alert", "github.secret_scanning_alert.created",
	  true,
	  "{" ORIGIN ",\"event\":\"secret_scanning_alert\",\"action\":\"created\",\"alert\":42,"
	  "\"secret_type\":\"acme_api_token\",\"push_protection_bypassed\":false," URLS "}" },
	{ "location-commit", "secret_scanning_alert_location",
	  "github.secret_scanning_alert_location.created", false,
	  "{" LOCATION ",\"location_type\":\"commit\",\"path\":\"cfg/prod.env\",\"start_line\":3,"
	  "\"commit_sha\":\"f14d7debf9775f957cf4f1e8176da0786431f72b\"}" },
	{ "location-wiki_commit", "secret_scanning_alert_location",
	  "github.secret_scanning_alert_location.created", false,
	  "{" LOCATION ",\"location_type\":\"wiki_commit\",\"path\":\"Home.md\",\"start_line\":3,"
	  "\"commit_sha\":\"f14d7debf9775f957cf4f1e8176da0786431f72b\"}" },
	{ "location-issue_comment", "secret_scanning_alert_location",
	  "github.secret_scanning_alert_location.created", false,
	  "{" LOCATION ",\"location_type\":\"issue_comment\"}" },
	{ "location-discussion_body", "secret_scanning_alert_location",
	  "github.secret_scanning_alert_location.created", false,
	  "{" LOCATION ",\"location_type\":\"discussion_body\"}" },
	{ "location-pull_request_review_comment", "secret_scanning_alert_location",
	  "github.secret_scanning_alert_location.created", false,
	  "{" LOCATION ",\"location_type\":\"pull_request_review_comment\"}" },
	{ "scan-completed", "secret_scanning_scan", "github.secret_scanning_scan.completed",
	  false,
	  "{" ORIGIN ",\"event\":\"secret_scanning_scan\",\"action\":\"completed\","
	  "\"sender\":\"octo-user\"}" },
	{ "ping-repository", "ping", "github.ping", false,
	  "{\"provider\":\"github\",\"event\":\"ping\",\"repository\":\"acme/app\","
	  "\"repository_id\":900100200,\"sender\":\"octo-user\"}" },
	{ "organization-member_removed", "organization", "github.organization.member_removed",
	  false,
	  "{\"provider\":\"github\",\"event\":\"organization\",\"action\":\"member_removed\","
	  "\"organization\":\"acme\",\"sender\":\"admin\"}" },
	{ "repository_dispatch-own-action", "repository_dispatch", "github.repository_dispatch",
	  false,
	  "{" ORIGIN ",\"event\":\"repository_dispatch\",\"sender\":\"octo-user\"}" },
};

static void events_become_signals(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(map_cases); i++) {
		const struct map_case *c = &map_cases[i];
		struct signal_list list;
		ssf_auto_buf body;
		struct ssf_err err = { 0 };
		char file[128];

		snprintf(file, sizeof(file), "github/webhook/%s.json", c->file);
		load_vector(file, &body);
		signal_list_init(&list, 1);
		struct delivery d = delivery(c->event, ssf_buf_str(&body));
		if (map(&d, &list, &err) < 0)
			fail_msg("%s: %s", c->file, err.msg);
		assert_int_equal(list.count, 1);
		const struct signal *s = &list.items[0];
		assert_string_equal(s->type, c->type);
		assert_string_equal(s->id, "44." DELIVERY);
		assert_int_equal(s->needs_lookup, c->needs_lookup);
		assert_false(s->has_fingerprint);
		assert_json(s->detail, c->detail);
		ssf_auto_free char *text = ssf_json_canonical(s->detail);
		assert_null(strstr(text, "CANARY"));
		signal_list_done(&list);
	}
}

static void form_bodies_are_decoded(void **state)
{
	static const char *const types[] = {
		"application/x-www-form-urlencoded",
		"Application/X-WWW-Form-Urlencoded; charset=utf-8",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(types); i++) {
		struct signal_list list;
		ssf_auto_buf body;
		struct ssf_err err;

		load_vector("github/webhook/form-alert-publicly_leaked.txt", &body);
		signal_list_init(&list, 1);
		struct delivery d =
			delivery("secret_scanning_alert", ssf_buf_str(&body));
		d.headers[CONTENT_TYPE].value = ssf_str_c(types[i]);
		assert_int_equal(map(&d, &list, &err), 0);
		assert_string_equal(list.items[0].type,
				    "github.secret_scanning_alert.publicly_leaked");
		assert_json(list.items[0].detail,
			      "{" ALERT ",\"action\":\"publicly_leaked\",\"validity\":\"active\","
			      "\"push_protection_bypassed\":false,\"publicly_leaked\":true}");
		signal_list_done(&list);
	}
}

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"

static const struct body_case {
	const char *content_type;
	const char *body;
	enum ssf_code code;
} body_cases[] = {
	{ JSON, "{}", SSF_OK },
	{ "application/json; charset=utf-8", "{}", SSF_OK },
	{ "APPLICATION/JSON ;charset=utf-8", "{}", SSF_OK },
	{ FORM, "payload=%7b%7D", SSF_OK },
	{ FORM, "payload={+%22a%22:%221=2%22}", SSF_OK },
	{ JSON, "", SSF_E_MALFORMED },
	{ JSON, "[]", SSF_E_MALFORMED },
	{ JSON, "\"text\"", SSF_E_MALFORMED },
	{ JSON, "{\"a\":1,\"a\":2}", SSF_E_MALFORMED },
	{ JSON, "{\"a\":\"\\u0000\"}", SSF_E_MALFORMED },
	{ JSON, "{\"a\":\"\xff\"}", SSF_E_MALFORMED },
	{ JSON, "{} {}", SSF_E_MALFORMED },
	{ JSON, "payload=%7B%7D", SSF_E_MALFORMED },
	{ "", "{}", SSF_E_MALFORMED },
	{ ";", "{}", SSF_E_MALFORMED },
	{ "text/plain", "{}", SSF_E_MALFORMED },
	{ "application/json-seq", "{}", SSF_E_MALFORMED },
	{ "multipart/form-data", "payload=%7B%7D", SSF_E_MALFORMED },
	{ FORM, "", SSF_E_MALFORMED },
	{ FORM, "payload=", SSF_E_MALFORMED },
	{ FORM, "{}", SSF_E_MALFORMED },
	{ FORM, "Payload=%7B%7D", SSF_E_MALFORMED },
	{ FORM, "a=1&payload=%7B%7D", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7D&a=1", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7D&payload=%7B%7D", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7D%", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7G", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7D%00", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%7D\n", SSF_E_MALFORMED },
	{ FORM, "payload={ }", SSF_E_MALFORMED },
	{ FORM, "payload=%7B%22a%22:%22\xc3\xa9%22%7D", SSF_E_MALFORMED },
};

static void odd_bodies_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(body_cases); i++) {
		const struct body_case *c = &body_cases[i];
		struct delivery d = delivery("ping", ssf_str_c(c->body));
		struct signal_list list;
		struct ssf_err err = { 0 };

		signal_list_init(&list, 1);
		d.headers[CONTENT_TYPE].value = ssf_str_c(c->content_type);
		int r = map(&d, &list, &err);
		if (r != (c->code == SSF_OK ? 0 : -1) || err.code != c->code)
			fail_msg("%s %s: %d %s", c->content_type, c->body, r, err.msg);
		assert_int_equal(list.count, r == 0 ? 1 : 0);
		signal_list_done(&list);
	}
}

static void nesting_is_limited(void **state)
{
	char body[256] = "{\"a\":";
	size_t at = strlen(body);

	(void)state;
	for (unsigned depth = 63; depth <= 64; depth++) {
		struct signal_list list;
		struct ssf_err err;

		memset(body + at, '[', depth);
		memset(body + at + depth, ']', depth);
		strcpy(body + at + 2 * depth, "}");
		struct delivery d = delivery("ping", ssf_str_c(body));
		signal_list_init(&list, 1);
		assert_int_equal(map(&d, &list, &err), depth == 63 ? 0 : -1);
		if (depth == 64)
			assert_int_equal(err.code, SSF_E_LIMIT);
		signal_list_done(&list);
	}
}

#define REPO "\"repository\":{\"full_name\":\"acme/app\"}"
#define NAMED(name) "{\"alert\":{\"number\":1},\"repository\":{\"full_name\":\"" name "\"}}"

static void alerts_need_number_and_repository(void **state)
{
	static const struct {
		const char *body;
		bool accepted;
	} cases[] = {
		{ "{\"alert\":{\"number\":1}," REPO "}", true },
		{ "{\"action\":null,\"alert\":{\"number\":9007199254740993}," REPO "}", true },
		{ NAMED("a_b/C.d-e_9"), true },
		{ NAMED("acme/.github"), true },
		{ "{}", false },
		{ "{" REPO "}", false },
		{ "{\"alert\":{}," REPO "}", false },
		{ "{\"alert\":[]," REPO "}", false },
		{ "{\"alert\":null," REPO "}", false },
		{ "{\"alert\":{\"number\":null}," REPO "}", false },
		{ "{\"alert\":{\"number\":\"1\"}," REPO "}", false },
		{ "{\"alert\":{\"number\":1.0}," REPO "}", false },
		{ "{\"alert\":{\"number\":0}," REPO "}", false },
		{ "{\"alert\":{\"number\":-1}," REPO "}", false },
		{ "{\"alert\":{\"number\":1}}", false },
		{ "{\"alert\":{\"number\":1},\"repository\":{}}", false },
		{ "{\"alert\":{\"number\":1},\"repository\":{\"full_name\":7}}", false },
		{ NAMED(""), false },
		{ NAMED("acme"), false },
		{ NAMED("/app"), false },
		{ NAMED("acme/"), false },
		{ NAMED("acme/app/x"), false },
		{ NAMED("acme/.."), false },
		{ NAMED("./app"), false },
		{ NAMED("acme/a b"), false },
		{ NAMED("acme/a%2e"), false },
		{ NAMED("acme/app?x=1"), false },
	};
	static const char *const events[] = {
		"secret_scanning_alert", "secret_scanning_alert_location",
	};

	(void)state;
	for (size_t i = 0; i < 2 * SSF_ARRAY_SIZE(cases); i++) {
		const char *body = cases[i / 2].body;
		struct delivery d = delivery(events[i % 2], ssf_str_c(body));
		struct signal_list list;
		struct ssf_err err;

		signal_list_init(&list, 1);
		int r = map(&d, &list, &err);
		if (r != (cases[i / 2].accepted ? 0 : -1))
			fail_msg("%s: %d", body, r);
		if (r < 0)
			assert_int_equal(err.code, SSF_E_MALFORMED);
		assert_int_equal(list.count, r == 0 ? 1 : 0);
		signal_list_done(&list);
	}
}

#define LONG_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void headers_are_checked(void **state)
{
	static const struct {
		const char *event;
		const char *delivery;
		const char *hook_id;
		const char *id; /* NULL: refused */
	} cases[] = {
		{ "ping", DELIVERY, "44", "44." DELIVERY },
		{ "projects_v2_item", "x", "", "-.x" },
		{ LONG_NAME, LONG_NAME, "18446744073709551615", "18446744073709551615." LONG_NAME },
		{ "", DELIVERY, "44", NULL },
		{ "Ping", DELIVERY, "44", NULL },
		{ "pi.ng", DELIVERY, "44", NULL },
		{ LONG_NAME "a", DELIVERY, "44", NULL },
		{ "ping", "", "44", NULL },
		{ "ping", "a.b", "44", NULL },
		{ "ping", "a b", "44", NULL },
		{ "ping", LONG_NAME "a", "44", NULL },
		{ "ping", DELIVERY, "-", NULL },
		{ "ping", DELIVERY, "4x", NULL },
		{ "ping", DELIVERY, "000000000000000000000", NULL },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct delivery d = delivery(cases[i].event, SSF_STR("{}"));
		struct signal_list list;
		struct ssf_err err;

		signal_list_init(&list, 1);
		d.headers[GUID].value = ssf_str_c(cases[i].delivery);
		d.headers[HOOK_ID].value = ssf_str_c(cases[i].hook_id);
		int r = map(&d, &list, &err);
		assert_int_equal(r, cases[i].id == NULL ? -1 : 0);
		if (r == 0)
			assert_string_equal(list.items[0].id, cases[i].id);
		else
			assert_int_equal(err.code, SSF_E_MALFORMED);
		signal_list_done(&list);
	}
}

static void nul_in_a_header_is_refused(void **state)
{
	struct delivery d = delivery("ping", SSF_STR("{}"));
	struct signal_list list;
	struct ssf_err err;

	(void)state;
	signal_list_init(&list, 1);
	d.headers[EVENT].value = SSF_STR("pi\0ng");
	assert_int_equal(map(&d, &list, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	signal_list_done(&list);
}

static void action_decides_the_lookup(void **state)
{
	static const struct {
		const char *action;
		const char *members;
		bool needs_lookup;
	} cases[] = {
		{ "created", "", true },
		{ "created", ",\"resolution\":null", true },
		{ "created", ",\"validity\":\"of tomorrow\"", true },
		{ "created", ",\"resolution\":\"of tomorrow\"", false },
		{ "created", ",\"resolution\":{}", false },
		{ "publicly_leaked", ",\"validity\":\"inactive\"", false },
		{ "reopened", ",\"validity\":\"inactive\"", false },
		{ "validated", "", false },
		{ "validated", ",\"validity\":\"unknown\"", false },
		{ "validated", ",\"validity\":\"active\",\"resolution\":\"revoked\"",
		  false },
		{ "Created", "", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct signal_list list;
		struct ssf_err err;
		char body[256];

		snprintf(body, sizeof(body),
			 "{\"action\":\"%s\",\"alert\":{\"number\":1%s}," REPO "}",
			 cases[i].action, cases[i].members);
		struct delivery d = delivery("secret_scanning_alert", ssf_str_c(body));
		signal_list_init(&list, 1);
		assert_int_equal(map(&d, &list, &err), 0);
		assert_int_equal(list.items[0].needs_lookup, cases[i].needs_lookup);
		signal_list_done(&list);
	}
}

static void full_list_keeps_what_it_has(void **state)
{
	struct delivery d = delivery("ping", SSF_STR("{}"));
	struct signal_list list;
	struct ssf_err err;

	(void)state;
	signal_list_init(&list, 1);
	assert_int_equal(map(&d, &list, &err), 0);
	assert_int_equal(map(&d, &list, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_int_equal(list.count, 1);
	signal_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_and_own_macs_verify),
		cmocka_unit_test(signature_header_forms),
		cmocka_unit_test(any_of_several_secrets_fits),
		cmocka_unit_test(empty_secret_authenticates_nobody),
		cmocka_unit_test(events_become_signals),
		cmocka_unit_test(form_bodies_are_decoded),
		cmocka_unit_test(odd_bodies_are_refused),
		cmocka_unit_test(nesting_is_limited),
		cmocka_unit_test(alerts_need_number_and_repository),
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(nul_in_a_header_is_refused),
		cmocka_unit_test(action_decides_the_lookup),
		cmocka_unit_test(full_list_keeps_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
