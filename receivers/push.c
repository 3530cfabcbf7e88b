/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the listener, and one struct request for each SET that has not been answered. */
#include "receivers/push.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/http/http_server.h"
#include "lib/kit/log.h"
#include "lib/ssf/media_type.h"
#include "lib/ssf/set.h"

#define MAX_CONNECTIONS 1024
#define RETRY_AFTER_S "2"

struct request {
	LIST_ENTRY(request) entry;
	struct http_req *http;
	struct receipt *receipt;
};

struct push {
	const struct receiver *receiver;
	const struct config_push *conf;
	struct http_server *server;
	char *url;
	LIST_HEAD(, request) requests;
};

static void reply_error(struct http_req *http, int status, const char *set_err,
			const char *description, const char *name, const char *value)
{
	json_auto_t *body = json_pack("{s:s,s:s}", "err", set_err, "description", description);
	ssf_auto_free char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	struct http_answer answer = {
		.status = status,
		.content_type = "application/json",
		.body = ssf_str_c(text),
		.headers = { { "Content-Language", "en" }, { name, value } },
	};

	http_reply(http, &answer);
}

static void reply_outcome(struct http_req *http, const struct ssf_err *err)
{
	if (err == NULL)
		http_reply(http, &(const struct http_answer){ .status = 202 });
	else if (receipt_is_transient(err))
		reply_error(http, 503, ssf_code_info(err->code)->name, "try again later",
			    "Retry-After", RETRY_AFTER_S);
	else
		reply_error(http, 400, receipt_set_err(err), err->msg, NULL, NULL);
}

static void request_end(struct request *r, const struct ssf_err *err)
{
	LIST_REMOVE(r, entry);
	reply_outcome(r->http, err);
	free(r);
}

static void on_receipt(void *arg, const struct ssf_err *err)
{
	struct request *r = arg;

	r->receipt = NULL;
	request_end(r, err);
}

static bool is_authorized(const struct push *p, const struct http_req *http)
{
	return p->conf->authorization == NULL ||
	       ssf_str_eq_secret(http_header(http, "Authorization"),
				 ssf_str_c(p->conf->authorization));
}

/* Answers what cannot be a delivery; returns whether it is one. */
static bool is_delivery(const struct push *p, struct http_req *http)
{
	if (strcmp(http_path(http), p->conf->path) != 0) {
		reply_error(http, 404, "not_found", "no such path", NULL, NULL);
	} else if (strcmp(http_method(http), "POST") != 0) {
		reply_error(http, 405, "method_not_allowed", "POST only", "Allow", "POST");
	} else if (!is_authorized(p, http)) {
		log_warn("receiver.push.unauthorized", log_str("peer", http_peer(http)));
		reply_error(http, 401, "authentication_failed",
			    "authorization is not the expected one", "WWW-Authenticate", "Bearer");
	} else if (!ssf_media_type_is(http_header(http, "Content-Type"), SSF_SET_MEDIA_TYPE)) {
		reply_error(http, 415, "invalid_request",
			    "content type must be " SSF_SET_MEDIA_TYPE, NULL, NULL);
	} else {
		return true;
	}
	return false;
}

static void on_request(void *arg, struct http_req *http)
{
	struct push *p = arg;
	struct request *r;
	struct ssf_err err;

	if (!is_delivery(p, http))
		return;
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "push: out of memory");
		reply_outcome(http, &err);
		return;
	}
	r->http = http;
	LIST_INSERT_HEAD(&p->requests, r, entry);
	if (receipt_start(p->receiver, http_body(http), on_receipt, r, &r->receipt, &err) < 0)
		request_end(r, &err);
}

/* listen with the port that it really is. */
static int make_url(struct push *p, struct ssf_err *err)
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

int push_new(const struct receiver *receiver, const struct config_push *conf, struct push **out,
	     struct ssf_err *err)
{
	const struct http_server_conf server = {
		.listen = conf->listen,
		.tls_cert = conf->tls_cert,
		.tls_key = conf->tls_key,
		.max_body = SSF_JWS_MAX,
		.max_connections = MAX_CONNECTIONS,
	};
	struct push *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "push: out of memory");
	p->receiver = receiver;
	p->conf = conf;
	LIST_INIT(&p->requests);
	if (http_server_new(receiver->loop, &server, on_request, p, &p->server, err) < 0 ||
	    make_url(p, err) < 0) {
		push_free(p);
		return -1;
	}
	*out = p;
	return 0;
}

void push_free(struct push *p)
{
	struct request *r;
	struct ssf_err err;

	if (p == NULL)
		return;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "push: stopping");
	while ((r = LIST_FIRST(&p->requests)) != NULL) {
		receipt_cancel(r->receipt);
		request_end(r, &err);
	}
	http_server_free(p->server);
	free(p->url);
	free(p);
}

const char *push_url(const struct push *p)
{
	return p->url;
}

void push_drain(struct push *p)
{
	http_server_drain(p->server);
}

size_t push_pending(const struct push *p)
{
	return http_server_pending(p->server);
}
