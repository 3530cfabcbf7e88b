/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, as its handler sees it. It must be answered exactly once, at once or later, with one of the
 * http_reply functions; after that the pointer is dead. It stays valid when the client has gone, and still must be
 * answered: the answer goes nowhere, or to a client that has only closed its sending side.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct http_req;

/* Views are borrowed until the answer. */

/* "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS". HEAD may be answered as GET: the body is not sent. */
const char *http_method(const struct http_req *r);
/*
 * Percent-decoded, begins with '/', never NULL. NUL, control characters and bytes that are not UTF-8 are refused
 * before the handler.
 */
const char *http_path(const struct http_req *r);
/* Appends path and query as they were sent. -1: out of memory. */
int http_target(const struct http_req *r, struct ssf_buf *out);
/* The value of a header without the spaces around it, an empty view if absent. Sent twice: the first. */
struct ssf_str http_header(const struct http_req *r, const char *name);
size_t http_header_count(const struct http_req *r, const char *name);
const char *http_query(const struct http_req *r, const char *name); /* percent-decoded, or NULL */
struct ssf_str http_body(const struct http_req *r);
/* Frees the memory of the body, for requests that are held for long. It is empty from here on. */
void http_release_body(struct http_req *r);
const char *http_peer(const struct http_req *r);            /* address of the client, without port */

/* What http_server_conf.answered() is told of this request; 0 at first. */
void http_tag(struct http_req *r, unsigned tag);

/*
 * Calls f once, from the loop, when the client has gone before the answer: the place to cancel what runs for it.
 * f may answer; if it does not, somebody still has to. It is never called from inside this function, nor after the
 * answer. Setting it again replaces f; NULL clears it.
 */
void http_on_cancel(struct http_req *r, loop_f *f, void *arg);
#define http_on_close http_on_cancel /* the name before; goes when no caller uses it */

struct http_answer {
	int status;
	const char *content_type;  /* NULL: none */
	struct ssf_str body;       /* copied */
	const char *headers[8][2]; /* further ones, name and value; ends at the first NULL name */
};
/* Adds a header to the answer, whichever it will be. */
void http_answer_header(struct http_req *r, const char *name, const char *value);
void http_reply(struct http_req *r, const struct http_answer *a);
/* A JSON text; body NULL with status 204 or 202 for an empty answer. */
void http_reply_json(struct http_req *r, int status, const char *body);

/* --- for http_server.c ------------------------------------------------------------------------------------- */

struct http_conn;
struct http_message;

/* What the requests of one server share. */
struct http_req_context {
	struct loop *loop;
	size_t pending; /* requests that are not answered */
	void (*answered)(void *arg, unsigned tag, int status, int64_t us); /* or NULL */
	void *arg;
};

/*
 * Takes m, also on failure. gone: the client has already closed its sending side. SSF_E_MALFORMED (path or query),
 * SSF_E_NOMEM: the caller answers.
 */
ssf_nodiscard int http_req_new(struct http_req_context *context, struct http_conn *conn, struct http_message *m,
			       bool gone, struct http_req **out, struct ssf_err *err);
