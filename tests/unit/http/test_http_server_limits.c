/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are slow, large, many or ambiguous. */
#include "lib/http/http_server.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/http/http_fixture.h"

#include <cmocka.h>

static struct fixture *new_fixture(bool tls)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_init(f, tls);
	return f;
}

static int set_up_plain(void **state)
{
	*state = new_fixture(false);
	return 0;
}

static int set_up_tls(void **state)
{
	*state = new_fixture(true);
	return 0;
}

static int tear_down(void **state)
{
	fixture_done(*state);
	free(*state);
	return 0;
}

struct drip {
	struct raw *r;
	const char *next;
	int64_t last;
};

/* One byte each 20 ms: a limit on each read would never be reached. */
static bool drip(void *arg)
{
	struct drip *d = arg;

	if (loop_now_ms() - d->last >= 20 && *d->next != '\0') {
		raw_send_bytes(d->r, d->next++, 1);
		d->last = loop_now_ms();
	}
	return false;
}

/* Whoever gave the answer, its body is an error in JSON, and as long as it says. */
static bool is_error(const struct raw *r, const char *name)
{
	const char *body = strstr(r->got, "\r\n\r\n"), *length = strstr(r->got, "Content-Length: ");
	json_auto_t *error = body != NULL ? json_loads(body + 4, 0, NULL) : NULL;
	const char *err = json_string_value(json_object_get(error, "err"));

	return err != NULL && strcmp(err, name) == 0 && length != NULL &&
	       strtoul(length + 16, NULL, 10) == strlen(body + 4) &&
	       json_string_length(json_object_get(error, "description")) > 0 &&
	       strstr(r->got, "\r\nContent-Type: application/json\r\n") != NULL;
}

static void on_drip(void *arg)
{
	drip(arg);
}

static void limits_the_time_of_a_whole_request(void **state)
{
	static const char *const requests[] = {
		"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"GET / HTTP/1.1\r\nHost: x\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct fixture *f = *state;

	f->conf.request_timeout_ms = 300;
	fixture_start(f);
	for (size_t i = 0; i < 3; i++) {
		struct raw r;
		struct drip d = { &r, requests[i] + 30, 0 };
		int64_t start = loop_now_ms();

		raw_open(&r, f);
		raw_send_bytes(&r, requests[i], 30);
		struct loop_tick *dripping = loop_tick_start(f->loop, 5, on_drip, &d);
		raw_until_eof(&r);
		loop_tick_cancel(dripping);
		assert_true(loop_now_ms() - start >= 300);
		assert_memory_equal(r.got, "HTTP/1.1 408 ", 13);
		assert_non_null(strstr(r.got, "Connection: close\r\n"));
		assert_true(is_error(&r, "timeout"));
		raw_close(&r);
	}
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 0);
}

static void slow_but_in_time(void **state)
{
	struct fixture *f = *state;
	struct raw r;
	struct drip d = { &r, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 0 };

	f->conf.request_timeout_ms = 15000;
	fixture_start(f);
	raw_open(&r, f);
	struct loop_tick *dripping = loop_tick_start(f->loop, 5, on_drip, &d);
	raw_until(&r, "}");
	loop_tick_cancel(dripping);
	raw_close(&r);
}

/* The time that a handler takes, and idle time, do not count as the request's. */
static void counts_only_the_request(void **state)
{
	struct fixture *f = *state;
	struct raw r;
	struct raw clock;

	f->conf.request_timeout_ms = 300;
	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	/* Another connection's 408 tells that the limit has passed. */
	raw_open(&clock, f);
	raw_send(&clock, "GET");
	raw_until_eof(&clock);
	raw_close(&clock);
	fixture_reply(f->held[0], 200, "{}");
	raw_until(&r, "{}");
	raw_open(&clock, f);
	raw_send(&clock, "GET");
	raw_until_eof(&clock);
	raw_close(&clock);
	raw_send(&r, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_until(&r, "/again");
	raw_close(&r);
}

static void closes_idle_connections(void **state)
{
	struct fixture *f = *state;
	struct raw fresh, used;

	f->conf.idle_timeout_ms = 300;
	fixture_start(f);
	raw_open(&fresh, f);
	raw_open(&used, f);
	raw_send(&used, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_until_eof(&used);
	assert_non_null(strstr(used.got, "200 OK"));
	raw_until_eof(&fresh);
	assert_int_equal(fresh.len, 0);
	raw_close(&fresh);
	raw_close(&used);
	fixture_until_connections(f, 0);
}

static void limits_the_handshake(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	f->conf.request_timeout_ms = 300;
	fixture_start(f);
	raw_open_tcp(&r, f);
	raw_send_bytes(&r, "\x16\x03\x01", 3);
	raw_until_eof(&r);
	raw_close(&r);
	fixture_until_connections(f, 0);
}

static void refuses_plain_http_on_a_tls_port(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	fixture_start(f);
	raw_open_tcp(&r, f);
	raw_send(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_connections(f, 0);
	raw_close(&r);
	assert_int_equal(f->n_requests, 0);
}

static void send_large_body(struct fixture *f, const char *head, const char *status)
{
	static char body[4 * 1024 * 1024];
	struct raw r;

	memset(body, 'a', sizeof(body));
	raw_open(&r, f);
	raw_send(&r, head);
	/* All of it before the answer is read: the worst case for losing the answer. */
	raw_send_bytes(&r, body, sizeof(body));
	raw_until_eof(&r);
	if (strncmp(r.got, status, strlen(status)) != 0 || !is_error(&r, "invalid_request"))
		fail_msg("%s: %s", head, r.got);
	raw_close(&r);
	fixture_until_connections(f, 0);
}

static void refuses_large_bodies_with_an_answer(void **state)
{
	struct fixture *f = *state;

	f->conf.max_body = 1000;
	fixture_start(f);
	send_large_body(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n", "HTTP/1.1 413 ");
	send_large_body(f, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n",
			"HTTP/1.1 413 ");
	send_large_body(f, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n7d0\r\n",
			"HTTP/1.1 413 ");
	send_large_body(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
			"HTTP/1.1 4");
	send_large_body(f, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
			   "Content-Length: 4194304\r\n\r\n", "HTTP/1.1 413 ");
	send_large_body(f, "GET /", "HTTP/1.1 400 ");
	send_large_body(f, "GET / HTTP/1.1\r\nHost: x\r\nX: ", "HTTP/1.1 400 ");
	assert_int_equal(f->n_requests, 0);
}

/* Up to twice the limit it is read, and the answer says in JSON what the limit is. */
static void says_what_is_wrong_with_a_body_that_is_a_little_too_large(void **state)
{
	struct fixture *f = *state;
	static char body[1500];
	struct raw r;

	f->conf.max_body = 1000;
	fixture_start(f);
	memset(body, 'a', sizeof(body));
	raw_open(&r, f);
	raw_send(&r, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1500\r\n\r\n");
	raw_send_bytes(&r, body, sizeof(body));
	raw_until_eof(&r);
	assert_non_null(strstr(r.got, "HTTP/1.1 413 "));
	assert_non_null(strstr(r.got, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(r.got, "\"description\":\"body: longer than 1000 bytes\""));
	raw_close(&r);
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 0);
}

static void takes_bodies_up_to_the_limit(void **state)
{
	struct fixture *f = *state;
	struct raw r;
	static char text[1200 * 1024];
	int head;

	f->conf.max_body = 1024 * 1024;
	fixture_start(f);
	raw_open(&r, f);
	memset(text, 'a', sizeof(text));
	head = sprintf(text, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1024 * 1024);
	text[head] = 'a';
	raw_send_bytes(&r, text, (size_t)head + 1024 * 1024);
	raw_until(&r, "\"length\":1048576");
	raw_clear(&r);
	memset(text, 'a', sizeof(text));
	head = sprintf(text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
	text[head] = 'a';
	memcpy(text + head + 1024 * 1024, "\r\n0\r\n\r\n", 7);
	raw_send_bytes(&r, text, (size_t)head + 1024 * 1024 + 7);
	raw_until(&r, "\"length\":1048576");
	raw_close(&r);
}

#define ENDLESS "POST /endless HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;"

/* What has come of it would be looked through from its beginning whenever there is a byte more. */
static void a_line_before_a_chunk_has_to_end(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, ENDLESS);
	for (int i = 0; i < 100; i++)
		raw_send(&r, "a");
	raw_until_eof(&r);
	assert_non_null(strstr(r.got, "HTTP/1.1 400 "));
	assert_true(is_error(&r, "invalid_request"));
	raw_close(&r);
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 0);
}

static void what_came_before_such_a_line_is_answered(void **state)
{
	struct fixture *f = *state;
	char line[101];
	struct raw r;

	fixture_start(f);
	raw_open(&r, f);
	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n" ENDLESS);
	fixture_until_held(f, 1);
	raw_send(&r, line);
	raw_send(&r, line);
	fixture_reply(f->held[0], 200, "\"first\"");
	raw_until(&r, "\"first\"");
	raw_until_eof(&r);
	assert_non_null(strstr(r.got, "HTTP/1.1 400 "));
	raw_close(&r);
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 1);
}

static void continues(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	raw_until(&r, "HTTP/1.1 100 Continue\r\n\r\n");
	raw_send(&r, "hi");
	raw_until(&r, "\"body\":\"hi\"");
	raw_close(&r);
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

static void refuses_ambiguous_requests(void **state)
{
	static const struct {
		const char *request;
		const char *status;
	} cases[] = {
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
		  "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 \r\nContent-Length: 01\r\n\r\na", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\na", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
		  "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "4" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "4" },
		{ "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET ", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\n: 1\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\nX: a\x01" "b\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n", "400" },
		{ "GET / HTTP/2.0\r\n\r\n", "400" },
		{ "GET / FTP/1.1\r\n\r\n", "400" },
		{ "GET /\r\n\r\n  and some more to make it long\r\n\r\n", "400" },
		{ "\x16\x03\x01 is no HTTP at all\r\n\r\n", "400" },
		{ "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "501" },
		{ "get / HTTP/1.1\r\nHost: x\r\n\r\n", "501" },
		{ "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "501" },
		{ "GET / HTTP/1.1\nHost: x\n\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nX: no host\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "400" },
		{ CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "400" },
		{ CHUNKED "+5\r\nhello\r\n0\r\n\r\n", "400" },
		{ CHUNKED " 5\r\nhello\r\n0\r\n\r\n", "400" },
		{ CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "400" },
		{ CHUNKED "5\r\nhello0\r\n\r\n", "400" },
		{ CHUNKED "5\nhello\r\n0\r\n\r\n", "400" },
		{ CHUNKED "0\n\n", "400" },
		{ CHUNKED "0 0\r\n\r\n", "400" },
		{ CHUNKED "000\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\na", "417" },
	};
	struct fixture *f = *state;

	fixture_start(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw r;

		raw_open(&r, f);
		raw_send(&r, cases[i].request);
		raw_send(&r, "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
		raw_until_eof(&r);
		if (strncmp(r.got, "HTTP/1.", 7) != 0 ||
		    strncmp(r.got + 9, cases[i].status, strlen(cases[i].status)) != 0 ||
		    (strncmp(cases[i].request, "HEAD", 4) != 0 &&
		     !is_error(&r, cases[i].status[0] == '5' ? "method" : "invalid_request")))
			fail_msg("%s: %s", cases[i].request, r.got);
		assert_non_null(strstr(r.got, "Connection: close\r\n"));
		assert_non_null(strstr(r.got, "Content-Length: "));
		assert_null(strstr(r.got, "smuggled"));
		raw_close(&r);
	}
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 0);
}

#define BYTES(text) { (text), sizeof(text) - 1 }

static void refuses_nul_bytes(void **state)
{
	static const struct ssf_str requests[] = {
		BYTES("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
		BYTES("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\0\r\n\r\nhello"),
		BYTES("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),
		BYTES(CHUNKED "5\0\r\nhello\r\n0\r\n\r\n"),
	};
	struct fixture *f = *state;

	fixture_start(f);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct raw r;

		raw_open(&r, f);
		raw_send_bytes(&r, requests[i].ptr, requests[i].len);
		raw_until_eof(&r);
		assert_memory_equal(r.got, "HTTP/1.1 400 ", 13);
		assert_true(is_error(&r, "invalid_request"));
		raw_close(&r);
	}
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 0);
}

/* What stands behind a request that was good is told in the same form. */
static void an_unreadable_pipelined_request_gets_the_same_error(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nNONSENSE\r\n\r\n");
	fixture_until_held(f, 1);
	fixture_reply(f->held[0], 202, NULL);
	raw_until(&r, "\r\n\r\n");
	assert_memory_equal(r.got, "HTTP/1.1 202 ", 13);
	raw_until_eof(&r);
	char *second = strstr(r.got, "HTTP/1.1 400 ");
	assert_non_null(second);
	memmove(r.got, second, strlen(second) + 1);
	assert_true(is_error(&r, "invalid_request"));
	raw_close(&r);
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 1);
}

/* FIN, and close_notify of TLS before it. */
static void a_client_that_sends_no_more_gets_its_answers(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	raw_end_sending(&r);
	fixture_until_closed(f, 1); /* the cancel hook was called */
	fixture_reply(f->held[0], 200, "\"first\"");
	raw_until(&r, "/second");
	assert_non_null(strstr(r.got, "\"first\""));
	raw_until_eof(&r);
	raw_close(&r);
	fixture_until_connections(f, 0);
}

/* Whatever the limit, the answer comes as soon as the head says that the body is too large. */
static void refuses_a_large_body_at_its_head(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	f->conf.max_body = 4 * 1024 * 1024;
	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6291456\r\n\r\n");
	raw_until_eof(&r);
	assert_memory_equal(r.got, "HTTP/1.1 413 ", 13);
	assert_true(is_error(&r, "invalid_request"));
	raw_close(&r);
	send_large_body(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6291456\r\n\r\n", "HTTP/1.1 413 ");
	assert_int_equal(f->n_requests, 0);
}

static void is_no_proxy(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_until(&r, "HTTP/1.1 501 ");
	raw_until_eof(&r);
	assert_int_equal(f->n_requests, 0);
	raw_close(&r);
}

static void limits_headers(void **state)
{
	struct fixture *f = *state;
	struct raw r;
	char text[2048];

	f->conf.max_header = 1024;
	fixture_start(f);
	raw_open(&r, f);
	snprintf(text, sizeof(text), "GET /a HTTP/1.1\r\nHost: x\r\nX: %0900d\r\n\r\n", 0);
	raw_send(&r, text);
	raw_until(&r, "}");
	raw_clear(&r);
	snprintf(text, sizeof(text), "GET /a HTTP/1.1\r\nHost: x\r\nX: %01100d\r\n\r\n", 0);
	raw_send(&r, text);
	raw_until_eof(&r);
	assert_memory_equal(r.got, "HTTP/1.1 400 ", 13);
	raw_close(&r);
	assert_int_equal(f->n_requests, 1);
}

static void pauses_at_the_number_of_connections(void **state)
{
	struct fixture *f = *state;
	struct raw first, second, third;

	f->conf.max_connections = 2;
	fixture_start(f);
	raw_open(&first, f);
	raw_open(&second, f);
	fixture_until_connections(f, 2);
	raw_open_tcp(&third, f); /* the kernel takes it, we do not */
	raw_send(&third, "GET /third HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_send(&first, "GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_until(&first, "/first");
	assert_int_equal(http_server_connections(f->server), 2);
	assert_int_equal(f->n_requests, 1);
	raw_close(&second);
	raw_until(&third, "/third");
	raw_close(&first);
	raw_close(&third);
	fixture_until_connections(f, 0);
}

static void gives_up_on_clients_that_do_not_read(void **state)
{
	struct fixture *f = *state;
	struct raw r;

	f->conf.idle_timeout_ms = 300;
	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_connections(f, 1);
	fixture_until_connections(f, 0);
	assert_int_equal(f->n_requests, 1);
	raw_close(&r);
}

struct flood {
	struct raw *r;
	size_t sent;
	unsigned refused; /* times in a row that the kernel took nothing */
};

static bool flooded(void *arg)
{
	struct flood *w = arg;
	static const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
	static char requests[(sizeof(request) - 1) * 2000];

	for (size_t i = 0; i < sizeof(requests); i += sizeof(request) - 1)
		memcpy(requests + i, request, sizeof(request) - 1);
	ssize_t n = send(w->r->fd, requests, sizeof(requests), MSG_NOSIGNAL | MSG_DONTWAIT);
	w->refused = n < 0 ? w->refused + 1 : 0;
	w->sent += n > 0 ? (size_t)n : 0;
	return w->refused == 100 || w->sent > 256u * 1024 * 1024;
}

/* What a client sends while its request is pending stays in the kernel, beyond some bytes. */
static void does_not_buffer_without_end(void **state)
{
	struct fixture *f = *state;
	struct raw r;
	struct flood w = { .r = &r };

	f->conf.max_body = 1000;
	fixture_start(f);
	raw_open(&r, f);
	raw_send(&r, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_until_held(f, 1);
	fixture_until(f, flooded, &w);
	assert_int_equal(w.refused, 100);
	raw_close(&r);
	fixture_reply(f->held[0], 200, "{}");
	fixture_until_connections(f, 0);
}

#define plain(f) \
	{ #f " (plain)", f, set_up_plain, tear_down, NULL }
#define tls(f) \
	{ #f " (TLS)", f, set_up_tls, tear_down, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		plain(limits_the_time_of_a_whole_request),
		tls(limits_the_time_of_a_whole_request),
		plain(slow_but_in_time),
		plain(counts_only_the_request),
		tls(counts_only_the_request),
		plain(closes_idle_connections),
		tls(closes_idle_connections),
		tls(limits_the_handshake),
		tls(refuses_plain_http_on_a_tls_port),
		plain(refuses_large_bodies_with_an_answer),
		plain(says_what_is_wrong_with_a_body_that_is_a_little_too_large),
		tls(refuses_large_bodies_with_an_answer),
		plain(takes_bodies_up_to_the_limit),
		tls(takes_bodies_up_to_the_limit),
		plain(a_line_before_a_chunk_has_to_end),
		tls(a_line_before_a_chunk_has_to_end),
		plain(what_came_before_such_a_line_is_answered),
		tls(what_came_before_such_a_line_is_answered),
		plain(continues),
		tls(continues),
		plain(refuses_ambiguous_requests),
		plain(refuses_nul_bytes),
		plain(an_unreadable_pipelined_request_gets_the_same_error),
		tls(an_unreadable_pipelined_request_gets_the_same_error),
		plain(a_client_that_sends_no_more_gets_its_answers),
		tls(a_client_that_sends_no_more_gets_its_answers),
		plain(refuses_a_large_body_at_its_head),
		tls(refuses_a_large_body_at_its_head),
		plain(is_no_proxy),
		plain(limits_headers),
		plain(pauses_at_the_number_of_connections),
		plain(does_not_buffer_without_end),
		plain(gives_up_on_clients_that_do_not_read),
		tls(gives_up_on_clients_that_do_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
