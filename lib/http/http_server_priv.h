/* SPDX-License-Identifier: Apache-2.0 */
/* What http_server.c, http_conn.c and http_req.c share; for nobody else. */
#pragma once

#include <event2/event_struct.h>
#include <openssl/types.h>
#include <sys/queue.h>

#include "lib/http/http_chunks.h"
#include "lib/http/http_server.h"

struct bufferevent;
struct evbuffer_cb_entry;
struct evconnlistener;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_connection;
struct evhttp_request;

enum conn_state {
	CONN_FRESH,     /* accepted, evhttp has not finished with setting it up */
	CONN_IDLE,      /* between requests, or in the TLS handshake */
	CONN_READING,   /* some bytes of a request are there */
	CONN_HANDLING,  /* the handler has the request */
	CONN_WRITING,   /* the answer is on its way */
	CONN_LINGERING, /* closed by us: what the client still sends is thrown away */
};

struct http_conn {
	TAILQ_ENTRY(http_conn) entry;
	TAILQ_ENTRY(http_conn) page_entry; /* in server->pages */
	struct http_server *server;
	struct bufferevent *bev;          /* a reference of our own, so it outlives evcon */
	struct evhttp_connection *evcon;  /* evhttp's; NULL when fresh or lingering */
	struct evbuffer_cb_entry *input_cb;
	struct evbuffer_cb_entry *output_cb;
	SSL *ssl;                         /* of bev; NULL without TLS */
	struct loop_watch *linger;
	struct http_req *req;             /* while CONN_HANDLING */
	enum conn_state state;
	int64_t since_us;                 /* of the state, or of the last progress in CONN_WRITING */
	size_t unsent;
	bool has_page;                    /* in pages: evhttp has answered by itself, and it is not sent yet, or ... */
	bool unreadable;                  /* ... it must not go on reading */
	struct http_chunks chunks;        /* of the request that is coming */
	int fd;
};

TAILQ_HEAD(conn_list, http_conn);

struct http_server {
	struct loop *loop;
	struct evhttp *evhttp;
	struct evconnlistener *listener;    /* of bound, which is evhttp's */
	struct evhttp_bound_socket *bound;  /* NULL when draining */
	SSL_CTX *tls;
	struct loop_tick *sweep;
	struct event adopt;
	struct event replace;               /* of pages */
	struct conn_list fresh;
	struct conn_list pages;
	struct conn_list conns;
	struct http_conn **by_fd;
	size_t by_fd_len;
	size_t n_conns;
	size_t n_pending;
	http_handler_f *handler;
	void (*answered)(void *arg, unsigned tag, int status, int64_t us); /* or NULL */
	void *arg;
	size_t max_header;
	size_t max_body;
	int64_t request_timeout;
	int64_t idle_timeout;
	size_t max_connections;
	unsigned port;
	bool draining;
	bool freeing;
};

/* evhttp's factory of bufferevents; arg is the server. */
struct bufferevent *http_conn_accept(struct event_base *base, void *arg);
/* Of an open connection, or NULL. */
struct http_conn *http_conn_by_fd(const struct http_server *s, int fd);
/* The request is whole: from here to the answer only a close matters. */
void http_conn_begin_handling(struct http_conn *c, struct evhttp_request *ev);
void http_conn_begin_writing(struct http_conn *c);
/* Closes, with some patience for the client to read what was sent. */
void http_conn_close(struct http_conn *c);
void http_conn_free(struct http_conn *c);
/* Time limits. May free c. */
void http_conn_sweep(struct http_conn *c, int64_t now_us);
void http_conn_on_adopt(evutil_socket_t fd, short what, void *arg);
void http_conn_on_replace(evutil_socket_t fd, short what, void *arg);
void http_server_resume(struct http_server *s);

/* SSF_E_MALFORMED, SSF_E_LIMIT (the body), SSF_E_NOMEM. Does not take ev on failure. */
ssf_nodiscard int http_req_new(struct http_server *s, struct http_conn *c,
			       struct evhttp_request *ev, struct http_req **out,
			       struct ssf_err *err);
void http_req_on_conn_closed(struct http_req *r);
/* An answer that closes the connection, for requests that no handler sees. */
void http_req_refuse(struct http_server *s, struct evhttp_request *ev, const struct ssf_err *err);
/* An answer was given, whoever gave it. */
void http_server_answered(const struct http_server *s, unsigned tag, int status, int64_t us);
