/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request between evhttp and the handler. Owns copies of what must outlive
 * the connection; headers and body stay evhttp's, whose request object lives
 * until it is answered even when the client is gone.
 *
 * evhttp is lenient about how a request ends; a proxy in front that understands
 * the same bytes otherwise would let one client write into the next one's
 * request (RFC 9112 section 11.2). So the framing is checked again here.
 */
#include "lib/http/http_error.h"
#include "lib/http/http_server_priv.h"
#include "lib/ssf/attr.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUERY_MAX 64
#define JOIN_MAX 16384 /* bytes of a TLS record */

struct query_param {
	char *name;
	char *value;
};

struct http_req {
	struct http_server *server;
	struct http_conn *conn; /* NULL when the client is gone */
	struct evhttp_request *ev;
	unsigned tag;
	int64_t began_us;
	const char *method;
	char *path;
	char *query; /* what params point into */
	char *peer;
	struct query_param params[QUERY_MAX];
	size_t n_params;
	struct ssf_str body;
	loop_f *on_cancel;
	void *on_cancel_arg;
	struct loop_defer *deferred_cancel;
};

static void http_req_free(struct http_req *r)
{
	if (r == NULL)
		return;
	loop_defer_cancel(r->deferred_cancel);
	free(r->path);
	free(r->query);
	free(r->peer);
	free(r);
}

SSF_DEFINE_AUTO(http_req)

static const char *method_name(enum evhttp_cmd_type type)
{
	switch (type) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	case EVHTTP_REQ_OPTIONS:
		return "OPTIONS";
	default:
		return NULL;
	}
}

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *s)
{
	static const char chars[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *s != '\0' && s[strspn(s, chars)] == '\0';
}

static bool has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return true;
	}
	return false;
}

static int check_content_length(const char *value, const char **seen, struct ssf_err *err)
{
	if (*value == '\0' || value[strspn(value, "0123456789")] != '\0')
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Length: not a number");
	if (*seen != NULL && strcmp(*seen, value) != 0)
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Length: sent twice");
	*seen = value;
	return 0;
}

static int check_framing(struct evhttp_request *ev, struct ssf_err *err)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(ev);
	const struct evkeyval *h;
	const char *length = NULL;
	unsigned encodings = 0;

	TAILQ_FOREACH(h, headers, next) {
		if (!is_token(h->key) || has_control(h->value))
			return ssf_fail(err, SSF_E_MALFORMED, "header: character not allowed");
		if (strcasecmp(h->key, "Content-Length") == 0 &&
		    check_content_length(h->value, &length, err) < 0)
			return -1;
		if (strcasecmp(h->key, "Transfer-Encoding") == 0 &&
		    (strcasecmp(h->value, "chunked") != 0 || ++encodings > 1))
			return ssf_fail(err, SSF_E_MALFORMED, "Transfer-Encoding: not chunked");
	}
	if (length != NULL && encodings > 0)
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Length and Transfer-Encoding");
	/* evhttp reads no body for HEAD and would take it for the next request. */
	if (evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD &&
	    (encodings > 0 || (length != NULL && strspn(length, "0") != strlen(length))))
		return ssf_fail(err, SSF_E_MALFORMED, "HEAD: has a body");
	return 0;
}

/* In place; -1 for an escape that is none, for control characters, and for what is not UTF-8. */
static int percent_decode(char *s, bool plus_is_blank)
{
	char *to = s;

	for (const char *from = s; *from != '\0'; from++) {
		uint8_t c = (uint8_t)*from;

		if (c == '%') {
			size_t len = strnlen(from + 1, 2);

			if (ssf_unhex((struct ssf_str){ from + 1, len }, &c, 1) < 0)
				return -1;
			from += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if (c < ' ' || c == 0x7f)
			return -1;
		*to++ = (char)c;
	}
	*to = '\0';
	return ssf_utf8_valid((struct ssf_str){ s, (size_t)(to - s) }) ? 0 : -1;
}

static int take_path(struct http_req *r, struct ssf_err *err)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(r->ev));

	if (path == NULL || *path == '\0')
		path = "/";
	r->path = strdup(path);
	if (r->path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	if (percent_decode(r->path, false) < 0 || r->path[0] != '/')
		return ssf_fail(err, SSF_E_MALFORMED, "path: not valid");
	return 0;
}

static int take_query(struct http_req *r, struct ssf_err *err)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r->ev));
	char *rest;

	if (query == NULL)
		return 0;
	r->query = strdup(query);
	if (r->query == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	rest = r->query;
	while (rest != NULL) {
		char *value = strsep(&rest, "&");
		char *name = strsep(&value, "=");

		if (*name == '\0' && value == NULL)
			continue;
		if (r->n_params == QUERY_MAX)
			return ssf_fail(err, SSF_E_MALFORMED, "query: more than %d parameters",
					QUERY_MAX);
		if (percent_decode(name, true) < 0 ||
		    (value != NULL && percent_decode(value, true) < 0))
			return ssf_fail(err, SSF_E_MALFORMED, "query: not valid");
		/* "?flag" is the same as "?flag=" */
		r->params[r->n_params++] = (struct query_param){
			name, value != NULL ? value : name + strlen(name)
		};
	}
	return 0;
}

static int take_body(struct http_req *r, struct ssf_err *err)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(r->ev);

	r->body.len = evbuffer_get_length(input);
	r->body.ptr = "";
	if (r->body.len > r->server->max_body)
		return ssf_fail(err, SSF_E_LIMIT, "body: longer than %zu bytes", r->server->max_body);
	if (r->body.len == 0)
		return 0;
	r->body.ptr = (const char *)evbuffer_pullup(input, -1);
	if (r->body.ptr == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	return 0;
}

int http_req_new(struct http_server *s, struct http_conn *c, struct evhttp_request *ev,
		 struct http_req **out, struct ssf_err *err)
{
	ssf_auto(http_req) r = calloc(1, sizeof(*r));
	char *peer = NULL;
	ev_uint16_t port;

	if (r == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	r->server = s;
	r->conn = c;
	r->ev = ev;
	r->began_us = c->since_us;
	r->method = method_name(evhttp_request_get_command(ev));
	if (r->method == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "method: not known");
	evhttp_connection_get_peer(c->evcon, &peer, &port);
	r->peer = strdup(peer != NULL ? peer : "");
	if (r->peer == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	if (check_framing(ev, err) < 0 || take_path(r, err) < 0 || take_query(r, err) < 0 ||
	    take_body(r, err) < 0)
		return -1;
	*out = SSF_STEAL(r);
	return 0;
}

const char *http_method(const struct http_req *r)
{
	return r->method;
}

const char *http_path(const struct http_req *r)
{
	return r->path;
}

int http_target(const struct http_req *r, struct ssf_buf *out)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(r->ev);
	const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);

	ssf_buf_adds(out, path != NULL && *path != '\0' ? path : "/");
	if (query != NULL) {
		ssf_buf_addc(out, '?');
		ssf_buf_adds(out, query);
	}
	return ssf_buf_failed(out) ? -1 : 0;
}

struct ssf_str http_header(const struct http_req *r, const char *name)
{
	const char *value = evhttp_find_header(evhttp_request_get_input_headers(r->ev), name);

	return ssf_str_trim(ssf_str_c(value));
}

size_t http_header_count(const struct http_req *r, const char *name)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(r->ev);
	const struct evkeyval *h;
	size_t n = 0;

	TAILQ_FOREACH(h, headers, next) {
		if (strcasecmp(h->key, name) == 0)
			n++;
	}
	return n;
}

const char *http_query(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++) {
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	}
	return NULL;
}

struct ssf_str http_body(const struct http_req *r)
{
	return r->body;
}

void http_release_body(struct http_req *r)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(r->ev);

	/* the chain that it came in has room for much more than a body that is small */
	evbuffer_drain(input, evbuffer_get_length(input));
	r->body = SSF_STR("");
}

const char *http_peer(const struct http_req *r)
{
	return r->peer;
}

void http_tag(struct http_req *r, unsigned tag)
{
	r->tag = tag;
}

static void call_on_cancel(void *arg)
{
	struct http_req *r = arg;
	loop_f *f = r->on_cancel;

	r->deferred_cancel = NULL;
	r->on_cancel = NULL;
	f(r->on_cancel_arg);
}

void http_on_cancel(struct http_req *r, loop_f *f, void *arg)
{
	r->on_cancel = f;
	r->on_cancel_arg = arg;
	if (f == NULL) {
		loop_defer_cancel(r->deferred_cancel);
		r->deferred_cancel = NULL;
	} else if (r->conn == NULL && r->deferred_cancel == NULL) {
		r->deferred_cancel = loop_defer_start(r->server->loop, call_on_cancel, r);
	}
}

void http_req_on_conn_closed(struct http_req *r)
{
	r->conn = NULL;
	if (r->on_cancel != NULL)
		call_on_cancel(r);
}

static void add_standard_headers(struct evhttp_request *ev, int status, size_t length)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(ev);
	char text[64];

	if (evutil_date_rfc1123(text, sizeof(text), NULL) > 0)
		evhttp_add_header(headers, "Date", text);
	if (status == 204 || status == 304)
		return;
	evutil_snprintf(text, sizeof(text), "%zu", length);
	evhttp_add_header(headers, "Content-Length", text);
}

void http_req_refuse(struct http_server *s, struct evhttp_request *ev, const struct ssf_err *err)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(ev);
	int status = ssf_code_info(err->code)->http_status;
	ssf_auto_free char *text = http_error_text(err);
	bool head = evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD;
	size_t len = text != NULL && !head ? strlen(text) : 0;

	if (len > 0 && evbuffer_add(evhttp_request_get_output_buffer(ev), text, len) == 0) {
		evhttp_add_header(headers, "Content-Type", "application/json");
		evhttp_add_header(headers, "Content-Language", "en");
	} else {
		len = 0;
	}
	evhttp_add_header(headers, "Connection", "close");
	http_server_answered(s, 0, status, 0);
	add_standard_headers(ev, status, len);
	evhttp_send_reply(ev, status, NULL, NULL);
}

void http_answer_header(struct http_req *r, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(r->ev), name, value);
}

/* Head and body, which libevent keeps apart, in one TLS record and one write. */
static void join_output(struct evhttp_connection *evcon)
{
	struct evbuffer *output = bufferevent_get_output(evhttp_connection_get_bufferevent(evcon));

	if (evbuffer_get_length(output) <= JOIN_MAX)
		evbuffer_pullup(output, -1);
}

void http_reply(struct http_req *r, const struct http_answer *a)
{
	struct evhttp_request *ev = r->ev;
	struct evhttp_connection *evcon = evhttp_request_get_connection(ev);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(ev);
	bool has_body = a->body.len > 0 && evhttp_request_get_command(ev) != EVHTTP_REQ_HEAD;
	int status = a->status;

	r->server->n_pending--;
	if (r->conn != NULL)
		http_conn_begin_writing(r->conn);
	if (has_body && evbuffer_add(evhttp_request_get_output_buffer(ev), a->body.ptr,
				     a->body.len) < 0) {
		struct ssf_err err;
		struct http_server *s = r->server;
		http_req_free(r);
		ssf_fail(&err, SSF_E_NOMEM, "answer");
		http_req_refuse(s, ev, &err);
		return;
	}
	if (a->content_type != NULL)
		evhttp_add_header(headers, "Content-Type", a->content_type);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(a->headers) && a->headers[i][0] != NULL; i++)
		evhttp_add_header(headers, a->headers[i][0], a->headers[i][1]);
	if (r->server->draining)
		evhttp_add_header(headers, "Connection", "close");
	add_standard_headers(ev, status, a->body.len);
	http_server_answered(r->server, r->tag, status,
			     (r->conn != NULL ? r->conn->since_us : loop_now_us()) - r->began_us);
	/* Only now, as the answer may have borrowed from the request. */
	http_req_free(r);
	evhttp_send_reply(ev, status, NULL, NULL);
	if (has_body && evcon != NULL)
		join_output(evcon);
}

void http_reply_json(struct http_req *r, int status, const char *body)
{
	struct http_answer a = {
		.status = status,
		.content_type = body != NULL ? "application/json" : NULL,
		.body = ssf_str_c(body),
		.headers = { { "Cache-Control", "no-store" } },
	};

	http_reply(r, &a);
}
