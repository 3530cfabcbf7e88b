/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the listener and the set of connections, and hands requests to the handler. */
#include "lib/http/http_server.h"

#include "lib/http/server/conn.h"
#include "lib/http/server/request_parser.h"
#include "lib/http/server/response.h"
#include "lib/http/tls.h"
#include "lib/kit/log.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#define SWEEP_MS 250
#define ERROR_MAX 8192

struct http_server {
	struct http_listener *listener; /* NULL: draining */
	struct http_conn_set *conns;
	struct http_req_context context;
	http_handler_f *handler;
	SSL_CTX *tls;
	struct loop_tick *sweep;
	size_t max_connections;
	unsigned port;
};

static void on_refused(void *arg, int status)
{
	struct http_server *s = arg;

	if (s->context.answered != NULL)
		s->context.answered(s->context.arg, 0, status, 0);
}

static void on_request(void *arg, struct http_conn *c, struct http_message *m, bool gone)
{
	struct http_server *s = arg;
	bool is_head = m->method[0] == 'H';
	struct http_req *r;
	struct ssf_err err;

	if (http_req_new(&s->context, c, m, gone, &r, &err) == 0) {
		s->handler(s->context.arg, r);
		return;
	}
	int status = ssf_code_info(err.code)->http_status;
	struct ssf_buf answer = SSF_BUF(ERROR_MAX);

	log_debug("http.request.refused", log_why(&err));
	on_refused(s, status);
	if (http_response_compose_error(status, &err, is_head, &answer) < 0)
		ssf_buf_done(&answer); /* empty: the connection is closed */
	http_conn_answer(c, &answer, false);
}

static void resume_accepting(void *arg)
{
	struct http_server *s = arg;

	if (s->listener != NULL && http_conn_set_count(s->conns) < s->max_connections)
		http_listener_resume(s->listener);
}

static void on_accepted(void *arg, int fd, const struct sockaddr *peer)
{
	struct http_server *s = arg;

	http_conn_accept(s->conns, fd, peer);
	if (http_conn_set_count(s->conns) >= s->max_connections)
		http_listener_pause(s->listener);
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;

	http_conn_set_sweep(s->conns);
	resume_accepting(s); /* after a failure to accept */
}

static int start_listening(struct http_server *s, const struct http_server_conf *conf, struct ssf_err *err)
{
	int fd = conf->listen_fd;

	if (fd <= 0 && http_listen(conf->listen, HTTP_ALONE, &fd, &s->port, err) < 0)
		return -1;
	s->listener = http_listener_new(s->context.loop, fd, on_accepted, s);
	if (s->listener == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "listen: out of memory");
	s->port = http_listener_port(s->listener);
	return 0;
}

static int set_up(struct http_server *s, const struct http_server_conf *conf, struct ssf_err *err)
{
	struct http_conn_conf c = {
		.loop = s->context.loop,
		.max_head = conf->max_header > 0 ? conf->max_header : 16 * 1024,
		.max_body = conf->max_body > 0 ? conf->max_body : 1024 * 1024,
		.request_timeout_ms = conf->request_timeout_ms > 0 ? conf->request_timeout_ms : 15000,
		.idle_timeout_ms = conf->idle_timeout_ms > 0 ? conf->idle_timeout_ms : 60000,
		.request = on_request,
		.refused = on_refused,
		.freed = resume_accepting,
		.arg = s,
	};

	if ((conf->tls_cert != NULL || conf->tls_key != NULL) &&
	    tls_server_ctx(conf->tls_cert, conf->tls_key, &s->tls, err) < 0)
		return -1;
	c.tls = s->tls;
	if (http_conn_set_new(&c, &s->conns, err) < 0)
		return -1;
	s->sweep = loop_tick_start(s->context.loop, SWEEP_MS, on_sweep, s);
	if (s->sweep == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http server: out of memory");
	return start_listening(s, conf, err);
}

int http_server_new(struct loop *loop, const struct http_server_conf *conf, http_handler_f *handler, void *arg,
		    struct http_server **out, struct ssf_err *err)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http server: out of memory");
	s->context = (struct http_req_context){ .loop = loop, .answered = conf->answered, .arg = arg };
	s->handler = handler;
	s->max_connections = conf->max_connections > 0 ? conf->max_connections : 10000;
	if (set_up(s, conf, err) < 0) {
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
	return http_conn_set_count(s->conns);
}

size_t http_server_pending(const struct http_server *s)
{
	return s->context.pending;
}

void http_server_drain(struct http_server *s)
{
	http_listener_free(s->listener);
	s->listener = NULL;
	http_conn_set_drain(s->conns);
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	assert(s->context.pending == 0);
	loop_tick_cancel(s->sweep);
	http_listener_free(s->listener);
	http_conn_set_free(s->conns);
	SSL_CTX_free(s->tls);
	free(s);
}
