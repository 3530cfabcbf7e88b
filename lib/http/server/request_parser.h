/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads HTTP/1.x requests incrementally (RFC 9112). Strict: bytes that another reader of the same connection (a
 * proxy in front) could understand in another way are refused, not repaired, because they would let one client
 * write into the next one's request (section 11.2). Refused with 400: lines that do not end with CRLF, folded
 * lines, a space before a colon, control characters, no Host or two, Content-Length twice or beside
 * Transfer-Encoding, other codings than "chunked", chunk sizes with anything but digits, a chunk that does not
 * end where it says, a body of HEAD, CONNECT (501). Pure: no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define HTTP_REQUEST_FIELDS_MAX 128

/* Offsets into the head. */
struct http_request_field {
	uint32_t name, name_len;
	uint32_t value, value_len;
};

/* A request as received. Zeroed: empty. */
struct http_message {
	const char *method;      /* "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS" */
	bool keep_alive;         /* the client wants to use the connection again */
	bool is_http_1_0;
	struct ssf_buf head;     /* request line and fields, as they came */
	size_t path, path_len;   /* of the target, as sent: offsets into the head */
	size_t query, query_len; /* behind the '?' */
	bool has_query;
	struct http_request_field *fields;
	size_t n_fields;
	struct ssf_buf body;     /* without chunks */
};

void http_message_done(struct http_message *m); /* no-op on zeroed memory */

enum http_request_state {
	HTTP_REQUEST_START, /* nothing but an empty line has come */
	HTTP_REQUEST_LINE,
	HTTP_REQUEST_FIELDS,
	HTTP_REQUEST_BODY,
	HTTP_REQUEST_CHUNK_SIZE,
	HTTP_REQUEST_CHUNK,
	HTTP_REQUEST_CHUNK_END,
	HTTP_REQUEST_TRAILERS,
	HTTP_REQUEST_COMPLETE,
};

struct http_request_parser {
	struct http_message message;   /* the caller may take it when it is complete, and zero it here */
	int refused;                   /* after a failure: the status that says so (400, 413, 417, 501) */
	bool expects_continue;         /* the client waits for 100 before it sends the body */

	/* private */
	enum http_request_state state;
	size_t max_head, max_body;
	size_t line_start;             /* of the line that is coming, in the head */
	struct ssf_buf line;           /* of a chunk's size or a trailer, while it is not whole */
	size_t trailer_bytes;
	size_t left;                   /* of the body or the chunk */
	int minor;                     /* HTTP/1.x */
	unsigned hosts;
	bool has_length, chunked, says_close, says_keep_alive, skipped_empty_line;
};

void http_request_parser_init(struct http_request_parser *p, size_t max_head, size_t max_body);
void http_request_parser_done(struct http_request_parser *p); /* no-op on zeroed memory */

enum http_request_next {
	HTTP_REQUEST_MORE,    /* the bytes are used up, and the request goes on */
	HTTP_REQUEST_HEAD,    /* the head is whole, once: a body follows, and the client may wait for 100 */
	HTTP_REQUEST_WHOLE,   /* the rest of the bytes belongs to the next request */
};

/*
 * Takes bytes as they come; *used: how many. After HTTP_REQUEST_HEAD call it again with the rest, even if there is
 * none. SSF_E_MALFORMED, SSF_E_LIMIT, SSF_E_METHOD (not known here), SSF_E_NOMEM (then refused is 503): the parser
 * takes nothing any more, and where the next request begins is unknown.
 */
ssf_nodiscard int http_request_parser_feed(struct http_request_parser *p, struct ssf_str bytes, size_t *used,
					   enum http_request_next *next, struct ssf_err *err);
/* Whether a request has begun. */
bool http_request_parser_has_begun(const struct http_request_parser *p);
