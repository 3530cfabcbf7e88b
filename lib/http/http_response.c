/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line is read where it is, or gathered when it comes in pieces; each byte is looked at a bounded number of
 * times however they come.
 */
#include "lib/http/http_response.h"

#include "lib/kit/loop.h"

#include <curl/curl.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_LINE_MAX 4096
#define LENGTH_DIGITS 18
#define CHUNK_DIGITS 15

static int malformed(struct ssf_err *err, const char *what)
{
	return ssf_fail(err, SSF_E_MALFORMED, "http response: %s", what);
}

void http_response_init(struct http_response *a, size_t max_body)
{
	memset(a, 0, sizeof(*a));
	a->retry_after = -1;
	a->line_left = HTTP_RESPONSE_HEAD_MAX;
	ssf_buf_init(&a->body, max_body);
	ssf_buf_init(&a->line, HTTP_RESPONSE_HEAD_MAX);
}

void http_response_done(struct http_response *a)
{
	ssf_buf_done(&a->body);
	ssf_buf_done(&a->line);
}

int http_retry_after(const char *value)
{
	if (value == NULL || *value == '\0')
		return -1;
	if (value[strspn(value, "0123456789")] == '\0') {
		long n = strlen(value) < 10 ? strtol(value, NULL, 10) : INT_MAX;

		return (int)n;
	}
	time_t when = curl_getdate(value, NULL);
	int64_t left = (int64_t)when - wall_now_ms() / 1000;
	if (when < 0)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* --- lines --------------------------------------------------------------------------------------------- */

struct input {
	const char *ptr;
	size_t len;
};

static void skip(struct input *in, size_t n)
{
	in->ptr += n;
	in->len -= n;
}

/* 1: a line, without its end; 0: not whole yet; -1. It is valid until the next. */
static int take_line(struct http_response *a, struct input *in, struct ssf_str *line, struct ssf_err *err)
{
	const char *end = memchr(in->ptr, '\n', in->len);
	size_t n = end != NULL ? (size_t)(end - in->ptr) + 1 : in->len;

	if (n > a->line_left)
		return ssf_fail(err, SSF_E_LIMIT, "http response: its head is too large");
	a->line_left -= n;
	*line = (struct ssf_str){ in->ptr, n };
	if (a->line.len > 0 || end == NULL) {
		if (ssf_buf_append(&a->line, *line, err) < 0)
			return -1;
		*line = ssf_buf_str(&a->line);
	}
	skip(in, n);
	if (end == NULL)
		return 0;
	line->len--;
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	a->line.len = 0; /* the bytes stay where they are */
	if (memchr(line->ptr, '\r', line->len) != NULL || memchr(line->ptr, '\0', line->len) != NULL)
		return malformed(err, "a control character in its head");
	return 1;
}

/* --- the head ------------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 section 4: "HTTP/1.1 200 OK"; the reason, and the blank before it, may be missing. */
static int take_status(struct http_response *a, struct ssf_str line, struct ssf_err *err)
{
	const char *p = line.ptr;

	if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ' ||
	    !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) || (line.len > 12 && p[12] != ' '))
		return malformed(err, "no status line of HTTP/1.1");
	a->minor = p[7] - '0';
	a->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	if (a->status < 100 || a->status == 101)
		return malformed(err, "a status that does not answer");
	a->state = HTTP_RESPONSE_HEADERS;
	return 0;
}

static bool is_token(struct ssf_str s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool alnum = is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
		if (!alnum && (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return s.len > 0;
}

static int take_length(struct http_response *a, struct ssf_str value, struct ssf_err *err)
{
	size_t n = 0;

	if (value.len == 0 || value.len > LENGTH_DIGITS)
		return malformed(err, "a Content-Length that is none");
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return malformed(err, "a Content-Length that is none");
		n = n * 10 + (size_t)(value.ptr[i] - '0');
	}
	if (a->has_length && n != a->left)
		return malformed(err, "two lengths");
	a->has_length = true;
	a->left = n;
	return 0;
}

static int take_coding(struct http_response *a, struct ssf_str value, struct ssf_err *err)
{
	if (a->chunked || !ssf_str_ieq_c(value, "chunked"))
		return malformed(err, "a Transfer-Encoding that is not chunked");
	a->chunked = true;
	return 0;
}

static void take_connection(struct http_response *a, struct ssf_str value)
{
	while (value.len > 0) {
		const char *comma = memchr(value.ptr, ',', value.len);
		size_t n = comma != NULL ? (size_t)(comma - value.ptr) : value.len;
		struct ssf_str one = ssf_str_trim((struct ssf_str){ value.ptr, n });

		a->says_close = a->says_close || ssf_str_ieq_c(one, "close");
		a->says_keep = a->says_keep || ssf_str_ieq_c(one, "keep-alive");
		n += comma != NULL;
		value.ptr += n;
		value.len -= n;
	}
}

static void copy(char out[128], struct ssf_str value)
{
	snprintf(out, 128, "%.*s", value.len < 128 ? (int)value.len : 127, value.ptr);
}

static void take_retry_after(struct http_response *a, struct ssf_str value)
{
	char text[128];

	copy(text, value);
	a->retry_after = http_retry_after(text);
}

static int take_field(struct http_response *a, struct ssf_str name, struct ssf_str value, struct ssf_err *err)
{
	switch (name.len) { /* most are none of these */
	case 4:
		if (ssf_str_ieq_c(name, "ETag"))
			copy(a->etag, value);
		break;
	case 10:
		if (ssf_str_ieq_c(name, "Connection"))
			take_connection(a, value);
		break;
	case 11:
		if (ssf_str_ieq_c(name, "Retry-After"))
			take_retry_after(a, value);
		break;
	case 12:
		if (ssf_str_ieq_c(name, "Content-Type"))
			copy(a->content_type, value);
		break;
	case 14:
		return ssf_str_ieq_c(name, "Content-Length") ? take_length(a, value, err) : 0;
	case 17:
		return ssf_str_ieq_c(name, "Transfer-Encoding") ? take_coding(a, value, err) : 0;
	default:
		break;
	}
	return 0;
}

/* Fields of a trailer are looked at for their form, and taken for nothing. */
static int take_header(struct http_response *a, struct ssf_str line, struct ssf_err *err)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	size_t n = colon != NULL ? (size_t)(colon - line.ptr) : 0;
	struct ssf_str name = { line.ptr, n };

	if (++a->headers > HTTP_RESPONSE_HEADERS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "http response: too many headers");
	if (!is_token(name))
		return malformed(err, "a header that is none");
	if (a->state == HTTP_RESPONSE_TRAILERS)
		return 0;
	return take_field(a, name, ssf_str_trim((struct ssf_str){ colon + 1, line.len - n - 1 }), err);
}

static void over(struct http_response *a)
{
	a->state = HTTP_RESPONSE_OVER;
}

static void await_chunk(struct http_response *a)
{
	a->state = HTTP_RESPONSE_CHUNK_SIZE;
	a->line_left = CHUNK_LINE_MAX;
}

/* RFC 9112 section 6.3: how long the body is. */
static int take_head_end(struct http_response *a, struct ssf_err *err)
{
	if (a->chunked && (a->has_length || a->minor == 0))
		return malformed(err, "chunks beside a length, or of HTTP/1.0");
	if (a->status < 200) { /* the answer is still to come */
		a->state = HTTP_RESPONSE_STATUS;
		a->chunked = a->has_length = a->says_keep = false; /* that it will close holds */
		a->content_type[0] = a->etag[0] = '\0';
		a->retry_after = -1;
		a->left = 0;
		return 0;
	}
	a->keep = !a->says_close && (a->minor == 1 || a->says_keep);
	if (a->status == 204 && (a->chunked || a->left > 0))
		a->keep = false; /* there must be none; who says so may send one */
	if (a->status == 204 || a->status == 304)
		over(a);
	else if (a->chunked)
		await_chunk(a);
	else if (a->has_length && a->left > a->body.max)
		return ssf_fail(err, SSF_E_LIMIT, "http response: it is too large");
	else if (a->has_length)
		a->state = a->left > 0 ? HTTP_RESPONSE_LENGTH : HTTP_RESPONSE_OVER;
	else
		a->state = HTTP_RESPONSE_TO_END;
	a->keep = a->keep && a->state != HTTP_RESPONSE_TO_END;
	return 0;
}

/* --- the body ------------------------------------------------------------------------------------------- */

static int take_body(struct http_response *a, struct input *in, size_t most, struct ssf_err *err)
{
	size_t n = in->len < most ? in->len : most;

	if (n > a->body.max - a->body.len)
		return ssf_fail(err, SSF_E_LIMIT, "http response: it is too large");
	if (n > 0 && ssf_buf_append(&a->body, (struct ssf_str){ in->ptr, n }, err) < 0)
		return -1;
	skip(in, n);
	if (a->state == HTTP_RESPONSE_TO_END)
		return 0;
	a->left -= n;
	if (a->left == 0 && a->state == HTTP_RESPONSE_LENGTH) {
		over(a);
	} else if (a->left == 0) {
		a->state = HTTP_RESPONSE_CHUNK_END;
		a->line_left = 2;
	}
	return 0;
}

/* RFC 9112 section 7.1: the size, and perhaps extensions, which say nothing to us. */
static int take_chunk_size(struct http_response *a, struct ssf_str line, struct ssf_err *err)
{
	size_t size = 0, i = 0;

	for (; i < line.len && ssf_hex_value(line.ptr[i]) >= 0; i++) {
		if (i == CHUNK_DIGITS)
			return malformed(err, "a chunk's size that is none");
		size = size * 16 + (size_t)ssf_hex_value(line.ptr[i]);
	}
	bool any = i > 0;
	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
		i++;
	if (!any || (i < line.len && line.ptr[i] != ';'))
		return malformed(err, "a chunk's size that is none");
	if (size > a->body.max - a->body.len)
		return ssf_fail(err, SSF_E_LIMIT, "http response: it is too large");
	a->left = size;
	a->state = size > 0 ? HTTP_RESPONSE_CHUNK : HTTP_RESPONSE_TRAILERS;
	if (size == 0) {
		a->line_left = HTTP_RESPONSE_HEAD_MAX;
		a->headers = 0;
	}
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------------------- */

static int take_whole_line(struct http_response *a, struct ssf_str line, struct ssf_err *err)
{
	switch (a->state) {
	case HTTP_RESPONSE_STATUS:
		return take_status(a, line, err);
	case HTTP_RESPONSE_HEADERS:
		return line.len > 0 ? take_header(a, line, err) : take_head_end(a, err);
	case HTTP_RESPONSE_CHUNK_SIZE:
		return take_chunk_size(a, line, err);
	case HTTP_RESPONSE_CHUNK_END:
		if (line.len > 0)
			return malformed(err, "a chunk that is longer than its size");
		await_chunk(a);
		return 0;
	default:
		if (line.len > 0)
			return take_header(a, line, err);
		over(a);
		return 0;
	}
}

static int take(struct http_response *a, struct input *in, struct ssf_err *err)
{
	struct ssf_str line;
	int r;

	switch (a->state) {
	case HTTP_RESPONSE_LENGTH:
	case HTTP_RESPONSE_CHUNK:
		return take_body(a, in, a->left, err);
	case HTTP_RESPONSE_TO_END:
		return take_body(a, in, in->len, err);
	default:
		r = take_line(a, in, &line, err);
		return r > 0 ? take_whole_line(a, line, err) : r;
	}
}

int http_response_feed(struct http_response *a, const char *bytes, size_t n, size_t *used,
		     enum http_response_next *next, struct ssf_err *err)
{
	struct input in = { bytes, n };
	int r = 0;

	a->begun = a->begun || n > 0;
	while (r == 0 && in.len > 0 && a->state != HTTP_RESPONSE_OVER)
		r = take(a, &in, err);
	*used = n - in.len;
	*next = a->state == HTTP_RESPONSE_OVER ? HTTP_RESPONSE_COMPLETE : HTTP_RESPONSE_MORE;
	return r;
}

int http_response_eof(struct http_response *a, struct ssf_err *err)
{
	if (a->state != HTTP_RESPONSE_TO_END)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "http: the connection was closed before the answer's end");
	over(a);
	return 0;
}
