/* SPDX-License-Identifier: Apache-2.0 */
/* Each request is fed whole, cut in two at each position, and byte by byte: always with the same outcome. */
#include "lib/http/server/request_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ssf/attr.h"

#define HEAD_MAX 300
#define BODY_MAX 100
#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT "GET /next HTTP/1.1\r\n"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define BYTES(text) { (text), sizeof(text) - 1 }

struct outcome {
	enum ssf_code code;
	int refused;
	bool whole;
	size_t used;
	char message[256];
};

static struct outcome feed(struct http_request_parser *p, struct ssf_str in, size_t cut, size_t piece)
{
	enum http_request_next next = HTTP_REQUEST_MORE;
	struct outcome out = { .code = SSF_OK };
	struct ssf_err err;
	unsigned heads = 0;

	http_request_parser_init(p, HEAD_MAX, BODY_MAX);
	while (out.used < in.len && next != HTTP_REQUEST_WHOLE) {
		size_t n = out.used < cut ? cut - out.used : piece, used;

		n = n < in.len - out.used ? n : in.len - out.used;
		if (http_request_parser_feed(p, (struct ssf_str){ in.ptr + out.used, n }, &used, &next, &err) < 0) {
			out.code = err.code;
			out.refused = p->refused;
			snprintf(out.message, sizeof(out.message), "%s", err.msg);
			return out;
		}
		assert_true(used <= n && (used == n || next != HTTP_REQUEST_MORE));
		heads += next == HTTP_REQUEST_HEAD;
		out.used += used;
	}
	assert_true(heads <= 1);
	out.whole = next == HTTP_REQUEST_WHOLE;
	return out;
}

static void assert_same(const struct http_request_parser *a, const struct outcome *is,
			const struct http_request_parser *b, const struct outcome *was, const char *text)
{
	const struct http_message *m = &a->message, *n = &b->message;

	if (is->code != was->code || is->refused != was->refused || is->whole != was->whole ||
	    (is->code == SSF_OK && is->used != was->used) || strcmp(is->message, was->message) != 0)
		fail_msg("another outcome when cut: %s: %s / %s", text, is->message, was->message);
	if (!is->whole)
		return;
	if (m->method != n->method || m->keep_alive != n->keep_alive || m->n_fields != n->n_fields ||
	    m->path != n->path || m->path_len != n->path_len || m->query != n->query ||
	    m->query_len != n->query_len || !ssf_str_eq(ssf_buf_str(&m->head), ssf_buf_str(&n->head)) ||
	    !ssf_str_eq(ssf_buf_str(&m->body), ssf_buf_str(&n->body)))
		fail_msg("another request when cut: %s", text);
}

/* The outcome of the whole, which that of every cut has to be. */
static struct outcome feed_all_ways(struct http_request_parser *p, struct ssf_str in)
{
	struct outcome whole = feed(p, in, in.len, in.len);

	for (size_t cut = 0; cut < in.len; cut++) {
		struct http_request_parser q;
		struct outcome one = feed(&q, in, cut, cut == 0 ? 1 : in.len);

		assert_same(&q, &one, p, &whole, in.ptr);
		http_request_parser_done(&q);
	}
	return whole;
}

static struct ssf_str path_of(const struct http_message *m)
{
	return (struct ssf_str){ m->head.ptr + m->path, m->path_len };
}

static struct ssf_str query_of(const struct http_message *m)
{
	return (struct ssf_str){ m->head.ptr + m->query, m->query_len };
}

static void accepts_requests(void **state)
{
	static const struct {
		const char *text;
		const char *method, *path, *query, *body;
		enum { KEEPS, CLOSES } then;
	} cases[] = {
		{ GET "\r\n", "GET", "/", NULL, "", KEEPS },
		{ "GET /a%20b?q=1?2 HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/a%20b", "q=1?2", "", KEEPS },
		{ "HEAD /? HTTP/1.1\r\nhOsT:x:80\r\n\r\n", "HEAD", "/", "", "", KEEPS },
		{ "OPTIONS / HTTP/1.1\r\nHost:\r\n\r\n", "OPTIONS", "/", NULL, "", KEEPS },
		{ "PUT / HTTP/1.1\r\nHost: [::1]:8443\r\nContent-Length: 0\r\n\r\n", "PUT", "/", NULL, "", KEEPS },
		{ "GET HTTP://u.example:80/p?q HTTP/1.1\r\nHost: u.example\r\n\r\n", "GET", "/p", "q", "", KEEPS },
		{ "GET https://u.example HTTP/1.1\r\nHost: u.example\r\n\r\n", "GET", "", NULL, "", KEEPS },
		{ "GET https://u.example?q HTTP/1.1\r\nHost: u.example\r\n\r\n", "GET", "", "q", "", KEEPS },
		{ "\r\n" GET "\r\n", "GET", "/", NULL, "", KEEPS },
		{ POST "Content-Length: 5\r\n\r\nhello", "POST", "/", NULL, "hello", KEEPS },
		{ "PATCH / HTTP/1.1\r\nContent-Length:\t 005 \r\nHost: x\r\n\r\nhello", "PATCH", "/", NULL, "hello", KEEPS },
		{ CHUNKED "5\r\nhello\r\n0\r\n\r\n", "POST", "/", NULL, "hello", KEEPS },
		{ CHUNKED "5;ext=\"1\"\r\nhello\r\n0A\r\n" TEN "\r\n0;x\r\n\r\n", "POST", "/", NULL, "hello" TEN, KEEPS },
		{ CHUNKED "1\r\n\r\r\n1\r\n\n\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n", "POST", "/", NULL, "\r\n", KEEPS },
		{ CHUNKED "0\r\n\r\n", "POST", "/", NULL, "", KEEPS },
		{ "DELETE / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "DELETE", "/",
		  NULL, "a", KEEPS },
		{ GET "Connection: x, Close\r\n\r\n", "GET", "/", NULL, "", CLOSES },
		{ GET "X: \t\xff spaces around \t\r\nEmpty:\r\n\r\n", "GET", "/", NULL, "", KEEPS },
		{ "GET / HTTP/1.0\r\n\r\n", "GET", "/", NULL, "", CLOSES },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET", "/", NULL, "", KEEPS },
		{ "GET / HTTP/1.9\r\nHost: x\r\n\r\n", "GET", "/", NULL, "", KEEPS },
		{ POST "Content-Length: 100\r\n\r\n" HUNDRED, "POST", "/", NULL, HUNDRED, KEEPS },
		{ POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", "POST", "/", NULL, "a", KEEPS },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		char text[1024];
		int len = snprintf(text, sizeof(text), "%s" NEXT, cases[i].text);
		struct http_request_parser p;
		struct outcome o = feed_all_ways(&p, (struct ssf_str){ text, (size_t)len });
		const struct http_message *m = &p.message;

		if (!o.whole || o.used != strlen(cases[i].text))
			fail_msg("%s: %s, used %zu", cases[i].text, o.message, o.used);
		assert_string_equal(m->method, cases[i].method);
		assert_true(ssf_str_eq_c(path_of(m), cases[i].path));
		assert_true(m->has_query == (cases[i].query != NULL));
		assert_true(ssf_str_eq_c(query_of(m), cases[i].query != NULL ? cases[i].query : ""));
		assert_true(ssf_str_eq_c(ssf_buf_str(&m->body), cases[i].body));
		assert_true(m->keep_alive == (cases[i].then == KEEPS));
		http_request_parser_done(&p);
	}
}

static void refuses_what_readers_could_understand_differently(void **state)
{
	static const struct {
		struct ssf_str text;
		int status;
		const char *why;
	} cases[] = {
		/* lines */
		{ BYTES("GET / HTTP/1.1\nHost: x\r\n\r\n"), 400, "CRLF" },
		{ BYTES(GET "X: y\n\r\n"), 400, "CRLF" },
		{ BYTES(GET "\n"), 400, "CRLF" },
		{ BYTES(GET "X: a\rb\r\n\r\n"), 400, "control" },
		{ BYTES(GET "X: a\r\r\n\r\n"), 400, "control" },
		{ BYTES(GET "X: a\r\n b\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET " X: a\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET "X : a\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET "X\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET ": a\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET "X Y: a\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET "X\0: a\r\n\r\n"), 400, "name: value" },
		{ BYTES(GET "X: a\0b\r\n\r\n"), 400, "control" },
		{ BYTES(GET "X: a\x7f\r\n\r\n"), 400, "control" },
		{ BYTES("\r\n\r\n" GET "\r\n"), 400, "request line" },
		{ BYTES("\n" GET "\r\n"), 400, "request line" },
		{ BYTES("\r" GET "\r\n"), 400, "" },
		/* request line */
		{ BYTES(" GET / HTTP/1.1\r\n"), 400, "request line" },
		{ BYTES("GET  / HTTP/1.1\r\n"), 400, "request line" },
		{ BYTES("GET /  HTTP/1.1\r\n"), 400, "request line" },
		{ BYTES("GET /\tHTTP/1.1\r\n"), 400, "request line" },
		{ BYTES("GET / HTTP/1.1 \r\n"), 400, "request line" },
		{ BYTES("GET /\r\n"), 400, "request line" },
		{ BYTES("GET / HTTP/2.0\r\n"), 400, "request line" },
		{ BYTES("GET / HTTP/1.10\r\n"), 400, "request line" },
		{ BYTES("GET / http/1.1\r\n"), 400, "request line" },
		{ BYTES("GET / FTP/1.1\r\n"), 400, "request line" },
		{ BYTES("GET / a HTTP/1.1\r\n"), 400, "target" },
		{ BYTES("GET /\xc3\xa9 HTTP/1.1\r\n"), 400, "target" },
		{ BYTES("GET /#f HTTP/1.1\r\n"), 400, "target" },
		{ BYTES("GET /a\0b HTTP/1.1\r\n"), 400, "target" },
		{ BYTES("GET * HTTP/1.1\r\n"), 400, "not a path" },
		{ BYTES("GET x HTTP/1.1\r\n"), 400, "not a path" },
		{ BYTES("GET ftp://x/ HTTP/1.1\r\n"), 400, "not a path" },
		{ BYTES("GET http:///a HTTP/1.1\r\n"), 400, "not a path" },
		{ BYTES("GET http://u@x/a HTTP/1.1\r\n"), 400, "not a path" },
		{ BYTES("\x16\x03\x01\x02"), 400, "request line" },
		{ BYTES("CONNECT x:443 HTTP/1.1\r\n"), 501, "method" },
		{ BYTES("TRACE / HTTP/1.1\r\n"), 501, "method" },
		{ BYTES("get / HTTP/1.1\r\n"), 501, "method" },
		/* Host */
		{ BYTES("GET / HTTP/1.1\r\n\r\n"), 400, "Host" },
		{ BYTES(GET "Host: x\r\n\r\n"), 400, "Host" },
		{ BYTES("GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n"), 400, "Host" },
		{ BYTES("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, "Host" },
		{ BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400, "Host" },
		/* how long the body is */
		{ BYTES(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: 1, 1\r\n\r\na"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: +1\r\n\r\na"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: -1\r\n\r\na"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: 0x1\r\n\r\na"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: 1 1\r\n\r\na"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: 1\0\r\n\r\na"), 400, "control" },
		{ BYTES(POST "Content-Length:\r\n\r\n"), 400, "Content-Length" },
		{ BYTES(POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "beside" },
		{ BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), 400, "beside" },
		{ BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "1.0" },
		{ BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400, "chunked" },
		{ BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 400, "chunked" },
		{ BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), 400, "chunked" },
		{ BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400, "chunked" },
		{ BYTES(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 400, "chunked" },
		{ BYTES(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), 400, "chunked" },
		{ BYTES(POST "Transfer-Encoding: chunked\0\r\n\r\n"), 400, "control" },
		{ BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, "chunked" },
		{ BYTES("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "), 400, "HEAD" },
		{ BYTES("HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "HEAD" },
		{ BYTES(POST "Expect: wonders\r\nContent-Length: 1\r\n\r\na"), 417, "Expect" },
		/* chunks */
		{ BYTES(CHUNKED "0x5\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "+5\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "-5\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED " 5\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5 \r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5 ;a\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5\0\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5;a\0\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5\nhello\r\n"), 400, "CRLF" },
		{ BYTES(CHUNKED "\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "zz\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "0000000000000005\r\nhello\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5\r\nhello0\r\n\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "5\r\nhello\n0\r\n\r\n"), 400, "" },
		{ BYTES(CHUNKED "5\r\nhello\r\r\n0\r\n\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "0\n\n"), 400, "CRLF" },
		{ BYTES(CHUNKED "0\r\n\n"), 400, "CRLF" },
		{ BYTES(CHUNKED "0 0\r\n\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "000\r\n\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "0\r\nnonsense\r\n\r\n"), 400, "header" },
		{ BYTES(CHUNKED "0\r\nX: \0\r\n\r\n"), 400, "header" },
		{ BYTES(CHUNKED "1;" HUNDRED "\r\na\r\n"), 400, "chunk" },
		{ BYTES(CHUNKED "0\r\nX: " HUNDRED "\r\nX: " HUNDRED "\r\nX: " HUNDRED "\r\n\r\n"), 400, "trailer" },
		/* limits */
		{ BYTES("GET /" HUNDRED HUNDRED HUNDRED), 400, "head: longer than 300 bytes" },
		{ BYTES(GET "X: " HUNDRED "\r\nX: " HUNDRED "\r\nX: " HUNDRED "\r\n\r\n"), 400, "head: longer" },
		{ BYTES(POST "Content-Length: 101\r\n\r\n"), 413, "body: longer than 100 bytes" },
		{ BYTES(POST "Content-Length: 99999999999999999999\r\n\r\n"), 413, "body: longer than 100 bytes" },
		{ BYTES(CHUNKED "65\r\n"), 413, "body: longer than 100 bytes" },
		{ BYTES(CHUNKED "64\r\n" HUNDRED "\r\n1\r\n"), 413, "body: longer than 100 bytes" },
		{ BYTES(CHUNKED "fffffffffffffff\r\n"), 413, "body: longer than 100 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct http_request_parser p;
		struct outcome o = feed_all_ways(&p, cases[i].text);

		if (o.code == SSF_OK || o.refused != cases[i].status || strstr(o.message, cases[i].why) == NULL)
			fail_msg("%s: %d %s", cases[i].text.ptr, o.refused, o.message);
		http_request_parser_done(&p);
	}
}

static void limits_the_number_of_fields(void **state)
{
	ssf_auto_buf text = SSF_BUF(4096);
	struct http_request_parser p;
	enum http_request_next next;
	struct ssf_err err;
	size_t used;

	(void)state;
	ssf_buf_adds(&text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 1; i < HTTP_REQUEST_FIELDS_MAX; i++)
		ssf_buf_addf(&text, "X%d: %d\r\n", i, i);
	http_request_parser_init(&p, 4096, 0);
	assert_int_equal(http_request_parser_feed(&p, ssf_buf_str(&text), &used, &next, &err), 0);
	assert_int_equal(http_request_parser_feed(&p, SSF_STR("\r\n"), &used, &next, &err), 0);
	assert_int_equal(next, HTTP_REQUEST_WHOLE);
	assert_int_equal(p.message.n_fields, HTTP_REQUEST_FIELDS_MAX);
	http_request_parser_done(&p);
	http_request_parser_init(&p, 4096, 0);
	assert_int_equal(http_request_parser_feed(&p, ssf_buf_str(&text), &used, &next, &err), 0);
	assert_int_equal(http_request_parser_feed(&p, SSF_STR("One-more:\r\n"), &used, &next, &err), -1);
	assert_int_equal(p.refused, 400);
	http_request_parser_done(&p);
}

static void tells_when_the_head_is_whole(void **state)
{
	struct http_request_parser p;
	enum http_request_next next;
	struct ssf_err err;
	size_t used;

	(void)state;
	http_request_parser_init(&p, HEAD_MAX, BODY_MAX);
	assert_false(http_request_parser_has_begun(&p));
	assert_int_equal(http_request_parser_feed(&p, SSF_STR("\r\n"), &used, &next, &err), 0);
	assert_false(http_request_parser_has_begun(&p));
	assert_int_equal(http_request_parser_feed(&p, SSF_STR(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab"),
						  &used, &next, &err), 0);
	assert_int_equal(next, HTTP_REQUEST_HEAD);
	assert_true(p.expects_continue);
	assert_true(http_request_parser_has_begun(&p));
	assert_int_equal(http_request_parser_feed(&p, SSF_STR("ab"), &used, &next, &err), 0);
	assert_int_equal(next, HTTP_REQUEST_WHOLE);
	http_request_parser_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_requests),
		cmocka_unit_test(refuses_what_readers_could_understand_differently),
		cmocka_unit_test(limits_the_number_of_fields),
		cmocka_unit_test(tells_when_the_head_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
