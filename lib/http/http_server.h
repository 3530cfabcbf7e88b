/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server over libevent's evhttp, with TLS and with a limit on
 * everything that a client controls: header bytes 400, body bytes 413, time to send
 * a whole request 408 (a total deadline, not per read), idle keep-alive, number
 * of connections (accepting pauses at the limit). What it refuses by itself it answers as
 * handlers do (http_error.h), and closes.
 *
 * Each request reaches the handler once, whole. It must be answered exactly
 * once, then or later, with http_reply; after that the pointer is dead. When
 * the client goes away first (closing its sending side is enough), the request
 * stays valid and its cancel hook is called (http_on_cancel); it still must be
 * answered (the answer goes nowhere).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct http_server;
struct http_req;

struct http_server_conf {
	const char *listen;        /* "127.0.0.1:8443", "[::1]:0"; port 0 picks one */
	int listen_fd;             /* of http_listen() instead, if above 0; closed with the server */
	const char *tls_cert;      /* PEM files; both NULL: plain HTTP */
	const char *tls_key;
	size_t max_header;         /* bytes, 0: 16 KiB */
	size_t max_body;           /* bytes, 0: 1 MiB */
	int request_timeout_ms;    /* first byte to last byte of a request, 0: 15 s; also the TLS handshake */
	int idle_timeout_ms;       /* between requests, 0: 60 s */
	unsigned max_connections;  /* 0: 10,000 */
	/*
	 * Told of each answer, or NULL: also of those that no handler gave, because the request could not
	 * be read (tag 0). arg is the handler's; us: since the request was whole.
	 */
	void (*answered)(void *arg, unsigned tag, int status, int64_t us);
};

/*
 * A listening socket, for servers of several processes. Shared: others may be opened for the same
 * address (SO_REUSEPORT), and connections are spread over them. The first of them fails if anybody
 * listens there already.
 */
enum http_share { HTTP_ALONE, HTTP_SHARED_FIRST, HTTP_SHARED };
ssf_nodiscard int http_listen(const char *listen, enum http_share share, int *out_fd,
			      unsigned *out_port, struct ssf_err *err);

typedef void http_handler_f(void *arg, struct http_req *req);

ssf_nodiscard int http_server_new(struct loop *loop, const struct http_server_conf *conf,
				  http_handler_f *handler, void *arg, struct http_server **out,
				  struct ssf_err *err);
unsigned http_server_port(const struct http_server *s);
size_t http_server_connections(const struct http_server *s);
/* Stops accepting; answers from now on carry Connection: close; idle connections are closed. */
void http_server_drain(struct http_server *s);
/* Requests that have been handed to the handler and not been answered yet. */
size_t http_server_pending(const struct http_server *s);
/* Closes everything. Every request must have been answered. NULL is fine. */
void http_server_free(struct http_server *s);

/* The request. Views are borrowed until the answer. */
const char *http_method(const struct http_req *r);          /* "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS" */
const char *http_path(const struct http_req *r);            /* percent-decoded, starts with '/', never NULL; NUL, control characters and what is not UTF-8 are a 400 before the handler */
/* Appends path and query as they were sent. -1: out of memory. */
int http_target(const struct http_req *r, struct ssf_buf *out);
/* Header value with surrounding blanks removed, empty view if absent. Sent twice: the first. */
struct ssf_str http_header(const struct http_req *r, const char *name);
size_t http_header_count(const struct http_req *r, const char *name);
const char *http_query(const struct http_req *r, const char *name); /* percent-decoded, or NULL */
struct ssf_str http_body(const struct http_req *r);
/* Gives the memory of the body back: for requests that are held for long. It is empty from here on. */
void http_release_body(struct http_req *r);
const char *http_peer(const struct http_req *r);            /* address of the client, without port */

/* What answered() is told of this request; 0 at first. */
void http_tag(struct http_req *r, unsigned tag);

/*
 * Calls f once, from the loop, when the client has gone before the answer: the place to cancel what runs for it.
 * f may answer (the answer goes nowhere); if it does not, somebody still has to. It is never called from inside
 * this function, nor after the answer. Setting it again replaces f; NULL clears it.
 */
void http_on_cancel(struct http_req *r, loop_f *f, void *arg);
#define http_on_close http_on_cancel /* the name before; goes when no caller uses it */

struct http_answer {
	int status;
	const char *content_type;  /* NULL: none */
	struct ssf_str body;       /* copied */
	const char *headers[8][2]; /* further ones, name and value; ends at the first NULL name */
};
/* A header of the answer, whichever it will be; before it is given. */
void http_answer_header(struct http_req *r, const char *name, const char *value);
void http_reply(struct http_req *r, const struct http_answer *a);
/* A JSON text; body NULL with status 204 or 202 for an empty answer. */
void http_reply_json(struct http_req *r, int status, const char *body);
