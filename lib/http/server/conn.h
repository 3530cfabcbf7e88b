/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of an HTTP server: reading requests one after the other, writing answers, all deadlines, and what
 * happens when a client leaves. A connection knows bytes and messages; what a request means is decided above.
 *
 *   handshake -> idle -> reading -> handling -> writing -> idle ...
 *                                                       -> lingering (closed by us: what still comes is discarded,
 *                                                          so that the client can read the answer)
 *
 * A client that has sent FIN (or close_notify) while its request is handled is told to the handler as gone, and
 * still gets the answer if it reads on.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/http/server/request_parser.h"
#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"

struct http_conn;     /* one connection */
struct http_conn_set; /* all of a server, with their limits */

struct http_conn_conf {
	struct loop *loop;
	SSL_CTX *tls;              /* borrowed; NULL: plain */
	size_t max_head, max_body; /* bytes */
	int64_t request_timeout_ms; /* first byte to last byte of a request; also the TLS handshake */
	int64_t idle_timeout_ms;   /* between requests, and for an answer without progress */
	/*
	 * A request is whole. Takes m. It must be answered exactly once with http_conn_answer(), now or later, unless
	 * the connection is lost before. gone: the client has already sent its FIN.
	 */
	void (*request)(void *arg, struct http_conn *c, struct http_message *m, bool gone);
	/* A request was refused without being handed on; for the metrics. */
	void (*refused)(void *arg, int status);
	/* A connection has ended: the set has room for another. */
	void (*freed)(void *arg);
	void *arg;
};

ssf_nodiscard int http_conn_set_new(const struct http_conn_conf *conf, struct http_conn_set **out,
				    struct ssf_err *err);
void http_conn_set_free(struct http_conn_set *s); /* closes all; NULL is fine */
size_t http_conn_set_count(const struct http_conn_set *s);
/* From now on an answer ends its connection; idle ones are closed. */
void http_conn_set_drain(struct http_conn_set *s);
/* Enforces the deadlines; to be called a few times a second. Costs nothing for connections in time. */
void http_conn_set_sweep(struct http_conn_set *s);

/* Takes fd, also when it cannot become a connection (out of memory). */
void http_conn_accept(struct http_conn_set *s, int fd, const struct sockaddr *peer);

/* Of a connection with an unanswered request: */

const char *http_conn_peer(const struct http_conn *c);  /* the client's address, without port */
bool http_conn_may_keep(const struct http_conn *c);     /* false: the answer has to say "Connection: close" */
/*
 * f is called when the client has gone: with lost false after its FIN, with lost true when the connection is freed
 * (c is dead from then on). Perhaps both, each once. Replaces the one before; NULL: none.
 */
typedef void http_conn_gone_f(void *arg, bool lost);
void http_conn_on_gone(struct http_conn *c, http_conn_gone_f *f, void *arg);
/* Sends the answer; takes the bytes, and leaves *bytes empty. c is dead from here on. */
void http_conn_answer(struct http_conn *c, struct ssf_buf *bytes, bool keep);
