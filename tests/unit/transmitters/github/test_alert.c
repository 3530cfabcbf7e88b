/* SPDX-License-Identifier: Apache-2.0 */
#include "transmitters/github/alert.h"

#include "lib/ssf/json.h"
#include "tests/unit/transmitters/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONG_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The answer with status 200. */
static int answer(struct ssf_str body, uint8_t fingerprint[SSF_SHA256_LEN], json_t **more,
		  struct ssf_err *err)
{
	enum adapter_lookup_result result = ADAPTER_LOOKUP_DENIED;
	int r = github_alert_lookup.answer(200, -1, body, &result, fingerprint, more, err);

	if (r == 0)
		assert_int_equal(result, ADAPTER_LOOKUP_FOUND);
	return r;
}

static int call(const json_t *spec, const char *token, const json_t *detail,
		struct adapter_lookup_call *out, struct ssf_err *err)
{
	struct adapter_credentials c = { .spec = spec, .secret_count = token != NULL ? 1 : 0 };

	c.secrets[0] = (struct adapter_secret){ "api.token", ssf_str_c(token) };
	return github_alert_lookup.call(&c, detail, out, err);
}

static void alert_answer_gives_a_fingerprint(void **state)
{
	uint8_t fingerprint[SSF_SHA256_LEN];
	char hex[SSF_SHA256_HEX];
	json_t *alert = NULL;
	ssf_auto_buf body;
	struct ssf_err err;

	(void)state;
	load_vector("github/alert/answer.json", &body);
	watch_frees("some_token");
	assert_int_equal(answer(ssf_buf_str(&body), fingerprint, &alert, &err), 0);
	ssf_hex(fingerprint, sizeof(fingerprint), hex);
	assert_string_equal(hex,
			    "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a");
	assert_json(alert, "{\"secret_type\":\"acme_api_token\",\"validity\":\"active\","
			     "\"publicly_leaked\":true,"
			     "\"html_url\":"
			     "\"https://github.com/acme/app/security/secret-scanning/42\"}");
	json_decref(alert);
	assert_int_equal(unwatch_frees(), 0);
}

static void the_watch_sees_secrets_that_stay(void **state)
{
	json_t *answer;
	ssf_auto_buf body;
	struct ssf_err err;

	(void)state;
	load_vector("github/alert/answer.json", &body);
	watch_frees("some_token");
	assert_int_equal(ssf_json_parse(ssf_buf_str(&body), &ssf_json_default, &answer, &err), 0);
	json_decref(answer);
	assert_int_equal(unwatch_frees(), 1);
}

static void alert_answer_without_secret_is_refused(void **state)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"{\"secret\":null}",
		"{\"secret\":\"\"}",
		"{\"secret\":7}",
		"{\"secret\":\"a\",\"secret\":\"b\"}",
		"{\"message\":\"Not Found\",\"status\":\"404\"}",
	};
	uint8_t fingerprint[SSF_SHA256_LEN] = { 1, 2, 3 };
	const uint8_t before[SSF_SHA256_LEN] = { 1, 2, 3 };
	json_t *alert = NULL;
	ssf_auto_buf hidden;
	struct ssf_err err;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bodies); i++) {
		struct ssf_str body = ssf_str_c(bodies[i]);

		assert_int_equal(answer(body, fingerprint, &alert, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	load_vector("github/alert/answer-hide_secret.json", &hidden);
	assert_int_equal(answer(ssf_buf_str(&hidden), fingerprint, &alert, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	assert_null(alert);
	assert_memory_equal(fingerprint, before, sizeof(before));
}

static void alert_urls(void **state)
{
	static const struct {
		const char *api;
		const char *repository;
		json_int_t number;
		const char *url; /* NULL: refused */
	} cases[] = {
		{ "https://api.github.com", "acme/app", 42,
		  "https://api.github.com/repos/acme/app/secret-scanning/alerts/42" },
		{ "https://api.github.com//", "acme/app", 42,
		  "https://api.github.com/repos/acme/app/secret-scanning/alerts/42" },
		{ "https://ghe.example/api/v3/", "octo_org/.github", 9007199254740993,
		  "https://ghe.example/api/v3/repos/octo_org/.github/secret-scanning/alerts/"
		  "9007199254740993" },
		{ "http://127.0.0.1:8080", "a/b", 1,
		  "http://127.0.0.1:8080/repos/a/b/secret-scanning/alerts/1" },
		{ "", "acme/app", 42, NULL },
		{ "https://", "acme/app", 42, NULL },
		{ "api.github.com", "acme/app", 42, NULL },
		{ "file:///etc", "acme/app", 42, NULL },
		{ "https://api.github.com?x=", "acme/app", 42, NULL },
		{ "https://api.github.com#x", "acme/app", 42, NULL },
		{ "https://api.github.com", "acme", 42, NULL },
		{ "https://api.github.com", "acme/app/x", 42, NULL },
		{ "https://api.github.com", "acme/..", 42, NULL },
		{ "https://api.github.com", "../app", 42, NULL },
		{ "https://api.github.com", "acme/a..b", 42, NULL },
		{ "https://api.github.com", "acme/.", 42, NULL },
		{ "https://api.github.com", "acme/app?hide_secret=true", 42, NULL },
		{ "https://api.github.com", "acme/app#", 42, NULL },
		{ "https://api.github.com", "acme/%61pp", 42, NULL },
		{ "https://api.github.com", "acme/app\n", 42, NULL },
		{ "https://api.github.com", LONG_NAME LONG_NAME "/app", 42, NULL },
		{ "https://api.github.com", "acme/app", 0, NULL },
		{ "https://api.github.com", "acme/app", -42, NULL },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *spec = json_pack("{s:{s:s}}", "api", "url", cases[i].api);
		json_auto_t *detail = json_pack("{s:s, s:I}", "repository", cases[i].repository,
						"alert", cases[i].number);
		struct adapter_lookup_call c = { .url = SSF_BUF(1024),
						 .authorization = SSF_BUF(1024) };
		struct ssf_err err;

		int r = call(spec, "token", detail, &c, &err);
		if (r != (cases[i].url == NULL ? -1 : 0))
			fail_msg("%s %s: %d", cases[i].api, cases[i].repository, r);
		if (r == 0) {
			assert_string_equal(c.url.ptr, cases[i].url);
			assert_string_equal(c.authorization.ptr, "Authorization: Bearer token");
		} else {
			assert_int_equal(err.code, SSF_E_MALFORMED);
		}
		ssf_buf_done(&c.url);
		ssf_buf_done(&c.authorization);
	}
}

static void default_api_and_missing_token(void **state)
{
	json_auto_t *spec = json_object();
	json_auto_t *detail = json_pack("{s:s, s:i}", "repository", "acme/app", "alert", 42);
	json_auto_t *no_alert = json_pack("{s:s}", "repository", "acme/app");
	struct adapter_lookup_call c = { .url = SSF_BUF(1024), .authorization = SSF_BUF(1024) };
	struct adapter_lookup_call small = { .url = SSF_BUF(30), .authorization = SSF_BUF(1024) };
	struct ssf_err err;

	(void)state;
	assert_int_equal(call(spec, "token", detail, &c, &err), 0);
	assert_string_equal(c.url.ptr,
			    "https://api.github.com/repos/acme/app/secret-scanning/alerts/42");
	assert_int_equal(call(spec, "token", no_alert, &c, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	assert_int_equal(call(spec, NULL, detail, &c, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	assert_int_equal(call(spec, "token", detail, &small, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	ssf_buf_done(&c.url);
	ssf_buf_done(&c.authorization);
	ssf_buf_done(&small.url);
	ssf_buf_done(&small.authorization);
}

static void status_decides_whether_to_ask_again(void **state)
{
	static const struct {
		int status, retry_after_s;
		enum adapter_lookup_result result;
	} cases[] = {
		{ 403, -1, ADAPTER_LOOKUP_DENIED }, { 403, 0, ADAPTER_LOOKUP_RETRY },
		{ 403, 60, ADAPTER_LOOKUP_RETRY },  { 404, -1, ADAPTER_LOOKUP_DENIED },
		{ 401, 60, ADAPTER_LOOKUP_DENIED }, { 429, -1, ADAPTER_LOOKUP_RETRY },
		{ 500, -1, ADAPTER_LOOKUP_RETRY },  { 503, 5, ADAPTER_LOOKUP_RETRY },
		{ 301, -1, ADAPTER_LOOKUP_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		enum adapter_lookup_result result;
		uint8_t fingerprint[SSF_SHA256_LEN];
		json_t *more = NULL;
		struct ssf_err err;

		assert_int_equal(github_alert_lookup.answer(cases[i].status, cases[i].retry_after_s,
							    SSF_STR("{\"secret\":\"s\"}"),
							    &result, fingerprint, &more, &err), 0);
		assert_int_equal(result, cases[i].result);
		assert_null(more);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alert_answer_gives_a_fingerprint),
		cmocka_unit_test(the_watch_sees_secrets_that_stay),
		cmocka_unit_test(alert_answer_without_secret_is_refused),
		cmocka_unit_test(alert_urls),
		cmocka_unit_test(default_api_and_missing_token),
		cmocka_unit_test(status_decides_whether_to_ask_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
