/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the HTTP server: what evhttp does not do for them. It has no
 * time limit on a whole request, does not notice that a client left while its
 * request is being handled, and closes without letting the client read the
 * answer (unread input makes the kernel send a reset).
 *
 * Each connection holds a reference to the bufferevent beside evhttp's. When
 * evhttp gives a connection up, for whatever reason, its close callback tells
 * us; the socket then stays open for a moment, its input thrown away.
 *
 * libevent 2.1 gives no access to an evhttp_connection before its first
 * request. It is however the argument of the callbacks that evhttp sets on the
 * bufferevent, so it is read from there, right after the accepting callback.
 *
 * Nor has it a limit for the line before a chunk: http_chunks.c looks at what comes, and closes.
 *
 * What evhttp cannot read it answers with a page of HTML of its own. That is in
 * the output while no handler has the request, and is replaced there before
 * anything of it is sent.
 */
#include "lib/http/http_error.h"
#include "lib/http/http_server_priv.h"
#include "lib/ssf/attr.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_MS 1000
#define INPUT_SLACK 65536

static void set_state(struct http_conn *c, enum conn_state state)
{
	c->state = state;
	c->since_us = loop_now_us();
}

/* To be looked at before the next poll. */
static void put_in_pages(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->has_page)
		return;
	c->has_page = true;
	TAILQ_INSERT_TAIL(&s->pages, c, page_entry);
	event_active(&s->replace, EV_TIMEOUT, 0);
}

/* The last added bytes of input. */
static void look_for_chunks(struct http_conn *c, struct evbuffer *input, size_t added)
{
	size_t skipped = http_chunks_skip(&c->chunks, added), n;
	struct evbuffer_ptr at;
	char bytes[4096];

	if (skipped == added ||
	    evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - added + skipped, EVBUFFER_PTR_SET) < 0)
		return;
	for (size_t left = added - skipped; left > 0; left -= n) {
		n = left < sizeof(bytes) ? left : sizeof(bytes);
		if (evbuffer_copyout_from(input, &at, bytes, n) != (ssize_t)n)
			return;
		if (http_chunks_feed(&c->chunks, (struct ssf_str){ bytes, n }) < 0) {
			c->unreadable = true;
			put_in_pages(c);
			return;
		}
		if (n < left && evbuffer_ptr_set(input, &at, n, EVBUFFER_PTR_ADD) < 0)
			return;
	}
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	if (info->n_added == 0 || c->unreadable)
		return;
	if (c->state == CONN_IDLE)
		set_state(c, CONN_READING);
	look_for_chunks(c, input, info->n_added);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	(void)output;
	/* it is replaced when evhttp has put all of it there, and before it is sent */
	if (info->n_added > 0 && (c->state == CONN_IDLE || c->state == CONN_READING))
		put_in_pages(c);
}

static struct bufferevent *new_bufferevent(struct http_conn *c, struct event_base *base)
{
	struct bufferevent *bev;

	if (c->server->tls == NULL)
		return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	c->ssl = SSL_new(c->server->tls);
	if (c->ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, -1, c->ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		SSL_free(c->ssl);
	else
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

struct bufferevent *http_conn_accept(struct event_base *base, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c = calloc(1, sizeof(*c));

	/*
	 * With NULL evhttp goes on with a plain bufferevent that nobody here
	 * knows: http_conn_by_fd does not find it and its requests get a 503.
	 */
	if (c == NULL)
		return NULL;
	c->server = s;
	c->fd = -1;
	c->bev = new_bufferevent(c, base);
	if (c->bev == NULL) {
		free(c);
		return NULL;
	}
	bufferevent_incref(c->bev);
	c->input_cb = evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
	c->output_cb = evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
	/* Input that arrives while an answer is pending must not grow without end either. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, s->max_header + s->max_body + INPUT_SLACK);
	set_state(c, CONN_FRESH);
	TAILQ_INSERT_TAIL(&s->fresh, c, entry);
	if (++s->n_conns >= s->max_connections)
		evconnlistener_disable(s->listener);
	/* Runs before the next poll, so before any event of this connection. */
	event_active(&s->adopt, EV_TIMEOUT, 0);
	return c->bev;
}

void http_conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	TAILQ_REMOVE(c->state == CONN_FRESH ? &s->fresh : &s->conns, c, entry);
	if (c->has_page)
		TAILQ_REMOVE(&s->pages, c, page_entry);
	if (http_conn_by_fd(s, c->fd) == c)
		s->by_fd[c->fd] = NULL;
	loop_watch_cancel(c->linger);
	if (c->input_cb != NULL)
		evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->input_cb);
	if (c->output_cb != NULL)
		evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), c->output_cb);
	bufferevent_decref(c->bev); /* the last reference closes the socket */
	free(c);
	s->n_conns--;
	http_server_resume(s);
}

struct http_conn *http_conn_by_fd(const struct http_server *s, int fd)
{
	return fd >= 0 && (size_t)fd < s->by_fd_len ? s->by_fd[fd] : NULL;
}

static int remember_fd(struct http_conn *c)
{
	struct http_server *s = c->server;

	if ((size_t)c->fd >= s->by_fd_len) {
		size_t len = ((size_t)c->fd + 1) * 2;
		struct http_conn **grown = realloc(s->by_fd, len * sizeof(grown[0]));

		if (grown == NULL)
			return -1;
		memset(grown + s->by_fd_len, 0, (len - s->by_fd_len) * sizeof(grown[0]));
		s->by_fd = grown;
		s->by_fd_len = len;
	}
	s->by_fd[c->fd] = c;
	return 0;
}

static void on_linger(void *arg, bool readable, bool writable)
{
	struct http_conn *c = arg;
	char waste[16384];
	ssize_t n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);

	(void)readable;
	(void)writable;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		http_conn_free(c);
}

static void begin_linger(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->ssl != NULL && SSL_is_init_finished(c->ssl))
		SSL_shutdown(c->ssl); /* sends close_notify; evhttp then shuts the socket down */
	ERR_clear_error();
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	set_state(c, CONN_LINGERING);
	if (!s->freeing)
		c->linger = loop_watch_start(s->loop, c->fd, true, false, on_linger, c);
	if (c->linger == NULL)
		http_conn_free(c);
}

static void on_evhttp_close(struct evhttp_connection *evcon, void *arg)
{
	struct http_conn *c = arg;
	struct http_req *req = c->req;

	(void)evcon;
	c->evcon = NULL;
	c->req = NULL;
	begin_linger(c);
	if (req != NULL)
		http_req_on_conn_closed(req);
}

static void adopt(struct http_conn *c)
{
	struct http_server *s = c->server;
	void *evcon = NULL;
	const int on = 1;

	bufferevent_getcb(c->bev, NULL, NULL, NULL, &evcon);
	if (evcon == NULL) { /* evhttp could not set it up, and has let it go */
		http_conn_free(c);
		return;
	}
	TAILQ_REMOVE(&s->fresh, c, entry);
	TAILQ_INSERT_TAIL(&s->conns, c, entry);
	set_state(c, CONN_IDLE);
	c->evcon = evcon;
	c->fd = bufferevent_getfd(c->bev);
	evhttp_connection_set_closecb(c->evcon, on_evhttp_close, c);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (remember_fd(c) < 0)
		http_conn_close(c);
}

void http_conn_on_adopt(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&s->fresh)) != NULL)
		adopt(c);
}

void http_conn_close(struct http_conn *c)
{
	evhttp_connection_free(c->evcon); /* calls on_evhttp_close */
}

static void on_complete(struct evhttp_request *ev, void *arg)
{
	struct http_conn *c = arg;
	size_t waiting = evbuffer_get_length(bufferevent_get_input(c->bev));

	(void)ev;
	/* The next request may be here already: its time starts now. */
	set_state(c, waiting > 0 ? CONN_READING : CONN_IDLE);
	if (c->unreadable)
		put_in_pages(c);
}

void http_conn_begin_handling(struct http_conn *c, struct evhttp_request *ev)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);
	bufferevent_event_cb on_event;
	void *arg;

	set_state(c, CONN_HANDLING);
	c->chunks = (struct http_chunks){ .line_len = 0 };
	look_for_chunks(c, input, evbuffer_get_length(input)); /* the next one has begun */
	evhttp_request_set_on_complete_cb(ev, on_complete, c);
	/*
	 * evhttp stops reading here, and would not learn of a close. Reading goes
	 * on, but only evhttp's callback for errors may run: its other ones are
	 * not made for this state. It sets them anew when the answer is written.
	 */
	bufferevent_getcb(c->bev, NULL, NULL, &on_event, &arg);
	bufferevent_setcb(c->bev, NULL, NULL, on_event, arg);
	bufferevent_enable(c->bev, EV_READ);
}

void http_conn_begin_writing(struct http_conn *c)
{
	c->req = NULL;
	c->unsent = 0;
	set_state(c, CONN_WRITING);
}

/* --- answers to what no handler sees ------------------------------------------------------------------ */

/* What it is about, by status; the last is for all others. */
static const struct refusal {
	int status;
	const char *reason;
	enum ssf_code code;
	const char *why;
} refusals[] = {
	{ 408, "Request Timeout", SSF_E_TIMEOUT, "the request did not come whole in time" },
	{ 413, "Content Too Large", SSF_E_LIMIT, "the request is larger than the limit" },
	{ 417, "Expectation Failed", SSF_E_MALFORMED, "Expect: not known" },
	{ 501, "Not Implemented", SSF_E_METHOD, "this method is not known" },
	{ 400, "Bad Request", SSF_E_MALFORMED, "this is no request that could be read" },
};

/* The whole answer, with an error as everywhere; its status. */
static int refuse(int status, struct ssf_buf *out)
{
	ssf_auto_free char *text = NULL;
	const struct refusal *r = refusals;
	struct ssf_err err;

	while (r->status != status && r->status != 400)
		r++;
	ssf_fail(&err, r->code, "%s", r->why);
	text = http_error_text(&err);
	ssf_buf_addf(out,
		     "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Language: en\r\n"
		     "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
		     r->status, r->reason, text != NULL ? strlen(text) : 0, text != NULL ? text : "");
	return r->status;
}

/* evhttp's page begins with its status; with 100 it goes on reading. False: there is none. */
static bool replace_page(struct http_conn *c)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	ssf_auto_buf answer = SSF_BUF(1024);
	char head[13] = "";
	int status;

	evbuffer_copyout(output, head, sizeof(head) - 1);
	status = strncmp(head, "HTTP/1.", 7) == 0 ? atoi(head + 9) : 0;
	if (status < 400)
		return false;
	status = refuse(status, &answer);
	set_state(c, CONN_WRITING);
	c->unsent = 0;
	/* those of sockets keep others from taking out of it, as it may be on its way: it is not */
	if (c->ssl == NULL)
		evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	if (c->ssl == NULL)
		evbuffer_freeze(output, 1);
	evbuffer_add(output, answer.ptr, answer.len);
	http_server_answered(c->server, 0, status, 0);
	return true;
}

/* Straight to the socket: there is no request that evhttp could answer. */
static void send_refusal(struct http_conn *c, int status)
{
	ssf_auto_buf answer = SSF_BUF(1024);
	ssize_t n;

	/* Behind half an answer (100 Continue) it would be garbage. */
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
		return;
	refuse(status, &answer);
	if (c->ssl != NULL)
		n = SSL_write(c->ssl, answer.ptr, (int)answer.len);
	else
		n = send(c->fd, answer.ptr, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		ERR_clear_error(); /* the client does not read either: closed without an answer */
}

static void refuse_and_close(struct http_conn *c, int status)
{
	send_refusal(c, status);
	http_server_answered(c->server, 0, status, 0);
	http_conn_close(c);
}

void http_conn_on_replace(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&s->pages)) != NULL) {
		TAILQ_REMOVE(&s->pages, c, page_entry);
		c->has_page = false;
		/* with a request before it that is not answered, when it is */
		if (c->evcon == NULL || (c->state != CONN_IDLE && c->state != CONN_READING))
			continue;
		if (!replace_page(c) && c->unreadable)
			refuse_and_close(c, 400);
	}
}

static void sweep_idle(struct http_conn *c, int64_t age)
{
	const struct http_server *s = c->server;
	bool in_handshake = c->ssl != NULL && !SSL_is_init_finished(c->ssl);

	if (s->draining || age > (in_handshake ? s->request_timeout : s->idle_timeout))
		http_conn_close(c);
}

static void sweep_writing(struct http_conn *c, int64_t age, int64_t now_us)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(c->bev));

	if (unsent != c->unsent) {
		c->unsent = unsent;
		c->since_us = now_us;
	} else if (age > c->server->idle_timeout) {
		http_conn_close(c);
	}
}

void http_conn_sweep(struct http_conn *c, int64_t now_us)
{
	int64_t age = (now_us - c->since_us) / 1000;

	switch (c->state) {
	case CONN_IDLE:
		sweep_idle(c, age);
		break;
	case CONN_READING:
		if (age > c->server->request_timeout)
			refuse_and_close(c, 408);
		break;
	case CONN_WRITING:
		sweep_writing(c, age, now_us);
		break;
	case CONN_LINGERING:
		if (age > LINGER_MS)
			http_conn_free(c);
		break;
	case CONN_FRESH:
	case CONN_HANDLING: /* as long as the handler wants */
		break;
	}
}
