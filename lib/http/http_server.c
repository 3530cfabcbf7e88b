/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the listener, the evhttp and the list of connections. evhttp parses and
 * enforces the sizes; http_conn.c has the time limits, http_req.c the requests.
 */
#include "lib/http/http_server.h"

#include "lib/http/http_server_priv.h"
#include "lib/kit/log.h"
#include "lib/http/tls.h"

#include <assert.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SWEEP_MS 250
#define BACKLOG 1024

static void on_request(struct evhttp_request *ev, void *arg)
{
	struct http_server *s = arg;
	struct evhttp_connection *evcon = evhttp_request_get_connection(ev);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));
	struct http_conn *c = http_conn_by_fd(s, fd);
	struct ssf_err err = { 0 };

	if (c == NULL) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "the connection is not one of ours");
		http_req_refuse(s, ev, &err);
		return;
	}
	http_conn_begin_handling(c, ev);
	if (http_req_new(s, c, ev, &c->req, &err) < 0) {
		log_debug("http.request.refused", log_why(&err));
		http_conn_begin_writing(c);
		http_req_refuse(s, ev, &err);
		return;
	}
	s->n_pending++;
	s->handler(s->arg, c->req);
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;
	int64_t now = loop_now_us();
	struct http_conn *next;

	for (struct http_conn *c = TAILQ_FIRST(&s->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		http_conn_sweep(c, now);
	}
	http_server_resume(s);
}

/* Out of descriptors, most likely: trying again at once would only burn the processor. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	log_warn("http.accept.failed", log_str("error", strerror(errno)));
	evconnlistener_disable(listener);
}

void http_server_resume(struct http_server *s)
{
	if (!s->draining && !s->freeing && s->n_conns < s->max_connections)
		evconnlistener_enable(s->listener);
}

/* An IP address and a port; a name could mean several addresses. */
static struct addrinfo *parse_listen(const char *text)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char host[INET6_ADDRSTRLEN];
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;

	if (len > 1 && text[0] == '[' && colon[-1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return NULL;
	}
	if (len == 0 || len >= sizeof(host) || colon[1] == '\0' || port > 65535 ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return NULL;
	memcpy(host, text, len);
	host[len] = '\0';
	return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	if (addr.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static int open_socket(const struct addrinfo *addr, bool shared)
{
	const int on = 1;
	int fd = socket(addr->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    bind(fd, addr->ai_addr, addr->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

int http_listen(const char *text, enum http_share share, int *out_fd, unsigned *out_port,
		struct ssf_err *err)
{
	struct addrinfo *addr = text != NULL ? parse_listen(text) : NULL;
	int fd;

	if (addr == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "listen: not an address with a port");
	fd = open_socket(addr, share == HTTP_SHARED);
	if (fd >= 0 && share == HTTP_SHARED_FIRST) { /* nobody is there: now for others of ours */
		close(fd);
		fd = open_socket(addr, true);
	}
	int reason = errno;
	freeaddrinfo(addr);
	if (fd < 0)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "listen: %s: %s", text, strerror(reason));
	*out_fd = fd;
	*out_port = port_of(fd);
	return 0;
}

static int start_listening(struct http_server *s, const struct http_server_conf *conf,
			   struct ssf_err *err)
{
	int fd = conf->listen_fd;

	if (fd <= 0 && http_listen(conf->listen, HTTP_ALONE, &fd, &s->port, err) < 0)
		return -1;
	s->port = port_of(fd);
	s->listener = evconnlistener_new(loop_base(s->loop), NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (s->listener == NULL) {
		close(fd);
		return ssf_fail(err, SSF_E_NOMEM, "listen: out of memory");
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	s->bound = evhttp_bind_listener(s->evhttp, s->listener);
	if (s->bound == NULL) {
		evconnlistener_free(s->listener);
		return ssf_fail(err, SSF_E_NOMEM, "listen: out of memory");
	}
	return 0;
}

static void take_limits(struct http_server *s, const struct http_server_conf *conf)
{
	s->max_header = conf->max_header > 0 ? conf->max_header : 16 * 1024;
	s->max_body = conf->max_body > 0 ? conf->max_body : 1024 * 1024;
	s->request_timeout = conf->request_timeout_ms > 0 ? conf->request_timeout_ms : 15000;
	s->idle_timeout = conf->idle_timeout_ms > 0 ? conf->idle_timeout_ms : 60000;
	s->max_connections = conf->max_connections > 0 ? conf->max_connections : 10000;
}

static int set_up_evhttp(struct http_server *s, struct ssf_err *err)
{
	s->evhttp = evhttp_new(loop_base(s->loop));
	s->sweep = loop_tick_start(s->loop, SWEEP_MS, on_sweep, s);
	if (s->evhttp == NULL || s->sweep == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http server: out of memory");
	evhttp_set_max_headers_size(s->evhttp, (ev_ssize_t)s->max_header);
	/* beyond that it does not read on; up to it, we say what the limit is */
	evhttp_set_max_body_size(s->evhttp, 2 * (ev_ssize_t)s->max_body);
	evhttp_set_default_content_type(s->evhttp, NULL);
	evhttp_set_allowed_methods(s->evhttp,
				   EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
					   EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
					   EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS);
	evhttp_set_bevcb(s->evhttp, http_conn_accept, s);
	evhttp_set_gencb(s->evhttp, on_request, s);
	return 0;
}

int http_server_new(struct loop *loop, const struct http_server_conf *conf,
		    http_handler_f *handler, void *arg, struct http_server **out,
		    struct ssf_err *err)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http server: out of memory");
	s->loop = loop;
	s->handler = handler;
	s->answered = conf->answered;
	s->arg = arg;
	TAILQ_INIT(&s->fresh);
	TAILQ_INIT(&s->conns);
	TAILQ_INIT(&s->pages);
	event_assign(&s->replace, loop_base(loop), -1, 0, http_conn_on_replace, s);
	event_assign(&s->adopt, loop_base(loop), -1, 0, http_conn_on_adopt, s);
	take_limits(s, conf);
	if ((conf->tls_cert != NULL || conf->tls_key != NULL) &&
	    tls_server_ctx(conf->tls_cert, conf->tls_key, &s->tls, err) < 0) {
		http_server_free(s);
		return -1;
	}
	if (set_up_evhttp(s, err) < 0 || start_listening(s, conf, err) < 0) {
		http_server_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

unsigned http_server_port(const struct http_server *s)
{
	return s->port;
}

size_t http_server_connections(const struct http_server *s)
{
	return s->n_conns;
}

size_t http_server_pending(const struct http_server *s)
{
	return s->n_pending;
}

void http_server_answered(const struct http_server *s, unsigned tag, int status, int64_t us)
{
	if (s->answered != NULL)
		s->answered(s->arg, tag, status, us);
}

void http_server_drain(struct http_server *s)
{
	if (s->draining)
		return;
	s->draining = true;
	evhttp_del_accept_socket(s->evhttp, s->bound);
	s->bound = NULL;
	on_sweep(s); /* closes the idle ones; the sweep takes those that become idle */
}

void http_server_free(struct http_server *s)
{
	struct http_conn *c;

	if (s == NULL)
		return;
	assert(s->n_pending == 0);
	s->freeing = true;
	loop_tick_cancel(s->sweep);
	if (s->evhttp != NULL)
		evhttp_free(s->evhttp);
	event_del(&s->adopt);
	event_del(&s->replace);
	while ((c = TAILQ_FIRST(&s->fresh)) != NULL || (c = TAILQ_FIRST(&s->conns)) != NULL)
		http_conn_free(c);
	SSL_CTX_free(s->tls);
	free(s->by_fd);
	free(s);
}
