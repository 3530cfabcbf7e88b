/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of HTTP/1.1 as they come (RFC 9112), for connections that are kept: where an answer ends is never
 * guessed. Refused is what two readers could take for two things: a length beside chunks or said twice in two
 * ways, other codings than chunked, folded lines, blanks before a colon, control characters. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define HTTP_RESPONSE_HEAD_MAX (16 * 1024) /* bytes of status line and headers, with those of 1xx before them */
#define HTTP_RESPONSE_HEADERS_MAX 100

enum http_response_state {
	HTTP_RESPONSE_STATUS,
	HTTP_RESPONSE_HEADERS,
	HTTP_RESPONSE_LENGTH,     /* a body of so many bytes */
	HTTP_RESPONSE_TO_END,     /* a body up to the end of the connection */
	HTTP_RESPONSE_CHUNK_SIZE,
	HTTP_RESPONSE_CHUNK,
	HTTP_RESPONSE_CHUNK_END,
	HTTP_RESPONSE_TRAILERS,
	HTTP_RESPONSE_OVER,
};

struct http_response {
	/* once it is complete */
	int status;
	bool keep;              /* the connection can be used again */
	int retry_after;        /* seconds; -1: none */
	char content_type[128]; /* "": none; cut off if longer */
	char etag[128];
	struct ssf_buf body;
	/* at any time */
	bool begun;             /* there has been a byte */

	/* private */
	enum http_response_state state;
	int minor;              /* HTTP/1.x */
	bool chunked, has_length, says_close, says_keep;
	size_t left;            /* of the body, or of the chunk */
	size_t line_left;       /* bytes that lines may still have */
	unsigned headers;
	struct ssf_buf line;    /* one that is not whole yet */
};

enum http_response_next { HTTP_RESPONSE_MORE, HTTP_RESPONSE_COMPLETE };

void http_response_init(struct http_response *a, size_t max_body);
void http_response_done(struct http_response *a); /* no-op on zeroed memory */

/*
 * Takes bytes as they come. used: how many belong to this answer, all of them if there is more to come.
 * SSF_E_MALFORMED, SSF_E_LIMIT (head or body), SSF_E_NOMEM: it takes nothing any more.
 */
ssf_nodiscard int http_response_feed(struct http_response *a, const char *bytes, size_t n, size_t *used,
				   enum http_response_next *next, struct ssf_err *err);
/* The peer has closed. 0: the answer ends there; SSF_E_UNAVAILABLE: it was to go on. */
ssf_nodiscard int http_response_eof(struct http_response *a, struct ssf_err *err);

/* Retry-After (RFC 9110 section 10.2.3), seconds or a date: in seconds; -1: neither. NULL is fine. */
int http_retry_after(const char *value);
