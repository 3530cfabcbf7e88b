/* SPDX-License-Identifier: Apache-2.0 */
/* The client against our server over TLS: verification, reuse, limits, guard, cancelling. */
#include "lib/http/http_client.h"

#include "lib/kit/file.h"
#include "lib/http/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/http/http_fixture.h"

#include <cmocka.h>

struct client_fixture {
	struct fixture f;
	struct egress_policy *guard;
	struct ca_store *trust;
	struct http_client *client;
	struct http_call *other;
	unsigned n_done;
	int status;
	enum ssf_code code;
	int retry_after;
	char body[4096];
	char etag[64];
	char content_type[64];
	char message[256];
	bool starting;
};

/* A client, instead of the one before if there is one. */
static void client_start(struct client_fixture *t, const struct egress_policy *guard, const char *ca)
{
	struct ssf_err err = { 0 };

	http_client_free(t->client);
	ca_store_free(t->trust);
	assert_int_equal(ca_store_new(ca, &t->trust, &err), 0);
	assert_int_equal(http_client_new(t->f.loop, guard, t->trust, &t->client, &err), 0);
}

static int set_up(void **state)
{
	struct client_fixture *t = calloc(1, sizeof(*t));
	struct ssf_err err = { 0 };

	*state = t;
	fixture_init(&t->f, true);
	fixture_start(&t->f);
	assert_int_equal(egress_policy_new("127.0.0.0/8,::1/128", false, &t->guard, &err), 0);
	client_start(t, t->guard, t->f.ca);
	return 0;
}

static int tear_down(void **state)
{
	struct client_fixture *t = *state;

	http_client_free(t->client);
	ca_store_free(t->trust);
	egress_policy_free(t->guard);
	fixture_done(&t->f);
	free(t);
	return 0;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "(none)");
}

static void on_done(void *arg, const struct http_result *result, const struct ssf_err *err)
{
	struct client_fixture *t = arg;

	assert_false(t->starting);
	assert_true((result == NULL) != (err == NULL));
	t->n_done++;
	t->code = err != NULL ? err->code : SSF_OK;
	copy(t->message, sizeof(t->message), err != NULL ? err->msg : NULL);
	if (result == NULL)
		return;
	t->status = result->status;
	t->retry_after = result->retry_after;
	snprintf(t->body, sizeof(t->body), "%.*s", (int)result->body.len, result->body.ptr);
	copy(t->etag, sizeof(t->etag), result->etag);
	copy(t->content_type, sizeof(t->content_type), result->content_type);
	assert_true(result->elapsed_us > 0);
}

static struct http_call *start(struct client_fixture *t, const char *host, const char *path,
			       struct http_call_spec spec)
{
	struct http_call *call = NULL;
	struct ssf_err err = { 0 };
	char url[256];

	snprintf(url, sizeof(url), "https://%s:%u%s", host, http_server_port(t->f.server), path);
	spec.url = url;
	if (spec.method == NULL)
		spec.method = "GET";
	t->starting = true;
	if (http_call_start(t->client, &spec, on_done, t, &call, &err) < 0)
		fail_msg("%s", err.msg);
	t->starting = false;
	return call;
}

struct done_count {
	const struct client_fixture *t;
	unsigned wanted;
};

static bool enough_done(void *arg)
{
	const struct done_count *c = arg;

	return c->t->n_done >= c->wanted;
}

static void until_done(struct client_fixture *t, unsigned n)
{
	fixture_until(&t->f, enough_done, &(struct done_count){ t, n });
}

static void run(struct client_fixture *t, const char *host, const char *path,
		struct http_call_spec spec)
{
	unsigned before = t->n_done;

	start(t, host, path, spec);
	until_done(t, before + 1);
}

static void gets_and_posts(void **state)
{
	struct client_fixture *t = *state;

	run(t, "127.0.0.1", "/a?q=1", (struct http_call_spec){ .headers = { "X-Test: t" } });
	assert_int_equal(t->code, SSF_OK);
	assert_int_equal(t->status, 200);
	assert_non_null(strstr(t->body, "\"method\":\"GET\",\"path\":\"/a\",\"q\":\"1\",\"x\":\"t\""));
	assert_string_equal(t->content_type, "application/json");
	assert_string_equal(t->etag, "(none)");
	assert_int_equal(t->retry_after, -1);
	run(t, "localhost", "/b", (struct http_call_spec){ .method = "POST", .body = SSF_STR("hi") });
	assert_non_null(strstr(t->body, "\"method\":\"POST\""));
	assert_non_null(strstr(t->body, "\"body\":\"hi\""));
	run(t, "127.0.0.1", "/", (struct http_call_spec){ .method = "POST" });
	assert_non_null(strstr(t->body, "\"length\":0"));
	run(t, "127.0.0.1", "/", (struct http_call_spec){ .method = "PATCH", .body = SSF_STR("a\0b") });
	assert_non_null(strstr(t->body, "\"method\":\"PATCH\""));
	assert_non_null(strstr(t->body, "\"length\":3"));
	run(t, "127.0.0.1", "/", (struct http_call_spec){ .method = "DELETE" });
	assert_non_null(strstr(t->body, "\"method\":\"DELETE\""));
	run(t, "127.0.0.1", "/", (struct http_call_spec){ .method = "HEAD" });
	assert_int_equal(t->status, 200);
	assert_string_equal(t->body, "");
}

static void sends_what_is_larger_than_a_megabyte_at_once(void **state)
{
	struct client_fixture *t = *state;
	static char large[1024 * 1024];

	memset(large, 'a', sizeof(large));
	run(t, "127.0.0.1", "/", (struct http_call_spec){ .method = "POST",
							   .body = { large, sizeof(large) } });
	assert_non_null(strstr(t->body, "\"length\":1048576"));
}

static void reads_retry_after_and_etag(void **state)
{
	static const struct {
		const char *path;
		int low, high;
	} cases[] = {
		{ "/retry", -1, -1 },
		{ "/retry?after=0", 0, 0 },
		{ "/retry?after=120", 120, 120 },
		{ "/retry?after=99999999999999", INT32_MAX, INT32_MAX },
		{ "/retry?after=soon", -1, -1 },
		{ "/retry?after=-5", -1, -1 },
		{ "/retry?after=Sun,+06+Nov+1994+08:49:37+GMT", 0, 0 },
		{ "/retry?after=Fri,+01+Jan+2100+00:00:00+GMT", 1000000, INT32_MAX },
	};
	struct client_fixture *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(t, "127.0.0.1", cases[i].path, (struct http_call_spec){ 0 });
		assert_int_equal(t->status, 503);
		assert_string_equal(t->etag, "\"v1\"");
		if (t->retry_after < cases[i].low || t->retry_after > cases[i].high)
			fail_msg("%s: %d", cases[i].path, t->retry_after);
	}
}

static void keeps_the_connection(void **state)
{
	struct client_fixture *t = *state;

	for (int i = 0; i < 100; i++) {
		run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
		assert_int_equal(t->code, SSF_OK);
		assert_int_equal(http_server_connections(t->f.server), 1);
	}
	assert_int_equal(t->f.n_requests, 100);
}

static void runs_many_at_once(void **state)
{
	struct client_fixture *t = *state;

	for (int i = 0; i < 50; i++) /* as many TLS handshakes at once, on a machine that may be busy */
		start(t, "127.0.0.1", "/a", (struct http_call_spec){ .timeout_ms = 60000 });
	assert_int_equal(t->n_done, 0);
	until_done(t, 50);
	assert_int_equal(t->code, SSF_OK);
	assert_int_equal(t->f.n_requests, 50);
}

static void does_not_follow_redirects(void **state)
{
	struct client_fixture *t = *state;

	run(t, "127.0.0.1", "/redirect", (struct http_call_spec){ 0 });
	assert_int_equal(t->status, 302);
	assert_int_equal(t->f.n_requests, 1);
}

static void ignores_proxies_of_the_environment(void **state)
{
	struct client_fixture *t = *state;

	setenv("https_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_OK);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
}

static void verifies_the_ca(void **state)
{
	struct client_fixture *t = *state;
	struct fixture other;

	/* No extra CA, then a wrong one. */
	client_start(t, t->guard, NULL);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_KEY);
	fixture_init(&other, true);
	client_start(t, t->guard, other.ca);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_KEY);
	fixture_done(&other);
	assert_int_equal(t->f.n_requests, 0);
}

static void put_file(const char *to, const char *from)
{
	ssf_auto_buf bytes = SSF_BUF(65536);
	struct ssf_err err;

	if (from != NULL)
		assert_int_equal(file_read(from, &bytes, &err), 0);
	else
		ssf_buf_adds(&bytes, "nothing\n");
	assert_int_equal(file_write(to, ssf_buf_str(&bytes), 0600, &err), 0);
}

/* What was connected is not any more, and the port is another. */
static void serve_anew(struct client_fixture *t)
{
	http_server_free(t->f.server);
	fixture_start(&t->f);
}

static void reads_a_changed_ca_again(void **state)
{
	struct client_fixture *t = *state;
	char dir[] = "/tmp/ca-XXXXXX", path[64];
	struct fixture other;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ca.pem", dir);
	fixture_init(&other, true);
	put_file(path, other.ca);
	client_start(t, t->guard, path);
	ca_store_load(t->trust);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_KEY);
	put_file(path, t->f.ca);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_OK);
	serve_anew(t);
	put_file(path, NULL); /* leaves what was */
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_OK);
	serve_anew(t);
	put_file(path, other.ca);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_KEY);
	fixture_done(&other);
	unlink(path);
	rmdir(dir);
}

static void verifies_the_host_name(void **state)
{
	struct client_fixture *t = *state;

	/* Listens there as well as on 127.0.0.1, but is not in the certificate. */
	http_server_free(t->f.server);
	t->f.conf.listen = "0.0.0.0:0";
	fixture_start(&t->f);
	run(t, "127.0.0.2", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_KEY);
	assert_int_equal(t->f.n_requests, 0);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_OK);
}

static void limits_the_body(void **state)
{
	struct client_fixture *t = *state;

	run(t, "127.0.0.1", "/large", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_LIMIT);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ .max_body = 20 });
	assert_int_equal(t->code, SSF_E_LIMIT);
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ .max_body = 2000 });
	assert_int_equal(t->code, SSF_OK);
}

static void gives_up_in_time(void **state)
{
	struct client_fixture *t = *state;

	run(t, "127.0.0.1", "/hold", (struct http_call_spec){ .timeout_ms = 1500 });
	assert_int_equal(t->code, SSF_E_TIMEOUT);
	/* The server learns of it. */
	fixture_until_closed(&t->f, 1);
	fixture_reply(t->f.held[0], 200, "{}");
}

static void says_when_nobody_listens(void **state)
{
	struct client_fixture *t = *state;
	struct http_call *call;
	struct ssf_err err;

	assert_int_equal(http_call_start(t->client,
					 &(struct http_call_spec){ .method = "GET",
								   .url = "https://127.0.0.1:1/" },
					 on_done, t, &call, &err),
			 0);
	until_done(t, 1);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
	assert_int_equal(http_call_start(t->client,
					 &(struct http_call_spec){ .method = "GET",
								   .url = "https://name.invalid/" },
					 on_done, t, &call, &err),
			 0);
	until_done(t, 2);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
}

static void asks_the_guard(void **state)
{
	static const char *const bad[] = { "https://10.0.0.1/", "https://[::ffff:169.254.169.254]/",
					   "http://127.0.0.1/", "https://2852039166/" };
	struct client_fixture *t = *state;
	struct http_call *call = NULL;
	struct egress_policy *strict;
	struct ssf_err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct http_call_spec spec = { .method = "GET", .url = bad[i] };

		assert_int_equal(http_call_start(t->client, &spec, on_done, t, &call, &err), -1);
		assert_int_equal(err.code, SSF_E_DENIED);
	}
	/* A name is only found out at the connect. */
	assert_int_equal(egress_policy_new(NULL, false, &strict, &err), 0);
	client_start(t, strict, t->f.ca);
	run(t, "localhost", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_E_DENIED);
	assert_non_null(strstr(t->message, "loopback"));
	/* Without a guard the operator chose the address. */
	client_start(t, NULL, t->f.ca);
	egress_policy_free(strict);
	run(t, "localhost", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->code, SSF_OK);
}

static void refuses_bad_specs(void **state)
{
	static const struct http_call_spec bad[] = {
		{ .method = "GET", .url = "https://127.0.0.1/", .headers = { "A: b\r\nC: d" } },
		{ .method = "GET", .url = "https://127.0.0.1/", .headers = { "A: b\n" } },
		{ .method = "GET\r\nX: y", .url = "https://127.0.0.1/" },
		{ .method = "", .url = "https://127.0.0.1/" },
		{ .method = "GET", .url = "file:///etc/passwd" },
		{ .method = "GET", .url = "https://user@127.0.0.1/" },
	};
	struct client_fixture *t = *state;
	struct ca_store *none = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct http_call *call = NULL;
		struct ssf_err err = { 0 };

		assert_int_equal(http_call_start(t->client, &bad[i], on_done, t, &call, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
		assert_null(call);
	}
	struct ssf_err err;
	assert_int_equal(ca_store_new("/nonexistent", &none, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	assert_int_equal(ca_store_new(t->f.key, &none, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	assert_null(none);
}

static void cancelled_calls_are_silent(void **state)
{
	struct client_fixture *t = *state;

	http_call_cancel(NULL);
	http_call_cancel(start(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 }));
	struct http_call *call = start(t, "127.0.0.1", "/hold", (struct http_call_spec){ 0 });
	fixture_until_held(&t->f, 1);
	http_call_cancel(call);
	fixture_until_closed(&t->f, 1);
	fixture_reply(t->f.held[0], 200, "{}");
	run(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	assert_int_equal(t->n_done, 1);
}

static void on_done_cancel_other(void *arg, const struct http_result *result,
				 const struct ssf_err *err)
{
	struct client_fixture *t = arg;

	on_done(arg, result, err);
	http_call_cancel(t->other);
	t->other = NULL;
}

static struct http_call *start_with(struct client_fixture *t, http_done_f *done)
{
	struct http_call *call = NULL;
	struct ssf_err err;
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/a", http_server_port(t->f.server));
	assert_int_equal(http_call_start(t->client,
					 &(struct http_call_spec){ .method = "GET", .url = url },
					 done, t, &call, &err),
			 0);
	return call;
}

/* Both ways round, so that one of them is cancelled when it has finished but not been told. */
static void a_callback_may_cancel_others(void **state)
{
	struct client_fixture *t = *state;

	for (unsigned i = 0; i < 20; i++) {
		start_with(t, on_done_cancel_other);
		t->other = start_with(t, on_done_cancel_other);
		until_done(t, i + 1);
		/* Either the first cancelled the second, or the second "itself", which it must not. */
		if (t->other != NULL)
			fail();
	}
	assert_int_equal(t->n_done, 20);
}

static void on_done_free_client(void *arg, const struct http_result *result,
				const struct ssf_err *err)
{
	struct client_fixture *t = arg;

	on_done(arg, result, err);
	http_client_free(t->client);
	t->client = NULL;
}

static void a_callback_may_free_the_client(void **state)
{
	struct client_fixture *t = *state;

	for (int i = 0; i < 10; i++)
		start_with(t, on_done_free_client);
	until_done(t, 1);
	fixture_until_connections(&t->f, 0);
	assert_int_equal(t->n_done, 1);
}

static void on_done_start_another(void *arg, const struct http_result *result,
				  const struct ssf_err *err)
{
	struct client_fixture *t = arg;

	on_done(arg, result, err);
	if (t->n_done < 10)
		start_with(t, on_done_start_another);
}

static void a_callback_may_start_calls(void **state)
{
	struct client_fixture *t = *state;

	start_with(t, on_done_start_another);
	until_done(t, 10);
	assert_int_equal(http_server_connections(t->f.server), 1);
}

static void freeing_cancels(void **state)
{
	struct client_fixture *t = *state;

	start(t, "127.0.0.1", "/hold", (struct http_call_spec){ 0 });
	start(t, "127.0.0.1", "/a", (struct http_call_spec){ 0 });
	fixture_until_held(&t->f, 1);
	http_client_free(t->client);
	t->client = NULL;
	fixture_until_closed(&t->f, 1);
	fixture_reply(t->f.held[0], 200, "{}");
	http_client_free(NULL);
}

#define client_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		client_test(gets_and_posts),
		client_test(sends_what_is_larger_than_a_megabyte_at_once),
		client_test(reads_retry_after_and_etag),
		client_test(keeps_the_connection),
		client_test(runs_many_at_once),
		client_test(does_not_follow_redirects),
		client_test(ignores_proxies_of_the_environment),
		client_test(verifies_the_ca),
		client_test(reads_a_changed_ca_again),
		client_test(verifies_the_host_name),
		client_test(limits_the_body),
		client_test(gives_up_in_time),
		client_test(says_when_nobody_listens),
		client_test(asks_the_guard),
		client_test(refuses_bad_specs),
		client_test(cancelled_calls_are_silent),
		client_test(a_callback_may_cancel_others),
		client_test(a_callback_may_free_the_client),
		client_test(a_callback_may_start_calls),
		client_test(freeing_cancels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
