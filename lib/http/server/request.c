/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the message, and what was decoded of it. The connection may go while the request stays. */
#include "lib/http/server/request.h"

#include "lib/http/server/conn.h"
#include "lib/http/server/request_parser.h"
#include "lib/http/server/response.h"
#include "lib/ssf/attr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_MAX 64
#define FIELDS_MAX 8192 /* bytes of http_answer_header() */

struct query_param {
	char *name;
	char *value;
};

struct http_req {
	struct http_req_context *context;
	struct http_conn *conn; /* NULL: it has been lost */
	struct http_message message;
	unsigned tag;
	int64_t began_us;
	char *path;
	char *query; /* that params point into */
	struct query_param *params;
	size_t n_params;
	struct ssf_buf fields; /* of the answer */
	bool gone;             /* the client has closed its sending side, at least */
	loop_f *on_cancel;
	void *on_cancel_arg;
	struct loop_defer *deferred_cancel;
	char peer[INET6_ADDRSTRLEN];
};

static void http_req_free(struct http_req *r)
{
	if (r == NULL)
		return;
	loop_defer_cancel(r->deferred_cancel);
	http_message_done(&r->message);
	ssf_buf_done(&r->fields);
	free(r->path);
	free(r->query);
	free(r->params);
	free(r);
}

SSF_DEFINE_AUTO(http_req)

/* --- taking it --------------------------------------------------------------------------------------------- */

/* In place; -1 for an escape that is none, for control characters, and for bytes that are not UTF-8. */
static int percent_decode(char *s, bool plus_is_space)
{
	char *to = s;

	for (const char *from = s; *from != '\0'; from++) {
		uint8_t c = (uint8_t)*from;

		if (c == '%') {
			size_t len = strnlen(from + 1, 2);

			if (ssf_unhex((struct ssf_str){ from + 1, len }, &c, 1) < 0)
				return -1;
			from += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c < ' ' || c == 0x7f)
			return -1;
		*to++ = (char)c;
	}
	*to = '\0';
	return ssf_utf8_valid((struct ssf_str){ s, (size_t)(to - s) }) ? 0 : -1;
}

static struct ssf_str path_of(const struct http_message *m)
{
	return m->path_len > 0 ? (struct ssf_str){ m->head.ptr + m->path, m->path_len } : SSF_STR("/");
}

static struct ssf_str query_of(const struct http_message *m)
{
	return (struct ssf_str){ m->head.ptr + m->query, m->query_len };
}

static int decode_path(struct http_req *r, struct ssf_err *err)
{
	r->path = ssf_str_dup(path_of(&r->message));
	if (r->path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	if (percent_decode(r->path, false) < 0 || r->path[0] != '/')
		return ssf_fail(err, SSF_E_MALFORMED, "path: not valid");
	return 0;
}

static size_t count_params(struct ssf_str query)
{
	size_t n = 1;

	for (size_t i = 0; i < query.len; i++)
		n += query.ptr[i] == '&';
	return n < QUERY_MAX ? n : QUERY_MAX;
}

static int decode_query(struct http_req *r, struct ssf_err *err)
{
	char *rest;

	if (!r->message.has_query)
		return 0;
	r->query = ssf_str_dup(query_of(&r->message));
	r->params = calloc(count_params(query_of(&r->message)), sizeof(*r->params));
	if (r->query == NULL || r->params == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	rest = r->query;
	while (rest != NULL) {
		char *value = strsep(&rest, "&");
		char *name = strsep(&value, "=");

		if (*name == '\0' && value == NULL)
			continue;
		if (r->n_params == QUERY_MAX)
			return ssf_fail(err, SSF_E_MALFORMED, "query: more than %d parameters", QUERY_MAX);
		if (percent_decode(name, true) < 0 || (value != NULL && percent_decode(value, true) < 0))
			return ssf_fail(err, SSF_E_MALFORMED, "query: not valid");
		/* "?flag" is the same as "?flag=" */
		r->params[r->n_params++] = (struct query_param){
			name, value != NULL ? value : name + strlen(name)
		};
	}
	return 0;
}

static void call_on_cancel(void *arg)
{
	struct http_req *r = arg;
	loop_f *f = r->on_cancel;

	r->deferred_cancel = NULL;
	r->on_cancel = NULL;
	if (f != NULL)
		f(r->on_cancel_arg); /* r may be dead now */
}

static void on_gone(void *arg, bool lost)
{
	struct http_req *r = arg;

	r->gone = true;
	if (lost)
		r->conn = NULL;
	loop_defer_cancel(r->deferred_cancel);
	call_on_cancel(r);
}

int http_req_new(struct http_req_context *context, struct http_conn *conn, struct http_message *m, bool gone,
		 struct http_req **out, struct ssf_err *err)
{
	ssf_auto(http_req) r = calloc(1, sizeof(*r));

	if (r == NULL) {
		http_message_done(m);
		return ssf_fail(err, SSF_E_NOMEM, "request: out of memory");
	}
	r->message = *m;
	*m = (struct http_message){ .method = NULL };
	r->context = context;
	r->conn = conn;
	r->gone = gone;
	r->began_us = loop_now_us();
	ssf_buf_init(&r->fields, FIELDS_MAX);
	memcpy(r->peer, http_conn_peer(conn), sizeof(r->peer));
	if (decode_path(r, err) < 0 || decode_query(r, err) < 0)
		return -1;
	http_conn_on_gone(conn, on_gone, r);
	context->pending++;
	*out = SSF_STEAL(r);
	return 0;
}

/* --- what the handler asks --------------------------------------------------------------------------------- */

const char *http_method(const struct http_req *r)
{
	return r->message.method;
}

const char *http_path(const struct http_req *r)
{
	return r->path;
}

int http_target(const struct http_req *r, struct ssf_buf *out)
{
	struct ssf_str path = path_of(&r->message), query = query_of(&r->message);

	ssf_buf_add(out, path.ptr, path.len);
	if (r->message.has_query) {
		ssf_buf_addc(out, '?');
		ssf_buf_add(out, query.ptr, query.len);
	}
	return ssf_buf_failed(out) ? -1 : 0;
}

/* The first at or behind *i; *i moves behind it. False: there is none. */
static bool next_field(const struct http_req *r, const char *name, size_t *i, struct ssf_str *value)
{
	const struct http_message *m = &r->message;

	while (*i < m->n_fields) {
		const struct http_request_field *f = &m->fields[(*i)++];

		if (ssf_str_ieq_c((struct ssf_str){ m->head.ptr + f->name, f->name_len }, name)) {
			*value = (struct ssf_str){ m->head.ptr + f->value, f->value_len };
			return true;
		}
	}
	return false;
}

struct ssf_str http_header(const struct http_req *r, const char *name)
{
	struct ssf_str value = SSF_STR("");
	size_t i = 0;

	next_field(r, name, &i, &value);
	return value;
}

size_t http_header_count(const struct http_req *r, const char *name)
{
	struct ssf_str value;
	size_t i = 0, n = 0;

	while (next_field(r, name, &i, &value))
		n++;
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
	return ssf_buf_str(&r->message.body);
}

void http_release_body(struct http_req *r)
{
	ssf_buf_done(&r->message.body);
}

const char *http_peer(const struct http_req *r)
{
	return r->peer;
}

void http_tag(struct http_req *r, unsigned tag)
{
	r->tag = tag;
}

void http_on_cancel(struct http_req *r, loop_f *f, void *arg)
{
	r->on_cancel = f;
	r->on_cancel_arg = arg;
	if (f == NULL) {
		loop_defer_cancel(r->deferred_cancel);
		r->deferred_cancel = NULL;
	} else if (r->gone && r->deferred_cancel == NULL) {
		r->deferred_cancel = loop_defer_start(r->context->loop, call_on_cancel, r);
	}
}

/* --- the answer -------------------------------------------------------------------------------------------- */

void http_answer_header(struct http_req *r, const char *name, const char *value)
{
	http_response_add_field(&r->fields, name, value);
}

void http_reply(struct http_req *r, const struct http_answer *a)
{
	struct http_req_context *context = r->context;
	struct http_conn *conn = r->conn;
	bool keep = conn != NULL && r->message.keep_alive && http_conn_may_keep(conn);
	const struct http_response_spec spec = {
		.status = a->status,
		.content_type = a->content_type,
		.body = a->body,
		.headers = (const char *const (*)[2])a->headers,
		.n_headers = SSF_ARRAY_SIZE(a->headers),
		.fields = ssf_buf_str(&r->fields),
		.head_only = strcmp(r->message.method, "HEAD") == 0,
		.close = !keep,
		.keep_alive = keep && r->message.is_http_1_0,
	};
	struct ssf_buf bytes = SSF_BUF(SIZE_MAX / 2);

	context->pending--;
	if (context->answered != NULL)
		context->answered(context->arg, r->tag, a->status, loop_now_us() - r->began_us);
	if (conn != NULL && http_response_compose(&spec, &bytes) < 0) {
		ssf_buf_done(&bytes); /* empty: the connection is closed */
		keep = false;
	}
	http_req_free(r); /* only now, as the answer may borrow from it */
	if (conn != NULL)
		http_conn_answer(conn, &bytes, keep);
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
