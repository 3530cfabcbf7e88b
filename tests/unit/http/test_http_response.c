/* SPDX-License-Identifier: Apache-2.0 */
/* Each answer is fed whole, cut in two at each place, and byte by byte: with the same outcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/http/http_response.h"
#include "lib/ssf/attr.h"

#define BODY_MAX 100
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

enum { TO_END = 1, NO_KEEP = 2 };

struct outcome {
	enum ssf_code code;
	bool complete;
	size_t used;
	char message[256];
};

/* The first cut bytes, and then pieces of so many. */
static struct outcome feed(struct http_response *a, const char *text, size_t len, size_t cut, size_t piece)
{
	enum http_response_next next = HTTP_RESPONSE_MORE;
	struct outcome out = { .code = SSF_OK };
	struct ssf_err err;

	http_response_init(a, BODY_MAX);
	while (out.used < len && next == HTTP_RESPONSE_MORE) {
		size_t n = out.used < cut ? cut - out.used : piece, used;
		n = n < len - out.used ? n : len - out.used;
		if (http_response_feed(a, text + out.used, n, &used, &next, &err) < 0) {
			out.code = err.code;
			snprintf(out.message, sizeof(out.message), "%s", err.msg);
			return out;
		}
		assert_true(used <= n && (used == n || next == HTTP_RESPONSE_COMPLETE));
		out.used += used;
	}
	out.complete = next == HTTP_RESPONSE_COMPLETE;
	return out;
}

static void check(const struct http_response *a, const struct outcome *is, const struct outcome *was,
		  const struct http_response *b, const char *text)
{
	if (is->code != was->code || is->complete != was->complete || is->used * !is->code != was->used * !was->code ||
	    strcmp(is->message, was->message) != 0)
		fail_msg("another outcome when cut: %s", text);
	if (is->code != SSF_OK)
		return;
	if (a->status != b->status || a->keep != b->keep || a->retry_after != b->retry_after ||
	    !ssf_str_eq(ssf_buf_str(&a->body), ssf_buf_str(&b->body)) ||
	    strcmp(a->etag, b->etag) != 0 || strcmp(a->content_type, b->content_type) != 0)
		fail_msg("another answer when cut: %s", text);
}

/* The outcome of the whole; all cuts have the same. */
static struct outcome feed_all_ways(struct http_response *a, const char *text, size_t len)
{
	struct outcome whole = feed(a, text, len, len, len);
	struct http_response b;

	for (size_t cut = 0; cut < len; cut++) {
		struct outcome one = feed(&b, text, len, cut, cut == 0 ? 1 : len);
		check(&b, &one, &whole, a, text);
		http_response_done(&b);
	}
	return whole;
}

static void takes_answers(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *body;
		int flags;
	} cases[] = {
		{ "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, "", 0 },
		{ "HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n", 202, "", 0 },
		{ "HTTP/1.1 202 \r\ncontent-length:0\r\n\r\n", 202, "", 0 },
		{ "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, "hi", 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 000000000000000002\r\n\r\nhi", 200, "hi", 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" HUNDRED, 200, HUNDRED, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nhi", 200, "hi", NO_KEEP },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: closed\r\n\r\nhi", 200, "hi", 0 },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", NO_KEEP },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi", 200, "hi", 0 },
		{ "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0 },
		{ "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", 0 },
		{ "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "", NO_KEEP },
		{ "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, "", NO_KEEP },
		{ "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, "", 0 },
		{ "HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", TO_END | NO_KEEP },
		{ "HTTP/1.1 200 OK\r\n\r\n", 200, "", TO_END | NO_KEEP },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\nContent-Length: 9\r\n\r\n"
		  "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n", 202, "", 0 },
		{ "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\nHTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n", 202,
		  "", NO_KEEP },
		{ "HTTP/1.1 400 No\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n", 400,
		  "hello!", 0 },
		{ "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n00A \r\n" TEN "\r\n0\r\nX: y\r\nContent-Length: 7"
		  "\r\n\r\n", 400, TEN, 0 },
		{ "HTTP/1.1 200 OK\r\nX:\r\nX-!#$: \t y \t\r\nContent-Length: 0\r\n\r\n", 200, "", 0 },
		{ "HTTP/1.1 599 \x80\xff\r\nX: \x80\r\nContent-Length: 0\r\n\r\n", 599, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		struct http_response a;
		struct outcome o = feed_all_ways(&a, cases[i].text, len);
		bool to_end = cases[i].flags & TO_END;
		struct ssf_err err;

		if (o.code != SSF_OK || o.complete == to_end || o.used != len)
			fail_msg("%d %s: %s", o.complete, o.message, cases[i].text);
		assert_int_equal(http_response_eof(&a, &err), to_end ? 0 : -1);
		assert_int_equal(a.status, cases[i].status);
		if (a.keep == (bool)(cases[i].flags & NO_KEEP))
			fail_msg("kept or not: %s", cases[i].text);
		assert_true(ssf_str_eq_c(ssf_buf_str(&a.body), cases[i].body));
		http_response_done(&a);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		enum ssf_code code;
	} cases[] = {
		{ "HTTP/2 200 OK\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.2 200 OK\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1  200 OK\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 20 OK\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 2000\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 099 OK\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 101 Switching\r\n", SSF_E_MALFORMED },
		{ " HTTP/1.1 200 OK\r\n", SSF_E_MALFORMED },
		{ "\r\n", SSF_E_MALFORMED },
		{ "SSH-2.0-x\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 O\rK\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nA: b\r\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\n folded: x\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nA : b\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\n: b\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nA\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: \r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456789\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", SSF_E_LIMIT },
		{ "HTTP/1.1 200 OK\r\n\r\n" HUNDRED "!", SSF_E_LIMIT },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1g\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 1\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000001\r\n", SSF_E_MALFORMED },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", SSF_E_LIMIT },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", SSF_E_LIMIT },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\rb\r\n", SSF_E_LIMIT },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n x\r\n", SSF_E_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct http_response a;
		struct outcome o = feed_all_ways(&a, cases[i].text, strlen(cases[i].text));

		if (o.code != cases[i].code)
			fail_msg("%d %s: %s", o.code, o.message, cases[i].text);
		http_response_done(&a);
	}
}

static void refuses_a_nul(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nA: b\0c\r\n";
	struct http_response a;

	(void)state;
	assert_int_equal(feed_all_ways(&a, text, sizeof(text) - 1).code, SSF_E_MALFORMED);
	http_response_done(&a);
}

static void limits_the_head(void **state)
{
	static const char begin[] = "HTTP/1.1 200 OK\r\n";
	char text[HTTP_RESPONSE_HEAD_MAX + 10];
	struct http_response a;
	size_t len = sizeof(begin) - 1;

	(void)state;
	memcpy(text, begin, len);
	for (int i = 0; i <= HTTP_RESPONSE_HEADERS_MAX; i++)
		len += (size_t)sprintf(text + len, "a: b\r\n");
	assert_int_equal(feed(&a, text, len, len, len).code, SSF_E_LIMIT);
	http_response_done(&a);
	len -= 6; /* so many are taken */
	len += (size_t)sprintf(text + len, "\r\n");
	assert_int_equal(feed(&a, text, len, len, len).code, SSF_OK);
	http_response_done(&a);
	/* one line that does not end, whole and in pieces */
	memset(text, 'a', sizeof(text));
	assert_int_equal(feed(&a, text, HTTP_RESPONSE_HEAD_MAX, HTTP_RESPONSE_HEAD_MAX, 1).code, SSF_OK);
	http_response_done(&a);
	assert_int_equal(feed(&a, text, HTTP_RESPONSE_HEAD_MAX + 1, HTTP_RESPONSE_HEAD_MAX + 1, 1).code, SSF_E_LIMIT);
	http_response_done(&a);
	assert_int_equal(feed(&a, text, HTTP_RESPONSE_HEAD_MAX + 1, 1, 1).code, SSF_E_LIMIT);
	http_response_done(&a);
}

static void leaves_what_comes_after(void **state)
{
	static const char text[] = "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 400 No\r\nContent-Length: 1\r\n"
				   "\r\nx";
	struct http_response a;
	struct outcome o = feed_all_ways(&a, text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(a.status, 202);
	http_response_done(&a);
	o = feed_all_ways(&a, text + o.used, sizeof(text) - 1 - o.used);
	assert_int_equal(a.status, 400);
	assert_true(o.complete);
	http_response_done(&a);
}

static void tells_headers(void **state)
{
	static const char text[] = "HTTP/1.1 503 No\r\nRetry-After: 7\r\nETag: \"v1\"\r\nContent-Type: text/plain; a=" HUNDRED
				   HUNDRED "\r\nContent-Length: 0\r\n\r\n";
	struct http_response a;

	(void)state;
	feed_all_ways(&a, text, sizeof(text) - 1);
	assert_int_equal(a.retry_after, 7);
	assert_string_equal(a.etag, "\"v1\"");
	assert_int_equal(strlen(a.content_type), 127);
	http_response_done(&a);
	assert_int_equal(http_retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), 0);
	assert_true(http_retry_after("Fri, 31 Dec 2066 23:59:59 GMT") > 1000000);
	assert_int_equal(http_retry_after("soon"), -1);
	assert_int_equal(http_retry_after(""), -1);
	assert_int_equal(http_retry_after(NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_answers),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_a_nul),
		cmocka_unit_test(limits_the_head),
		cmocka_unit_test(leaves_what_comes_after),
		cmocka_unit_test(tells_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
