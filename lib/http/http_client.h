/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing HTTP, on the loop: libcurl multi. Connections are kept alive; TLS
 * peer and host name are always verified; redirects are never followed; each
 * address is checked by the guard before connecting; proxies from the environment are not used;
 * the answer's body is limited. A call has one deadline for everything.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/http/egress_policy.h"
#include "lib/http/ca_store.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct http_client;
struct http_call;

/* guard is borrowed and may be NULL (an operator chose the address). trust is borrowed, and not NULL. */
ssf_nodiscard int http_client_new(struct loop *loop, const struct egress_policy *guard,
				  struct ca_store *trust, struct http_client **out,
				  struct ssf_err *err);
/* For many POSTs to the same hosts: those that speak HTTP/1.1 get them by connections of our own (http_direct.h). */
ssf_nodiscard int http_client_go_direct(struct http_client *c, struct ssf_err *err);
/* Cancels all calls. NULL is fine. */
void http_client_free(struct http_client *c);

struct http_call_spec {
	const char *method;        /* "GET", "POST" ... */
	const char *url;
	const char *headers[12];   /* "Name: value", ends at the first NULL; CR or LF inside: SSF_E_MALFORMED */
	struct ssf_str body;       /* copied; not sent with GET and when ptr is NULL */
	int timeout_ms;            /* 0: 10 s */
	size_t max_body;           /* of the answer, 0: 1 MiB; larger: SSF_E_LIMIT */
};

struct http_result {
	int status;
	struct ssf_str body;
	const char *content_type;  /* or NULL */
	int retry_after;           /* seconds from the header (delta or date), or -1 */
	const char *etag;          /* or NULL */
	int64_t elapsed_us;
};

/*
 * One of result and err is NULL. err: SSF_E_UNAVAILABLE (could not connect, also
 * in time; reset), SSF_E_TIMEOUT (connected, and no answer in time), SSF_E_DENIED (guard), SSF_E_KEY (TLS verification), SSF_E_LIMIT.
 * Borrowed for the call.
 */
typedef void http_done_f(void *arg, const struct http_result *result, const struct ssf_err *err);

/* Fails at once with SSF_E_MALFORMED or SSF_E_DENIED when the guard refuses the form of the URL. */
ssf_nodiscard int http_call_start(struct http_client *c, const struct http_call_spec *spec,
				  http_done_f *done, void *arg, struct http_call **out,
				  struct ssf_err *err);
void http_call_cancel(struct http_call *call);
/* For http_done_f alone: whether there was a connection, with TLS where it has to be, whatever came of it then. */
bool http_call_connected(const struct http_call *call);

size_t http_client_connections(const struct http_client *c); /* that are open, or being opened */
int64_t http_client_connects(const struct http_client *c);   /* since the start */
