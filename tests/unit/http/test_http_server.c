/* SPDX-License-Identifier: Apache-2.0 */
/* What requests and answers look like, keep-alive, pipelining, clients that leave, drain. */
#include "lib/http/http_server.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http/http_fixture.h"

#include <cmocka.h>

static int set_up_plain(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	fixture_init(f, false);
	fixture_start(f);
	return 0;
}

static int set_up_tls(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	fixture_init(f, true);
	fixture_start(f);
	return 0;
}

static int tear_down(void **state)
{
	fixture_done(*state);
	free(*state);
	return 0;
}

static bool opens(const char *listen, enum http_share share, int *fd, unsigned *port)
{
	struct ssf_err err;

	if (http_listen(listen, share, fd, port, &err) == 0)
		return true;
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	return false;
}

/* Those that share an address know of each other; nobody comes to share it by chance. */
static void an_address_is_shared_on_purpose_only(void **state)
{
	char listen[64];
	unsigned port, same;
	int first, second, none;

	(void)state;
	assert_true(opens("127.0.0.1:0", HTTP_SHARED_FIRST, &first, &port));
	assert_int_not_equal(port, 0);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	assert_true(opens(listen, HTTP_SHARED, &second, &same));
	assert_int_equal(same, port);
	assert_false(opens(listen, HTTP_SHARED_FIRST, &none, &same));
	assert_false(opens(listen, HTTP_ALONE, &none, &same));
	close(first);
	close(second);
	assert_true(opens(listen, HTTP_ALONE, &first, &same));
	assert_false(opens(listen, HTTP_SHARED, &none, &same));
	close(first);
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *p = strstr(text, part); p != NULL; p = strstr(p + 1, part))
		n++;
	return n;
}

static void answers(void **state)
{
	struct raw r;

	raw_open(&r, *state);
	raw_send(&r, "GET /a?q=1 HTTP/1.1\r\nHost: x\r\nX-Test: \t one \t\r\nx-test: two\r\n\r\n");
	raw_until(&r, "}");
	assert_non_null(strstr(r.got, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(r.got, "\r\nDate: "));
	assert_non_null(strstr(r.got, "\r\nContent-Length: "));
	assert_non_null(strstr(r.got, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(r.got, "\r\nCache-Control: no-store\r\n"));
	assert_null(strstr(r.got, "Server:"));
	assert_null(strstr(r.got, "Connection:"));
	assert_int_equal(count(r.got, "Date: "), 1);
	assert_int_equal(count(r.got, "Content-Length: "), 1);
	assert_non_null(strstr(r.got, "{\"method\":\"GET\",\"path\":\"/a\",\"q\":\"1\",\"x\":\"one\","
				      "\"x_count\":2,\"body\":\"\",\"length\":0,"
				      "\"peer\":\"127.0.0.1\"}"));
	raw_close(&r);
}

static void takes_all_methods_on_one_connection(void **state)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };
	struct fixture *f = *state;
	struct raw r;
	char text[256];

	raw_open(&r, f);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		raw_clear(&r);
		snprintf(text, sizeof(text),
			 "%s / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", methods[i]);
		raw_send(&r, text);
		raw_until(&r, "}");
		assert_non_null(strstr(r.got, methods[i]));
		assert_non_null(strstr(r.got, "\"body\":\"hello\""));
	}
	assert_int_equal(http_server_connections(f->server), 1);
	raw_close(&r);
}

static void head_has_the_length_but_no_body(void **state)
{
	struct raw r;

	raw_open(&r, *state);
	raw_send(&r, "HEAD /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_until(&r, "/two");
	assert_null(strstr(r.got, "/one"));
	assert_null(strstr(r.got, "Content-Length: 0"));
	assert_int_equal(count(r.got, "Content-Length: "), 2);
	raw_close(&r);
}

static void empty_answers(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	fixture_reply(f->held[0], 204, NULL);
	fixture_until_held(f, 2);
	raw_until(&r, "\r\n\r\n");
	assert_non_null(strstr(r.got, "HTTP/1.1 204 No Content\r\n"));
	assert_null(strstr(r.got, "Content-"));
	raw_clear(&r);
	fixture_reply(f->held[1], 202, NULL);
	raw_until(&r, "\r\n\r\n");
	assert_non_null(strstr(r.got, "HTTP/1.1 202 Accepted\r\n"));
	assert_non_null(strstr(r.got, "Content-Length: 0\r\n"));
	assert_null(strstr(r.got, "Content-Type"));
	raw_close(&r);
}

static void http_1_0_closes_unless_asked(void **state)
{
	struct raw r;

	raw_open(&r, *state);
	raw_send(&r, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	raw_until(&r, "}");
	assert_non_null(strstr(r.got, "Connection: keep-alive\r\n"));
	raw_clear(&r);
	raw_send(&r, "GET /a HTTP/1.0\r\n\r\n");
	raw_until_eof(&r);
	assert_non_null(strstr(r.got, "Content-Length: "));
	assert_non_null(strstr(r.got, "Date: "));
	assert_non_null(strstr(r.got, "}"));
	raw_close(&r);
}

static void closes_when_asked(void **state)
{
	struct raw r;

	raw_open(&r, *state);
	raw_send(&r, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	raw_until_eof(&r);
	assert_non_null(strstr(r.got, "Connection: close\r\n"));
	assert_non_null(strstr(r.got, "}"));
	raw_close(&r);
	fixture_until_connections(*state, 0);
}

static void decodes_path_and_query(void **state)
{
	static const struct {
		const char *target;
		const char *shown;
	} cases[] = {
		{ "/a%20b", "\"path\":\"/a b\",\"q\":\"(none)\"" },
		{ "/a+b?q=a+b", "\"path\":\"/a+b\",\"q\":\"a b\"" },
		{ "/%7Euser/%c3%a9", "\"path\":\"/~user/\xc3\xa9\"" },
		{ "/?q", "\"path\":\"/\",\"q\":\"\"" },
		{ "/?", "\"q\":\"(none)\"" },
		{ "/?q=", "\"q\":\"\"" },
		{ "/?&&q=1&", "\"q\":\"1\"" },
		{ "/?q=1&q=2", "\"q\":\"1\"" },
		{ "/?xq=1", "\"q\":\"(none)\"" },
		{ "/?%71=%31%26%3d2", "\"q\":\"1&=2\"" },
		{ "/?q=a=b", "\"q\":\"a=b\"" },
		{ "/?q=%2B", "\"q\":\"+\"" },
		{ "/x?q=/y?z", "\"path\":\"/x\",\"q\":\"/y?z\"" },
		{ "http://h.example/abs?q=1", "\"path\":\"/abs\",\"q\":\"1\"" },
	};
	struct raw r;
	char text[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		raw_open(&r, *state);
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].target);
		raw_send(&r, text);
		raw_until(&r, "}");
		if (strstr(r.got, cases[i].shown) == NULL)
			fail_msg("%s: %s", cases[i].target, r.got);
		raw_close(&r);
	}
}

static void refuses_bad_targets(void **state)
{
	static const char *const bad[] = {
		"/%00",	   "/a%0a",    "/a%0D",	  "/%7f",	"/%1",	       "/%",
		"/%zz",	   "/?q=%00",  "/?%00=1", "/?q=%0a",	"/?q=%4",      "*",
		"nothing", "/?q=%ef%", "/%-1",
	};
	struct fixture *f = *state;
	struct raw r;
	char text[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		raw_open(&r, f);
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", bad[i]);
		raw_send(&r, text);
		raw_until_eof(&r);
		if (strncmp(r.got, "HTTP/1.1 400 ", 13) != 0)
			fail_msg("%s: %s", bad[i], r.got);
		assert_non_null(strstr(r.got, "Connection: close\r\n"));
		raw_close(&r);
	}
	assert_int_equal(f->n_requests, 0);
}

static void serves_pipelined_requests_in_order(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_send(&r, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
		     "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
		     "GET /three HTTP/1.1\r\nHost: x\r\n\r\n"
		     "GET /four HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	raw_until(&r, "/one");
	assert_int_equal(http_server_pending(f->server), 1);
	assert_int_equal(f->n_requests, 2);
	/* More input while the answer is pending must wait its turn. */
	raw_send(&r, "GET /five HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_reply(f->held[0], 200, "{\"path\":\"/two\"}");
	raw_until(&r, "/five");
	assert_true(strstr(r.got, "/one") < strstr(r.got, "/two"));
	assert_true(strstr(r.got, "/two") < strstr(r.got, "/three"));
	assert_true(strstr(r.got, "/three") < strstr(r.got, "/four"));
	assert_true(strstr(r.got, "/four") < strstr(r.got, "/five"));
	assert_int_equal(http_server_pending(f->server), 0);
	assert_int_equal(f->n_closed, 0);
	raw_close(&r);
}

static void notices_that_a_client_left(void **state)
{
	struct fixture *f = *state;
	struct raw r[3];

	for (unsigned i = 0; i < 3; i++) {
		raw_open(&r[i], f);
		raw_send(&r[i], i == 1 ? "POST /hold HTTP/1.1\r\nHost: x\r\n"
					 "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
				       : "GET /hold?q=v HTTP/1.1\r\nHost: x\r\nX-Test: h\r\n\r\n");
		fixture_until_held(f, i + 1);
	}
	int64_t start = loop_now_ms();
	raw_close(&r[0]);
	fixture_until_closed(f, 1);
	raw_send(&r[1], "GET /more HTTP/1.1\r\n");
	setsockopt(r[1].fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	raw_close(&r[1]); /* with a reset */
	fixture_until_closed(f, 2);
	assert_true(loop_now_ms() - start < 15000); /* before any timeout */
	/*
	 * The first may have closed its sending side only, and is kept until it has been answered. (With TLS there are
	 * session tickets that it has not read, so that the kernel sends a reset.)
	 */
	fixture_until_connections(f, f->cert == NULL ? 2 : 1);
	/* The requests are still whole. */
	assert_int_equal(http_server_pending(f->server), 3);
	assert_string_equal(http_query(f->held[0], "q"), "v");
	assert_true(ssf_str_eq_c(http_header(f->held[0], "X-Test"), "h"));
	assert_true(ssf_str_eq_c(http_body(f->held[1]), "hi"));
	assert_string_equal(http_peer(f->held[1]), "127.0.0.1");
	fixture_reply(f->held[0], 200, "{}");
	fixture_reply(f->held[1], 200, "{}");
	fixture_reply(f->held[2], 200, "{}");
	raw_until(&r[2], "{}");
	raw_close(&r[2]);
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_closed, 2);
	assert_int_equal(http_server_pending(f->server), 0);
}

static void answer_on_close(void *arg)
{
	struct fixture *f = arg;

	fixture_reply(f->held[0], 200, "{}");
	f->n_closed = 100;
}

static void may_answer_from_on_close(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	http_on_cancel(f->held[0], answer_on_close, f);
	raw_close(&r);
	fixture_until_closed(f, 100);
	assert_int_equal(http_server_pending(f->server), 0);
}

static void tells_a_late_listener_too(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	raw_close(&r);
	fixture_until_closed(f, 1);
	http_on_cancel(f->held[0], answer_on_close, f);
	assert_int_equal(f->n_closed, 1);
	fixture_until_closed(f, 100);
	/* And not after the answer. */
	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 2);
	raw_close(&r);
	fixture_until_closed(f, 101);
	http_on_cancel(f->held[1], answer_on_close, f);
	fixture_reply(f->held[1], 200, "{}");
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_closed, 101);
}

static void a_cleared_cancel_hook_is_not_called(void **state)
{
	struct fixture *f = *state;
	struct raw r[2];

	for (unsigned i = 0; i < 2; i++) {
		raw_open(&r[i], f);
		raw_send(&r[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
		fixture_until_held(f, i + 1);
	}
	http_on_cancel(f->held[0], NULL, NULL);
	raw_close(&r[0]);
	raw_close(&r[1]);
	fixture_until_closed(f, 1); /* of the second */
	http_on_cancel(f->held[0], answer_on_close, f); /* would be called late ... */
	http_on_cancel(f->held[0], NULL, NULL);
	fixture_reply(f->held[1], 200, "{}");
	fixture_reply(f->held[0], 200, "{}");
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_closed, 1);
}

static void survives_clients_that_leave_at_any_time(void **state)
{
	static const char request[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
	struct fixture *f = *state;
	struct raw r;

	for (size_t cut = 0; cut <= sizeof(request) - 1; cut += 3) {
		raw_open(&r, f);
		raw_send_bytes(&r, request, cut);
		raw_close(&r);
	}
	raw_open_tcp(&r, f);
	raw_close(&r);
	fixture_until_connections(f, 0);
}

static void drains(void **state)
{
	struct fixture *f = *state;
	struct raw idle, busy, half;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)http_server_port(f->server)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	raw_open(&idle, f);
	raw_send(&idle, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_until(&idle, "}");
	raw_open(&half, f);
	raw_send(&half, "GET /a HTTP/1.1\r\nHo");
	raw_open(&busy, f);
	raw_send(&busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	http_server_drain(f->server);
	http_server_drain(f->server);
	raw_until_eof(&idle);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), -1);
	close(fd);
	raw_send(&half, "st: x\r\n\r\n");
	raw_until_eof(&half);
	assert_non_null(strstr(half.got, "Connection: close\r\n"));
	assert_non_null(strstr(half.got, "}"));
	fixture_reply(f->held[0], 200, "{}");
	raw_until_eof(&busy);
	assert_non_null(strstr(busy.got, "Connection: close\r\n"));
	assert_non_null(strstr(busy.got, "{}"));
	raw_close(&idle);
	raw_close(&half);
	raw_close(&busy);
	fixture_until_connections(f, 0);
	assert_int_equal(http_server_pending(f->server), 0);
}

static void frees_open_connections(void **state)
{
	struct fixture *f = *state;
	struct raw idle, half;

	raw_open(&idle, f);
	raw_open(&half, f);
	raw_send(&half, "GET /a HTTP/1.1\r\nHo");
	fixture_until_connections(f, 2);
	http_server_free(f->server);
	f->server = NULL;
	raw_close(&idle);
	raw_close(&half);
}

static void says_why_it_cannot_start(void **state)
{
	static const char *const bad[] = { "", "127.0.0.1", "localhost:80", "127.0.0.1:", ":80",
					   "127.0.0.1:99999", "[::1]", "::1:80", "127.0.0.1:x" };
	struct fixture *f = *state;
	struct http_server *s = NULL;
	struct http_server_conf conf = { 0 };
	struct ssf_err err = { 0 };
	char taken[32];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		conf.listen = bad[i];
		if (http_server_new(f->loop, &conf, NULL, NULL, &s, &err) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_server_port(f->server));
	conf.listen = taken;
	assert_int_equal(http_server_new(f->loop, &conf, NULL, NULL, &s, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	conf.listen = "127.0.0.1:0";
	conf.tls_cert = "/nonexistent";
	assert_int_equal(http_server_new(f->loop, &conf, NULL, NULL, &s, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	assert_null(s);
	http_server_free(NULL);
}

#define plain(f) \
	{ #f " (plain)", f, set_up_plain, tear_down, NULL }
#define tls(f) \
	{ #f " (TLS)", f, set_up_tls, tear_down, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_shared_on_purpose_only),
		plain(answers),
		tls(answers),
		plain(takes_all_methods_on_one_connection),
		tls(takes_all_methods_on_one_connection),
		plain(head_has_the_length_but_no_body),
		plain(empty_answers),
		tls(empty_answers),
		plain(http_1_0_closes_unless_asked),
		plain(closes_when_asked),
		tls(closes_when_asked),
		plain(decodes_path_and_query),
		plain(refuses_bad_targets),
		plain(serves_pipelined_requests_in_order),
		tls(serves_pipelined_requests_in_order),
		plain(notices_that_a_client_left),
		tls(notices_that_a_client_left),
		plain(may_answer_from_on_close),
		tls(may_answer_from_on_close),
		plain(tells_a_late_listener_too),
		plain(a_cleared_cancel_hook_is_not_called),
		plain(survives_clients_that_leave_at_any_time),
		tls(survives_clients_that_leave_at_any_time),
		plain(drains),
		tls(drains),
		plain(frees_open_connections),
		tls(frees_open_connections),
		plain(says_why_it_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
