/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds.h"

#include "lib/kit/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Resources that others refer to, as if they were in the same batch. */
static const char others[] = "{\"person\":{\"ada\":{}},\"agent\":{\"agent:a\":{}},"
			     "\"client\":{\"c\":{\"audience\":\"https://c.example\"}}}";

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct db *db;
	struct registry *registry;
	struct master_key *master;
	struct egress_policy *guard;
	json_t *pending;
	struct kinds kinds;
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
	    egress_policy_new(NULL, false, &f->guard, &err) < 0)
		return -1;
	f->pending = json_loads(others, 0, NULL);
	f->kinds = (struct kinds){ .registry = f->registry, .master = f->master, .guard = f->guard };
	for (int k = 0; k < KIND_COUNT; k++)
		f->kinds.pending[k] = json_object_get(f->pending, kind_name((enum kind)k));
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	json_decref(f->pending);
	egress_policy_free(f->guard);
	master_key_free(f->master);
	registry_free(f->registry);
	db_free(f->db);
	loop_free(f->loop);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int check(struct fixture *f, enum kind kind, const char *text, json_t **spec,
		 struct ssf_err *err)
{
	json_t *in = json_loads(text, 0, NULL);
	int r;

	assert_non_null(in);
	r = kind_check(&f->kinds, kind, "x", in, spec, err);
	json_decref(in);
	return r;
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
		struct ssf_err err;
		char *stored, *seen;
		if (check(f, cases[i].kind, cases[i].text, &spec, &err) < 0)
			fail_msg("%s", err.msg);
		shown = kind_show(cases[i].kind, "x", spec);
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

static void sealed_secret_opens_in_its_place(void **state)
{
	struct fixture *f = *state;
	ssf_auto_buf plain = SSF_BUF(1024);
	json_t *spec = NULL;
	const char *sealed;
	struct ssf_err err;

	assert_int_equal(check(f, KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"hub-secret-1\"}", &spec, &err), 0);
	sealed = json_string_value(json_object_get(json_object_get(spec, "secret"), "sealed"));
	assert_non_null(sealed);
	assert_int_equal(unseal(f->master, "source/x/secret", ssf_str_c(sealed), &plain, &err), 0);
	assert_string_equal(plain.ptr, "hub-secret-1");
	json_decref(spec);
}

static void fingerprint_is_the_sha256_of_the_secret(void **state)
{
	struct fixture *f = *state;
	json_t *spec = NULL;
	struct ssf_err err;

	assert_int_equal(check(f, KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"api-token\",\"secret\":\"some_token\"}",
			       &spec, &err),
			 0);
	assert_string_equal(json_string_value(json_object_get(spec, "fingerprint")),
			    "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a");
	assert_null(json_object_get(spec, "secret"));
	json_decref(spec);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		enum kind kind;
		const char *text;
		const char *names;
	} cases[] = {
		{ KIND_PERSON, "{\"name\":1}", "name" },
		{ KIND_PERSON, "{\"nmae\":\"Ada\"}", "nmae" },
		{ KIND_AGENT, "{\"owner\":\"nobody\",\"purpose\":\"x\",\"environment\":\"prod\"}", "owner" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"environment\":\"prod\"}", "purpose" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"purpose\":\"x\",\"environment\":\"staging\"}", "environment" },
		{ KIND_AGENT, "{\"owner\":\"ada\",\"purpose\":\"x\",\"environment\":\"prod\",\"tools\":[1]}", "tools" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:b\",\"type\":\"t\",\"secret\":\"12345678\"}", "agent" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\"}", "secret or fingerprint" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\",\"fingerprint\":\"abcd\"}", "fingerprint" },
		{ KIND_CREDENTIAL, "{\"agent\":\"agent:a\",\"type\":\"t\",\"secret\":\"short\"}", "secret" },
		{ KIND_SOURCE, "{\"type\":\"gitlab\"}", "type" },
		{ KIND_SOURCE, "{\"type\":\"github\"}", "secret" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"(sealed)\"}", "sealed" },
		{ KIND_SOURCE, "{\"type\":\"github\",\"secret\":\"12345678\",\"api\":{\"url\":\"http://ghes.example\"}}",
		  "https" },
		{ KIND_SOURCE, "{\"type\":\"github-partner\"}", "keys_file or keys_url" },
		{ KIND_SOURCE, "{\"type\":\"github-partner\",\"keys_file\":\"/nowhere/keys.json\"}", "keys_file" },
		{ KIND_TRANSMITTER, "{\"issuer\":\"https://i.example\"}", "jwks" },
		{ KIND_TRANSMITTER, "{\"issuer\":\"https://i.example\",\"jwks_url\":\"ftp://x\"}", "https" },
		{ KIND_TRANSMITTER, "{\"issuer\":\"https://i.example\",\"jwks\":{\"keys\":1}}", "jwks" },
		{ KIND_CLIENT, "{\"token\":\"12345678\"}", "audience" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"token\":\"12345678\",\"alg\":\"HS256\"}", "alg" },
		{ KIND_CLIENT, "{\"audience\":\"a\"}", "token, secret, jwks or subject" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"secret\":\"easily guessed\"}", "secret" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"token\":\"12345678\",\"scopes\":[]}", "scopes" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"token\":\"12345678\",\"scopes\":[\"ssf.root\"]}", "scopes" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"jwks\":{\"keys\":[]}}", "jwks" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}}",
		  "private" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"issuer\":\"nobody\",\"subject\":\"s\"}", "issuer" },
		{ KIND_CLIENT, "{\"audience\":\"a\",\"subject\":\"s\"}", "issuer" },
		{ KIND_ISSUER, "{\"jwks_url\":\"https://i.example/jwks\"}", "issuer" },
		{ KIND_ISSUER, "{\"issuer\":\"https://i.example\"}", "jwks" },
		{ KIND_STREAM, "{\"client\":\"d\",\"delivery\":{\"method\":\"urn:ietf:rfc:8936\"}}", "client" },
		{ KIND_STREAM, "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8935\",\"endpoint_url\":"
			       "\"https://169.254.169.254/latest\"}}", "endpoint_url" },
		{ KIND_STREAM, "{\"client\":\"c\"}", "delivery" },
		{ KIND_RULES, "{\"text\":\"{\\\"hrl\\\":2}\"}", "1:" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_t *spec = NULL;
		struct ssf_err err;
		assert_int_equal(check(f, cases[i].kind, cases[i].text, &spec, &err), -1);
		assert_null(spec);
		if (strstr(err.msg, cases[i].names) == NULL)
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

static void ids_are_checked(void **state)
{
	char longest[130];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[128] = '\0';
	assert_true(kind_id_valid("agent:triage-bot"));
	assert_true(kind_id_valid("a.b_c@D-9"));
	assert_true(kind_id_valid(longest));
	longest[128] = 'a';
	longest[129] = '\0';
	assert_false(kind_id_valid(longest));
	assert_false(kind_id_valid(""));
	assert_false(kind_id_valid(NULL));
	assert_false(kind_id_valid("a/b"));
	assert_false(kind_id_valid("a b"));
	assert_false(kind_id_valid("\xc3\xa4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(secrets_are_hashed_or_sealed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sealed_secret_opens_in_its_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fingerprint_is_the_sha256_of_the_secret, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mistakes_are_named, set_up, tear_down),
		cmocka_unit_test(ids_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
