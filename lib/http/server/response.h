/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an answer (RFC 9112 section 4). Pure, but for the Date header. */
#pragma once

#include <stdbool.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct http_response_spec {
	int status;
	const char *content_type;           /* NULL: none */
	struct ssf_str body;
	const char *const (*headers)[2];    /* name and value; ends at the first NULL name; NULL: none */
	size_t n_headers;                   /* at most */
	struct ssf_str fields;              /* further ones, as http_response_add_field() makes them */
	bool head_only;                     /* the answer to HEAD: Content-Length without the body */
	bool close;                         /* says that the connection ends with it */
	bool keep_alive;                    /* says that it does not: for HTTP/1.0 */
};

/*
 * Content-Length and Date are always sent, but no Content-Length with 204 and 304 (RFC 9110 section 8.6). A
 * header with a line break or another control character in it is left out. -1: out of memory.
 */
ssf_nodiscard int http_response_compose(const struct http_response_spec *spec, struct ssf_buf *out);
/* The answer to a request that no handler sees: the error in JSON, and the connection ends. */
ssf_nodiscard int http_response_compose_error(int status, const struct ssf_err *err, bool head_only,
					      struct ssf_buf *out);

/* Appends "Name: value" and its line's end, or nothing if a character is not allowed in it. */
void http_response_add_field(struct ssf_buf *out, const char *name, const char *value);
