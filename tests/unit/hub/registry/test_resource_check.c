/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/resource_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Resources that others refer to, as if they were in the same request. */
static const char others[] = "{\"person\":{\"ada\":{}},\"agent\":{\"agent:a\":{}},"
			     "\"client\":{\"c\":{\"audience\":\"https://c.example\"}}}";

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct db *db;
	struct registry *registry;
	struct master_key *master;
	struct egress_policy *policy;
	struct resource_checker checker;
	struct resource_peers peers;
};

static void ready(void *arg)
{
	(void)arg;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct db_conf conf = { .conninfo = "host=/nowhere", .connections = 1, .queue_max = 10,
				      .timeout_ms = 1000 };
	struct ssf_err err;

	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/kinds_test.XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/master.key", f->dir);
	if (loop_new(&f->loop, &err) < 0 || db_new(f->loop, &conf, NULL, NULL, &f->db, &err) < 0 ||
	    registry_new(f->loop, f->db, ready, NULL, &f->registry, &err) < 0 ||
	    master_key_open(f->path, &f->master, &err) < 0 ||
	    egress_policy_new(NULL, false, &f->policy, &err) < 0 ||
	    resource_peers_init(&f->peers, &err) < 0)
		return -1;
	json_t *all = json_loads(others, 0, NULL);
	for (int k = 0; k < KIND_COUNT; k++)
		json_object_update(f->peers.pending[k], json_object_get(all, kind_name((enum kind)k)));
	json_decref(all);
	f->checker = (struct resource_checker){ f->registry, f->master, f->policy };
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	resource_peers_done(&f->peers);
	egress_policy_free(f->policy);
	master_key_free(f->master);
	registry_free(f->registry);
	db_free(f->db);
	loop_free(f->loop);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int check_as(struct fixture *f, enum kind kind, const char *id, const char *text, json_t **spec,
		    struct ssf_diagnostic *d)
{
	const struct ssf_json_path root = { NULL, NULL, 0 };
	json_t *in = json_loads(text, 0, NULL);
	const struct resource_input input = { kind, id, in, &root };
	int r;

	assert_non_null(in);
	*d = (struct ssf_diagnostic){ .text = ssf_str_c(text) };
	r = resource_check(&f->checker, &f->peers, &input, spec, d);
	json_decref(in);
	return r;
}

static int check(struct fixture *f, enum kind kind, const char *text, json_t **spec, struct ssf_diagnostic *d)
{
	return check_as(f, kind, "x", text, spec, d);
}

static void secrets_are_hashed_or_sealed(void **state)
{
	static const struct {
		enum kind kind;
		const char *text;
	} cases[] = {
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"api-token\",\"secret\":\"CANARY-secret-1\"}" },
		{ KIND_CLIENT, "{\"audience\":\"https://c.example\",\"token\":\"CANARY-token-12\"}" },
		{ KIND_CLIENT, "{\"audience\":\"https://c.example\",\"token\":\"CANARY-token-12\","
			       "\"secret\":\"CANARY-client-secret-long-enough\"}" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"CANARY-hook-123\",\"previous_secret\":\"CANARY-old-1234\","
			       "\"api\":{\"url\":\"https://ghes.example/api/v3\",\"token\":\"CANARY-api-1234\"}}" },
		{ KIND_STREAM, "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8935\",\"endpoint_url\":"
			       "\"https://r.example/e\",\"authorization_header\":\"Bearer CANARY-push\"}}" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_t *spec = NULL, *shown;
		struct ssf_diagnostic err;
		char *stored, *seen;
		if (check(f, cases[i].kind, cases[i].text, &spec, &err) < 0)
			fail_msg("%s", err.err.msg);
		shown = resource_show(cases[i].kind, "x", spec);
		stored = json_dumps(spec, 0);
		seen = json_dumps(shown, 0);
		assert_null(strstr(stored, "CANARY"));
		assert_null(strstr(seen, "CANARY"));
		assert_null(strstr(seen, "sealed\":"));
		free(stored);
		free(seen);
		json_decref(shown);
		json_decref(spec);
	}
}

static void a_sealed_secret_opens_in_its_place(void **state)
{
	struct fixture *f = *state;
	ssf_auto_buf plain = SSF_BUF(1024);
	json_t *spec = NULL;
	const char *sealed;
	struct ssf_diagnostic d;
	struct ssf_err err;

	assert_int_equal(check(f, KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"hub-secret-1\"}", &spec, &d), 0);
	sealed = json_string_value(json_object_get(json_object_get(spec, "secret"), "sealed"));
	assert_non_null(sealed);
	assert_int_equal(unseal(f->master, "source/x/secret", ssf_str_c(sealed), &plain, &err), 0);
	assert_string_equal(plain.ptr, "hub-secret-1");
	json_decref(spec);
}

static void a_fingerprint_is_the_sha256_of_the_secret(void **state)
{
	struct fixture *f = *state;
	json_t *spec = NULL;
	struct ssf_diagnostic err;

	assert_int_equal(check(f, KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"api-token\",\"secret\":\"some_token\"}",
			       &spec, &err),
			 0);
	assert_string_equal(json_string_value(json_object_get(spec, "fingerprint")),
			    "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a");
	assert_null(json_object_get(spec, "secret"));
	json_decref(spec);
}

/* names: in the message; path: of the value at fault. */
static void mistakes_are_named_and_located(void **state)
{
	static const struct {
		enum kind kind;
		const char *text;
		const char *names, *path;
	} cases[] = {
		{ KIND_PERSON, "{\"name\":1}", "name: must be a string", "/name" },
		{ KIND_PERSON, "{\"nmae\":\"Ada\"}", "nmae: unknown member", "/nmae" },
		{ KIND_AGENT, "{\"owner\":\"nobody\",\"purpose\":\"x\",\"environment\":\"prod\"}",
		  "owner: there is no such person", "/owner" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"environment\":\"prod\"}", "purpose: missing", "/purpose" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"purpose\":\"x\",\"environment\":\"staging\"}", "environment: not one",
		  "/environment" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"purpose\":\"x\",\"environment\":\"prod\",\"tools\":[1]}", "tools",
		  "/tools" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"purpose\":\"x\",\"environment\":\"prod\",\"labels\":[]}",
		  "labels: must be an object", "/labels" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:b\",\"type\":\"t\",\"secret\":\"12345678\"}", "agent", "/agent" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\"}", "give either secret or fingerprint", "" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\",\"secret\":\"12345678\",\"fingerprint\":\"ab\"}",
		  "give either secret or fingerprint", "" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\",\"fingerprint\":\"abcd\"}", "64 hex digits",
		  "/fingerprint" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\",\"secret\":\"short\"}",
		  "secret: must be a string of 8 to 4096 bytes", "/secret" },
		{ KIND_SOURCE, "{\"type\":\"no-such\"}", "type", "/type" },
		{ KIND_SOURCE, "{}", "type: missing", "/type" },
		{ KIND_SOURCE, "{\"type\":\"github\"}", "secret: missing", "/secret" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"12345678\",\"labels\":true}", "labels: unknown member",
		  "/labels" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"(sealed)\"}", "nothing is sealed", "/secret" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"12345678\",\"api\":{\"token\":\"12345678\","
			       "\"url\":\"http://ghes.example\"}}",
		  "api.url: must be an https URL", "/api/url" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"12345678\",\"api\":{\"token\":\"1234567\\n8\"}}",
		  "api.token: has a control character", "/api/token" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"12345678\",\"api\":{}}", "api.token: missing",
		  "/api/token" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"12345678\",\"api\":{\"tokn\":\"x\"}}",
		  "api.tokn: unknown member", "/api/tokn" },
		{ KIND_SOURCE, "{\"type\":\"github-partner\"}", "keys_url or keys_file", "" },
		{ KIND_SOURCE, "{\"type\":\"github-partner\",\"keys_file\":\"/nowhere/keys.json\"}", "keys_file",
		  "/keys_file" },
		{ KIND_TRANSMITTER, "{\"issuer\":\"https://i.example\"}", "jwks", "" },
		{ KIND_TRANSMITTER, "{\"issuer\":\"https://i.example\",\"jwks_url\":\"ftp://x\"}", "https", "/jwks_url" },
		{ KIND_TRANSMITTER, "{\"issuer\":\"https://i.example\",\"jwks\":{\"keys\":1}}", "jwks", "/jwks" },
		{ KIND_CLIENT, "{\"token\":\"12345678\"}", "audience", "/audience" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"token\":\"12345678\",\"alg\":\"HS256\"}", "alg", "/alg" },
		{ KIND_CLIENT, "{\"audience\":\"a\"}", "at least one of token,", "" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"secret\":\"easily guessed\"}", "secret", "/secret" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"token\":\"12345678\",\"scopes\":[]}", "scopes", "/scopes" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"token\":\"12345678\",\"scopes\":[\"ssf.root\"]}", "scopes",
		  "/scopes" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"jwks\":{\"keys\":[]}}", "jwks", "/jwks" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}}", "private",
		  "/jwks" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"issuer\":\"nobody\",\"subject\":\"s\"}", "issuer", "/issuer" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"subject\":\"s\"}", "issuer and subject together", "" },
		{ KIND_ISSUER, "{\"jwks_url\":\"https://i.example/jwks\"}", "issuer", "/issuer" },
		{ KIND_ISSUER, "{\"issuer\":\"https://i.example\"}", "jwks", "" },
		{ KIND_STREAM, "{\"client\":\"d\",\"delivery\":{\"method\":\"urn:ietf:rfc:8936\"}}", "client", "/client" },
		{ KIND_STREAM, "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8935\",\"endpoint_url\":"
			       "\"https://169.254.169.254/latest\"}}",
		  "delivery.endpoint_url", "/delivery/endpoint_url" },
		{ KIND_STREAM, "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8936\",\"endpoint_url\":"
			       "\"https://r.example/e\"}}",
		  "delivery.endpoint_url: unknown member", "/delivery/endpoint_url" },
		{ KIND_STREAM, "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:x\"}}", "delivery.method",
		  "/delivery/method" },
		{ KIND_STREAM, "{\"client\":\"c\"}", "delivery: missing", "/delivery" },
		{ KIND_STREAM, "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8936\"},\"heartbeat\":-1}",
		  "heartbeat: must be an integer from 0", "/heartbeat" },
		{ KIND_RULES, "{\"text\":\"{\\\"hrl\\\":2}\"}", "1:8: ", "/text" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_t *spec = NULL;
		struct ssf_diagnostic d;
		assert_int_equal(check(f, cases[i].kind, cases[i].text, &spec, &d), -1);
		assert_null(spec);
		if (strstr(d.err.msg, cases[i].names) == NULL || strcmp(d.path, cases[i].path) != 0)
			fail_msg("%s: %s (%s)", cases[i].text, d.err.msg, d.path);
		assert_int_equal(d.line, 1);
	}
}

static void null_is_the_same_as_absent(void **state)
{
	struct fixture *f = *state;
	json_t *spec = NULL;
	struct ssf_diagnostic d;

	assert_int_equal(check(f, KIND_CLIENT,
			       "{\"audience\":\"a\",\"name\":null,\"secret\":null,\"token\":\"12345678\",\"alg\":null}",
			       &spec, &d),
			 0);
	assert_null(json_object_get(spec, "name"));
	assert_null(json_object_get(spec, "alg"));
	assert_int_equal(json_object_size(spec), 2);
	json_decref(spec);
}

/* Within one request; against stored resources: tests/e2e/admin. */
static void a_unique_value_is_taken_once(void **state)
{
	static const char agent[] = "{\"owner\":\"ada\",\"purpose\":\"x\",\"environment\":\"prod\","
				    "\"repositories\":[\"acme/app\",\"acme/app\"]}";
	struct fixture *f = *state;
	json_t *spec = NULL;
	struct ssf_diagnostic d;

	assert_int_equal(check_as(f, KIND_AGENT, "one", agent, &spec, &d), 0);
	json_decref(spec);
	assert_int_equal(check_as(f, KIND_AGENT, "one", agent, &spec, &d), 0);
	json_decref(spec);
	assert_int_equal(check_as(f, KIND_AGENT, "two", agent, &spec, &d), -1);
	assert_int_equal(d.err.code, SSF_E_CONFLICT);
	assert_string_equal(d.path, "/repositories");
	assert_string_equal(d.err.msg, "repositories: another agent has it");
}

static int count_url(void *arg, const char *url, struct ssf_err *err)
{
	(void)err;
	assert_string_equal(url, "https://r.example/e");
	++*(int *)arg;
	return 0;
}

static void a_changed_push_address_is_new(void **state)
{
	json_t *now = json_pack("{s:{s:s, s:s}}", "delivery", "method", "urn:ietf:rfc:8935", "endpoint_url",
				"https://r.example/e");
	json_t *old = json_pack("{s:{s:s, s:s}}", "delivery", "method", "urn:ietf:rfc:8935", "endpoint_url",
				"https://old.example/e");
	struct ssf_err err;
	int count = 0;

	(void)state;
	assert_int_equal(resource_new_urls(KIND_STREAM, now, NULL, count_url, &count, &err), 0);
	assert_int_equal(resource_new_urls(KIND_STREAM, now, old, count_url, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(resource_new_urls(KIND_STREAM, now, now, count_url, &count, &err), 0);
	assert_int_equal(resource_new_urls(KIND_PERSON, now, NULL, count_url, &count, &err), 0);
	assert_int_equal(count, 2);
	json_decref(now);
	json_decref(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(secrets_are_hashed_or_sealed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sealed_secret_opens_in_its_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_fingerprint_is_the_sha256_of_the_secret, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mistakes_are_named_and_located, set_up, tear_down),
		cmocka_unit_test_setup_teardown(null_is_the_same_as_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_unique_value_is_taken_once, set_up, tear_down),
		cmocka_unit_test(a_changed_push_address_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
