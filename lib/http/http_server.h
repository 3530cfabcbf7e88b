/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server with a strict parser of its own (server/request_parser.h), TLS, and a limit on everything that
 * a client controls: bytes of the head 400, bytes of the body 413, time to send a whole request 408 (a total
 * deadline, not one for each read), idle keep-alive, number of connections (accepting pauses at the limit).
 * What it refuses by itself it answers with the same JSON errors as handlers do, and closes the connection.
 *
 * Pipelined requests are handled one after the other. Each request reaches the handler once, whole; what the
 * handler can do with it is in server/request.h. docs/adr/0013-own-http-server.md says why it is not evhttp.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/http/server/listener.h"
#include "lib/http/server/request.h"
#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

struct http_server;

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
	 * Told of each answer, or NULL; also of those that no handler gave, because the request was refused
	 * (tag 0). arg is the handler's; us: since the request was whole.
	 */
	void (*answered)(void *arg, unsigned tag, int status, int64_t us);
};

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
