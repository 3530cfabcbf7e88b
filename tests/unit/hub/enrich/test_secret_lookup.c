/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of the GitHub adapter against an API of the test. */
#include "hub/enrich/secret_lookup.h"

#include "hub/secrets/seal.h"
#include "lib/http/http_server.h"
#include "lib/kit/file.h"
#include "lib/kit/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GIVE_UP_MS 10000

struct fixture {
	struct loop *loop;
	struct http_server *server;
	struct ca_store *trust;
	struct http_client *client;
	struct master_key *master;
	struct loop_timer *give_up;
	char dir[64];
	char *key_path;
	json_t *spec, *detail;
	/* the API */
	int status;
	const char *retry_after;
	const char *body;
	char authorization[128], path[128];
	/* the result */
	bool ended;
	enum adapter_lookup_result outcome;
	char fingerprint[SSF_SHA256_HEX];
	json_t *more;
	int retry_after_s;
};

static void serve_api(void *arg, struct http_req *req)
{
	struct fixture *f = arg;
	struct ssf_str authorization = http_header(req, "Authorization");
	const struct http_answer answer = {
		.status = f->status,
		.content_type = "application/json",
		.body = ssf_str_c(f->body),
		.headers = { { f->retry_after != NULL ? "Retry-After" : NULL, f->retry_after } },
	};

	snprintf(f->authorization, sizeof(f->authorization), "%.*s", (int)authorization.len,
		 authorization.ptr);
	snprintf(f->path, sizeof(f->path), "%s", http_path(req));
	http_reply(req, &answer);
}

static void on_give_up(void *arg)
{
	(void)arg;
	fail_msg("nothing happens");
}

static json_t *spec_of(const struct fixture *f, const char *context)
{
	ssf_auto_buf sealed = SSF_BUF(4096);
	char url[64];
	struct ssf_err err;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(f->server));
	assert_int_equal(seal(f->master, context, SSF_STR("api-token"), &sealed, &err), 0);
	return json_pack("{s:s, s:{s:s, s:{s:s}}}", "type", "github", "api", "url", url, "token",
			 "sealed", sealed.ptr);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct http_server_conf server = { .listen = "127.0.0.1:0" };
	struct ssf_err err;

	*state = f;
	strcpy(f->dir, "/tmp/secret_lookup_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->key_path = file_join(f->dir, "master.key");
	assert_int_equal(master_key_open(f->key_path, &f->master, &err), 0);
	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(http_server_new(f->loop, &server, serve_api, f, &f->server, &err), 0);
	assert_int_equal(ca_store_new(NULL, &f->trust, &err), 0);
	assert_int_equal(http_client_new(f->loop, NULL, f->trust, &f->client, &err), 0);
	f->give_up = loop_timer_start(f->loop, GIVE_UP_MS, on_give_up, f);
	f->spec = spec_of(f, "source/gh/api.token");
	f->detail = json_pack("{s:s, s:i}", "repository", "acme/app", "alert", 42);
	f->status = 200;
	f->body = "{\"secret\":\"some_token\",\"validity\":\"active\"}";
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(f->give_up);
	http_client_free(f->client);
	ca_store_free(f->trust);
	http_server_free(f->server);
	loop_free(f->loop);
	master_key_free(f->master);
	unlink(f->key_path);
	rmdir(f->dir);
	json_decref(f->spec);
	json_decref(f->detail);
	json_decref(f->more);
	free(f->key_path);
	free(f);
	return 0;
}

static void on_result(void *arg, const struct secret_lookup_result *r)
{
	struct fixture *f = arg;

	f->ended = true;
	f->outcome = r->outcome;
	f->retry_after_s = r->retry_after_s;
	assert_true((r->fingerprint != NULL) == (r->outcome == ADAPTER_LOOKUP_FOUND));
	if (r->fingerprint != NULL)
		ssf_hex(r->fingerprint, SSF_SHA256_LEN, f->fingerprint);
	f->more = json_incref(r->more);
	loop_stop(f->loop);
}

static int start(struct fixture *f, struct secret_lookup **out, struct ssf_err *err)
{
	const struct secret_lookup_spec spec = { .adapter = adapter_by_type("github"),
						 .source = "gh",
						 .spec = f->spec,
						 .detail = f->detail,
						 .seq = 7 };

	return secret_lookup_start(f->client, f->master, &spec, on_result, f, out, err);
}

static void look_up(struct fixture *f)
{
	struct secret_lookup *l;
	struct ssf_err err;

	assert_int_equal(start(f, &l, &err), 0);
	assert_false(f->ended);
	loop_run(f->loop);
	assert_true(f->ended);
}

static void the_api_tells_the_secret(void **state)
{
	struct fixture *f = *state;

	look_up(f);
	assert_int_equal(f->outcome, ADAPTER_LOOKUP_FOUND);
	assert_string_equal(f->fingerprint,
			    "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a");
	assert_string_equal(json_string_value(json_object_get(f->more, "validity")), "active");
	assert_null(json_object_get(f->more, "secret"));
	assert_string_equal(f->path, "/repos/acme/app/secret-scanning/alerts/42");
	assert_string_equal(f->authorization, "Bearer api-token");
}

static void an_overloaded_api_is_asked_again(void **state)
{
	struct fixture *f = *state;

	f->status = 503;
	f->retry_after = "30";
	look_up(f);
	assert_int_equal(f->outcome, ADAPTER_LOOKUP_RETRY);
	assert_int_equal(f->retry_after_s, 30);
}

static void an_api_that_is_away_is_asked_again(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	f->server = NULL;
	look_up(f);
	assert_int_equal(f->outcome, ADAPTER_LOOKUP_RETRY);
	assert_int_equal(f->retry_after_s, -1);
}

static void a_refusal_and_nonsense_are_final(void **state)
{
	struct fixture *f = *state;

	f->status = 404;
	look_up(f);
	assert_int_equal(f->outcome, ADAPTER_LOOKUP_DENIED);
	f->ended = false;
	f->status = 200;
	f->body = "{\"secret\":7}";
	look_up(f);
	assert_int_equal(f->outcome, ADAPTER_LOOKUP_DENIED);
}

static void without_a_token_nobody_is_asked(void **state)
{
	struct fixture *f = *state;
	struct secret_lookup *l;
	struct ssf_err err;

	json_object_del(f->spec, "api");
	assert_int_equal(start(f, &l, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
}

static void a_token_that_was_sealed_elsewhere_is_not_used(void **state)
{
	struct fixture *f = *state;
	struct secret_lookup *l;
	struct ssf_err err;

	json_decref(f->spec);
	f->spec = spec_of(f, "source/other/api.token");
	assert_int_equal(start(f, &l, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
}

static void a_cancelled_lookup_hears_nothing(void **state)
{
	struct fixture *f = *state;
	struct secret_lookup *l;
	struct ssf_err err;

	assert_int_equal(start(f, &l, &err), 0);
	secret_lookup_cancel(l);
	look_up(f); /* the loop turns until this one ends */
	assert_int_equal(f->outcome, ADAPTER_LOOKUP_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_api_tells_the_secret),
		TEST(an_overloaded_api_is_asked_again),
		TEST(an_api_that_is_away_is_asked_again),
		TEST(a_refusal_and_nonsense_are_final),
		TEST(without_a_token_nobody_is_asked),
		TEST(a_token_that_was_sealed_elsewhere_is_not_used),
		TEST(a_cancelled_lookup_hears_nothing),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
