/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the listener, and a struct request for each SET that waits for its answer. */
#include "receivers/lib/push_endpoint.h"

#include "lib/http/http_error.h"
#include "lib/http/http_server.h"
#include "lib/kit/log.h"
#include "lib/ssf/media_type.h"
#include "lib/ssf/set.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_CONNECTIONS 1024
#define RETRY_AFTER_S 2

struct request {
	LIST_ENTRY(request) entry;
	struct http_req *http;
	struct set_inbox_item *item;
};

struct push_endpoint {
	const struct set_inbox *inbox;
	const struct push_endpoint_conf *conf;
	struct http_server *server;
	char *url;
	LIST_HEAD(, request) requests;
};

/* Errors that may pass are for our log: the hub learns only when to try again. */
static void reply(struct http_req *http, const struct ssf_err *err)
{
	struct ssf_err shown;

	if (err == NULL) {
		http_reply(http, &(const struct http_answer){ .status = 202 });
	} else if (set_inbox_is_transient(err)) {
		ssf_fail(&shown, err->code == SSF_E_INTERNAL ? SSF_E_UNAVAILABLE : err->code,
			 "try again later");
		http_reply_error_hint(http, 503, &shown,
				      &(const struct http_hint){ .retry_after_s = RETRY_AFTER_S });
	} else {
		http_reply_error(http, 400, err);
	}
}

static void request_end(struct request *r, const struct ssf_err *err)
{
	LIST_REMOVE(r, entry);
	reply(r->http, err);
	free(r);
}

static void on_item(void *arg, const struct ssf_err *err)
{
	struct request *r = arg;

	r->item = NULL;
	request_end(r, err);
}

static bool is_authorized(const struct push_endpoint *p, const struct http_req *http)
{
	return p->conf->authorization == NULL ||
	       ssf_str_eq_secret(http_header(http, "Authorization"),
				 ssf_str_c(p->conf->authorization));
}

/* Answers a request that cannot be a delivery; returns whether it is one. */
static bool is_delivery(const struct push_endpoint *p, struct http_req *http)
{
	struct ssf_err err;
	int status = 0;

	if (strcmp(http_path(http), p->conf->path) != 0) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such path");
	} else if (strcmp(http_method(http), "POST") != 0) {
		http_answer_header(http, "Allow", "POST");
		ssf_fail(&err, SSF_E_METHOD, "POST only");
	} else if (!is_authorized(p, http)) {
		log_warn("receiver.push.unauthorized", log_str("peer", http_peer(http)));
		ssf_fail(&err, SSF_E_UNAUTHENTICATED, "authorization is not the expected one");
	} else if (!ssf_media_type_is(http_header(http, "Content-Type"), SSF_SET_MEDIA_TYPE)) {
		status = 415;
		ssf_fail(&err, SSF_E_MALFORMED, "content type must be " SSF_SET_MEDIA_TYPE);
	} else {
		return true;
	}
	http_reply_error(http, status, &err);
	return false;
}

static void on_request(void *arg, struct http_req *http)
{
	struct push_endpoint *p = arg;
	struct request *r;
	struct ssf_err err;

	if (!is_delivery(p, http))
		return;
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "push: out of memory");
		reply(http, &err);
		return;
	}
	r->http = http;
	LIST_INSERT_HEAD(&p->requests, r, entry);
	if (set_inbox_accept_start(p->inbox, http_body(http), on_item, r, &r->item, &err) < 0)
		request_end(r, &err);
}

/* The URL, with the port that was really taken. */
static int make_url(struct push_endpoint *p, struct ssf_err *err)
{
	const char *colon = strrchr(p->conf->listen, ':');
	int host_len = colon != NULL ? (int)(colon - p->conf->listen) : 0;

	if (asprintf(&p->url, "%s://%.*s:%u%s", p->conf->tls_cert != NULL ? "https" : "http",
		     host_len, p->conf->listen, http_server_port(p->server), p->conf->path) < 0) {
		p->url = NULL;
		return ssf_fail(err, SSF_E_NOMEM, "push: out of memory");
	}
	return 0;
}

int push_endpoint_new(const struct set_inbox *inbox, const struct push_endpoint_conf *conf,
		      struct push_endpoint **out, struct ssf_err *err)
{
	const struct http_server_conf server = {
		.listen = conf->listen,
		.tls_cert = conf->tls_cert,
		.tls_key = conf->tls_key,
		.max_body = SSF_JWS_MAX,
		.max_connections = MAX_CONNECTIONS,
	};
	struct push_endpoint *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "push: out of memory");
	p->inbox = inbox;
	p->conf = conf;
	LIST_INIT(&p->requests);
	if (http_server_new(inbox->loop, &server, on_request, p, &p->server, err) < 0 ||
	    make_url(p, err) < 0) {
		push_endpoint_free(p);
		return -1;
	}
	*out = p;
	return 0;
}

void push_endpoint_free(struct push_endpoint *p)
{
	struct request *r;
	struct ssf_err err;

	if (p == NULL)
		return;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "stopping");
	while ((r = LIST_FIRST(&p->requests)) != NULL) {
		set_inbox_accept_cancel(r->item);
		request_end(r, &err);
	}
	http_server_free(p->server);
	free(p->url);
	free(p);
}

const char *push_endpoint_url(const struct push_endpoint *p)
{
	return p->url;
}

void push_endpoint_drain(struct push_endpoint *p)
{
	http_server_drain(p->server);
}

size_t push_endpoint_pending(const struct push_endpoint *p)
{
	return http_server_pending(p->server);
}
