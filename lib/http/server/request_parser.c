/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head is gathered in one buffer and each line is checked when it is whole, so that bytes are looked at a
 * bounded number of times however they come. Fields are offsets into it, because it moves while it grows.
 */
#include "lib/http/server/request_parser.h"

#include "lib/http/field.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_FIELDS 16
#define RESERVE_MAX 65536 /* of a body, before any of it has come */

void http_message_done(struct http_message *m)
{
	ssf_buf_done(&m->head);
	ssf_buf_done(&m->body);
	free(m->fields);
	*m = (struct http_message){ .method = NULL };
}

void http_request_parser_init(struct http_request_parser *p, size_t max_head, size_t max_body)
{
	*p = (struct http_request_parser){ .max_head = max_head, .max_body = max_body };
	ssf_buf_init(&p->message.head, max_head);
	ssf_buf_init(&p->message.body, max_body);
}

void http_request_parser_done(struct http_request_parser *p)
{
	http_message_done(&p->message);
	ssf_buf_done(&p->line);
}

bool http_request_parser_has_begun(const struct http_request_parser *p)
{
	return p->state != HTTP_REQUEST_START || p->message.head.len > 0;
}

/* --- failing ----------------------------------------------------------------------------------------------- */

static int refuse(struct http_request_parser *p, int status, enum ssf_code code, const char *what,
		  struct ssf_err *err)
{
	p->refused = status;
	return ssf_fail(err, code, "%s", what);
}

static int malformed(struct http_request_parser *p, const char *what, struct ssf_err *err)
{
	return refuse(p, 400, SSF_E_MALFORMED, what, err);
}

/* Of a function that has filled err. */
static int refused_by(struct http_request_parser *p, const struct ssf_err *err)
{
	p->refused = err->code == SSF_E_NOMEM ? 503 : err->code == SSF_E_LIMIT ? 413 : 400;
	return -1;
}

static int too_large(struct http_request_parser *p, struct ssf_err *err)
{
	p->refused = 413;
	return ssf_fail(err, SSF_E_LIMIT, "body: longer than %zu bytes", p->max_body);
}

/* --- lines ------------------------------------------------------------------------------------------------- */

static void advance(struct ssf_str *in, size_t n)
{
	in->ptr += n;
	in->len -= n;
}

/* How many bytes of in belong to the line that is coming, with its end. */
static size_t line_part(struct ssf_str in, bool *whole)
{
	const char *lf = memchr(in.ptr, '\n', in.len);

	*whole = lf != NULL;
	return lf != NULL ? (size_t)(lf - in.ptr) + 1 : in.len;
}

/* Without its end, which has to be CRLF. */
static int end_line(struct http_request_parser *p, struct ssf_str *line, struct ssf_err *err)
{
	if (line->len < 2 || line->ptr[line->len - 2] != '\r')
		return malformed(p, "a line does not end with CRLF", err);
	line->len -= 2;
	return 0;
}

/* --- the head ---------------------------------------------------------------------------------------------- */

static bool has_prefix_ignoring_case(struct ssf_str s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && strncasecmp(s.ptr, prefix, len) == 0;
}

/*
 * RFC 9112 section 3.2: "/path?query", or the same behind "http://host", which a proxy sends. What is left out
 * is "*" and the authority of CONNECT.
 */
static int take_target(struct http_request_parser *p, struct ssf_str target, struct ssf_err *err)
{
	struct http_message *m = &p->message;
	const char *question;

	for (size_t i = 0; i < target.len; i++) {
		if (target.ptr[i] <= ' ' || target.ptr[i] > '~' || target.ptr[i] == '#')
			return malformed(p, "request line: a character that a target cannot have", err);
	}
	if (target.len > 0 && target.ptr[0] != '/') {
		size_t scheme = has_prefix_ignoring_case(target, "http://")    ? 7
				: has_prefix_ignoring_case(target, "https://") ? 8
									       : 0;
		size_t host = scheme;

		while (host < target.len && strchr("/?", target.ptr[host]) == NULL && target.ptr[host] != '@')
			host++;
		if (scheme == 0 || host == scheme || (host < target.len && target.ptr[host] == '@'))
			return malformed(p, "request line: not a path", err);
		advance(&target, host);
	}
	question = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
	m->has_query = question != NULL;
	m->path = (size_t)(target.ptr - m->head.ptr);
	m->path_len = question != NULL ? (size_t)(question - target.ptr) : target.len;
	m->query = m->path + m->path_len + m->has_query;
	m->query_len = target.len - m->path_len - m->has_query;
	return 0;
}

/* RFC 9112 section 3: "GET /path HTTP/1.1", with one space between. */
static int take_request_line(struct http_request_parser *p, struct ssf_str line, struct ssf_err *err)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };
	const char *space = memchr(line.ptr, ' ', line.len), *last;
	size_t method_len = space != NULL ? (size_t)(space - line.ptr) : 0;
	struct ssf_str method = { line.ptr, method_len }, version, target;

	if (!http_is_token(method))
		return malformed(p, "request line: not of HTTP", err);
	last = memrchr(line.ptr, ' ', line.len);
	target = (struct ssf_str){ space + 1, last > space ? (size_t)(last - space) - 1 : 0 };
	version = (struct ssf_str){ last + 1, line.len - (size_t)(last + 1 - line.ptr) };
	if (target.len == 0 || version.len != 8 || memcmp(version.ptr, "HTTP/1.", 7) != 0 ||
	    version.ptr[7] < '0' || version.ptr[7] > '9')
		return malformed(p, "request line: not of HTTP/1.1", err);
	p->minor = version.ptr[7] > '0'; /* later ones of HTTP/1 are answered as HTTP/1.1 (RFC 9110 section 2.5) */
	for (size_t i = 0; i < SSF_ARRAY_SIZE(methods); i++) {
		if (ssf_str_eq_c(method, methods[i]))
			p->message.method = methods[i];
	}
	if (p->message.method == NULL)
		return refuse(p, 501, SSF_E_METHOD, "this method is not known", err);
	p->state = HTTP_REQUEST_FIELDS;
	return take_target(p, target, err);
}

/* RFC 9112 section 3.2: a name or an address, perhaps with a port. */
static int take_host(struct http_request_parser *p, struct ssf_str value, struct ssf_err *err)
{
	static const char others[] = "-._~!$&'()*+,;=%[]:";

	if (++p->hosts > 1)
		return malformed(p, "Host: sent twice", err);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i], lower = (char)(c | 0x20);
		if ((c < '0' || c > '9') && (lower < 'a' || lower > 'z') && (c == '\0' || strchr(others, c) == NULL))
			return malformed(p, "Host: a character that a host cannot have", err);
	}
	return 0;
}

static int take_length(struct http_request_parser *p, struct ssf_str value, struct ssf_err *err)
{
	if (p->has_length)
		return malformed(p, "Content-Length: sent twice", err);
	p->has_length = true;
	if (http_content_length_parse(value, &p->left, err) < 0)
		return err != NULL && err->code == SSF_E_LIMIT ? too_large(p, err) : refused_by(p, err);
	return 0;
}

static int take_coding(struct http_request_parser *p, struct ssf_str value, struct ssf_err *err)
{
	if (p->chunked || !ssf_str_ieq_c(value, "chunked"))
		return malformed(p, "Transfer-Encoding: not chunked", err);
	p->chunked = true;
	return 0;
}

static int take_expectation(struct http_request_parser *p, struct ssf_str value, struct ssf_err *err)
{
	if (!ssf_str_ieq_c(value, "100-continue"))
		return refuse(p, 417, SSF_E_MALFORMED, "Expect: not known", err);
	p->expects_continue = true;
	return 0;
}

/* What this parser needs to know of a field. */
static int note_field(struct http_request_parser *p, struct ssf_str name, struct ssf_str value, struct ssf_err *err)
{
	switch (name.len) { /* most are none of these */
	case 4:
		return ssf_str_ieq_c(name, "Host") ? take_host(p, value, err) : 0;
	case 6:
		return ssf_str_ieq_c(name, "Expect") ? take_expectation(p, value, err) : 0;
	case 10:
		if (ssf_str_ieq_c(name, "Connection")) {
			p->says_close = p->says_close || http_list_has(value, "close");
			p->says_keep_alive = p->says_keep_alive || http_list_has(value, "keep-alive");
		}
		return 0;
	case 14:
		return ssf_str_ieq_c(name, "Content-Length") ? take_length(p, value, err) : 0;
	case 17:
		return ssf_str_ieq_c(name, "Transfer-Encoding") ? take_coding(p, value, err) : 0;
	default:
		return 0;
	}
}

/* NULL: out of memory, or too many. */
static struct http_request_field *add_field(struct http_message *m)
{
	size_t n = m->n_fields;

	if (n == HTTP_REQUEST_FIELDS_MAX)
		return NULL;
	if (n == 0 || (n >= FIRST_FIELDS && (n & (n - 1)) == 0)) { /* full: a power of two */
		struct http_request_field *larger =
			realloc(m->fields, (n == 0 ? FIRST_FIELDS : 2 * n) * sizeof(*larger));
		if (larger == NULL)
			return NULL;
		m->fields = larger;
	}
	m->n_fields++;
	return &m->fields[n];
}

static int take_field(struct http_request_parser *p, struct ssf_str line, struct ssf_err *err)
{
	struct http_message *m = &p->message;
	struct http_request_field *f;
	struct ssf_str name, value;

	if (http_field_parse(line, &name, &value, err) < 0)
		return refused_by(p, err);
	f = add_field(m);
	if (f == NULL && m->n_fields == HTTP_REQUEST_FIELDS_MAX)
		return malformed(p, "header: too many fields", err);
	if (f == NULL)
		return refuse(p, 503, SSF_E_NOMEM, "request: out of memory", err);
	f->name = (uint32_t)(name.ptr - m->head.ptr);
	f->name_len = (uint32_t)name.len;
	f->value = (uint32_t)(value.ptr - m->head.ptr);
	f->value_len = (uint32_t)value.len;
	return note_field(p, name, value, err);
}

static void await_chunk(struct http_request_parser *p)
{
	p->state = HTTP_REQUEST_CHUNK_SIZE;
	ssf_buf_done(&p->line);
	ssf_buf_init(&p->line, HTTP_CHUNK_LINE_MAX + 2);
}

/* RFC 9112 section 6: what follows the head. */
static int end_head(struct http_request_parser *p, struct ssf_err *err)
{
	struct http_message *m = &p->message;

	if (p->hosts == 0 && p->minor > 0)
		return malformed(p, "Host: missing", err);
	if (p->chunked && (p->has_length || p->minor == 0))
		return malformed(p, "Transfer-Encoding: beside Content-Length, or in HTTP/1.0", err);
	if (strcmp(m->method, "HEAD") == 0 && (p->chunked || p->left > 0))
		return malformed(p, "HEAD: has a body", err);
	if (p->left > p->max_body)
		return too_large(p, err);
	m->is_http_1_0 = p->minor == 0;
	m->keep_alive = !p->says_close && (p->minor > 0 || p->says_keep_alive);
	if (p->chunked)
		await_chunk(p);
	else
		p->state = p->left > 0 ? HTTP_REQUEST_BODY : HTTP_REQUEST_COMPLETE;
	p->expects_continue = p->expects_continue && p->minor > 0 && p->state != HTTP_REQUEST_COMPLETE;
	return 0;
}

static int take_head_line(struct http_request_parser *p, struct ssf_str line, struct ssf_err *err)
{
	if (p->state == HTTP_REQUEST_FIELDS)
		return line.len > 0 ? take_field(p, line, err) : end_head(p, err);
	if (line.len > 0 || p->skipped_empty_line)
		return take_request_line(p, line, err);
	/* one before a request is ignored (section 2.2): some clients send it behind a body */
	p->skipped_empty_line = true;
	p->state = HTTP_REQUEST_START;
	ssf_buf_reset(&p->message.head);
	return 0;
}

static int feed_head(struct http_request_parser *p, struct ssf_str *in, struct ssf_err *err)
{
	struct ssf_buf *head = &p->message.head;
	bool whole;
	size_t n = line_part(*in, &whole);
	struct ssf_str line;

	if (p->state == HTTP_REQUEST_START) {
		if (in->ptr[0] != '\r' && !http_is_token((struct ssf_str){ in->ptr, 1 }))
			return malformed(p, "request line: not of HTTP", err);
		p->state = HTTP_REQUEST_LINE;
	}
	if (n > head->max - head->len) {
		p->refused = 400;
		return ssf_fail(err, SSF_E_LIMIT, "head: longer than %zu bytes", p->max_head);
	}
	if (ssf_buf_append(head, (struct ssf_str){ in->ptr, n }, err) < 0)
		return refused_by(p, err);
	advance(in, n);
	if (!whole)
		return 0;
	line = (struct ssf_str){ head->ptr + p->line_start, head->len - p->line_start };
	p->line_start = head->len;
	if (end_line(p, &line, err) < 0 || take_head_line(p, line, err) < 0)
		return -1;
	if (p->state == HTTP_REQUEST_START)
		p->line_start = 0;
	return 0;
}

/* --- the body ---------------------------------------------------------------------------------------------- */

static int feed_body(struct http_request_parser *p, struct ssf_str *in, struct ssf_err *err)
{
	struct ssf_buf *body = &p->message.body;
	size_t n = in->len < p->left ? in->len : p->left;

	if (body->len == 0)
		ssf_buf_reserve(body, p->left < RESERVE_MAX ? p->left : RESERVE_MAX);
	if (ssf_buf_append(body, (struct ssf_str){ in->ptr, n }, err) < 0)
		return refused_by(p, err);
	advance(in, n);
	p->left -= n;
	if (p->left == 0 && p->state == HTTP_REQUEST_BODY) {
		p->state = HTTP_REQUEST_COMPLETE;
	} else if (p->left == 0) {
		p->state = HTTP_REQUEST_CHUNK_END;
		ssf_buf_reset(&p->line);
	}
	return 0;
}

static int take_chunk_size(struct http_request_parser *p, struct ssf_str line, struct ssf_err *err)
{
	if (http_chunk_size_parse(line, &p->left, err) < 0)
		return refused_by(p, err);
	if (p->left > p->max_body - p->message.body.len)
		return too_large(p, err);
	if (p->left > 0) {
		p->state = HTTP_REQUEST_CHUNK;
		return 0;
	}
	p->state = HTTP_REQUEST_TRAILERS;
	ssf_buf_done(&p->line);
	ssf_buf_init(&p->line, p->max_head);
	return 0;
}

/* Fields behind the body have to be fields, and say nothing. */
static int take_trailer(struct http_request_parser *p, struct ssf_str line, struct ssf_err *err)
{
	struct ssf_str name, value;

	if (line.len == 0) {
		p->state = HTTP_REQUEST_COMPLETE;
		return 0;
	}
	p->trailer_bytes += line.len;
	if (p->trailer_bytes > p->max_head)
		return malformed(p, "trailer: too long", err);
	return http_field_parse(line, &name, &value, err) < 0 ? refused_by(p, err) : 0;
}

static int take_body_line(struct http_request_parser *p, struct ssf_str line, struct ssf_err *err)
{
	switch (p->state) {
	case HTTP_REQUEST_CHUNK_SIZE:
		return take_chunk_size(p, line, err);
	case HTTP_REQUEST_CHUNK_END:
		if (line.len > 0)
			return malformed(p, "chunk: longer than its size", err);
		await_chunk(p);
		return 0;
	default:
		return take_trailer(p, line, err);
	}
}

static int feed_body_line(struct http_request_parser *p, struct ssf_str *in, struct ssf_err *err)
{
	bool whole;
	size_t n = line_part(*in, &whole);
	struct ssf_str line;
	int r;

	/* of the end of a chunk, two bytes say whether it is one */
	if (p->state == HTTP_REQUEST_CHUNK_END && p->line.len + n > 2)
		return malformed(p, "chunk: longer than its size", err);
	if (n > p->line.max - p->line.len)
		return malformed(p, p->state == HTTP_REQUEST_TRAILERS ? "trailer: too long" : "chunk: not a size", err);
	if (ssf_buf_append(&p->line, (struct ssf_str){ in->ptr, n }, err) < 0)
		return refused_by(p, err);
	advance(in, n);
	if (!whole)
		return 0;
	line = ssf_buf_str(&p->line);
	r = end_line(p, &line, err);
	if (r == 0)
		r = take_body_line(p, line, err);
	if (r == 0)
		ssf_buf_reset(&p->line);
	return r;
}

/* --- all of it --------------------------------------------------------------------------------------------- */

static int feed_some(struct http_request_parser *p, struct ssf_str *in, struct ssf_err *err)
{
	switch (p->state) {
	case HTTP_REQUEST_START:
	case HTTP_REQUEST_LINE:
	case HTTP_REQUEST_FIELDS:
		return feed_head(p, in, err);
	case HTTP_REQUEST_BODY:
	case HTTP_REQUEST_CHUNK:
		return feed_body(p, in, err);
	default:
		return feed_body_line(p, in, err);
	}
}

static bool in_head(const struct http_request_parser *p)
{
	return p->state <= HTTP_REQUEST_FIELDS;
}

int http_request_parser_feed(struct http_request_parser *p, struct ssf_str bytes, size_t *used,
			     enum http_request_next *next, struct ssf_err *err)
{
	struct ssf_err why; /* so that refused_by() can read it */
	struct ssf_str in = bytes;

	*next = HTTP_REQUEST_MORE;
	while (in.len > 0 && p->state != HTTP_REQUEST_COMPLETE) {
		bool was_in_head = in_head(p);

		if (feed_some(p, &in, &why) < 0) {
			if (err != NULL)
				*err = why;
			return -1;
		}
		if (was_in_head && !in_head(p) && p->state != HTTP_REQUEST_COMPLETE) {
			*next = HTTP_REQUEST_HEAD;
			break;
		}
	}
	*used = bytes.len - in.len;
	if (p->state == HTTP_REQUEST_COMPLETE)
		*next = HTTP_REQUEST_WHOLE;
	return 0;
}
