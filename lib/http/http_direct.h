/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way for a POST to a host that curl has reached by HTTP/1.1: a connection of our own to the address
 * that curl found, kept open (docs/adr/0012-direct-connections.md). Names, HTTP/2 and whatever is out of the
 * ordinary stay with curl, and a call that fails here before it could be answered goes to curl again: so does
 * one on a kept connection that its server has closed meanwhile. Private to http_client.c.
 *
 * The guard and what is trusted are held to as there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/http_client.h"
#include "lib/http/http_response.h"
#include "lib/http/ca_store.h"

struct direct; /* of one client */
struct direct_conn;
struct direct_origin;

enum direct_end {
	DIRECT_ANSWERED,
	DIRECT_AGAIN,  /* by curl */
	DIRECT_FAILED, /* why is set: SSF_E_TIMEOUT, SSF_E_UNAVAILABLE, SSF_E_LIMIT, SSF_E_MALFORMED */
};

/* A call, in memory of the caller's, which does not move. Zeroed: none. */
struct direct_call {
	struct direct_origin *origin;
	struct direct_conn *conn; /* NULL: not under way */
	struct ssf_buf request;
	size_t sent;
	int64_t until_ms;
	struct http_response answer;
	struct loop_timer *deadline;
	void (*done)(void *arg, enum direct_end end);
	void *arg;
	struct ssf_err *err;
};

/* guard (may be NULL) and trust are borrowed. */
ssf_nodiscard int direct_new(struct loop *loop, const struct egress_policy *guard, struct ca_store *trust,
			     struct direct **out, struct ssf_err *err);
void direct_free(struct direct *d); /* after all calls; NULL is fine */

/*
 * False: by curl. Else done is called, once and from the loop, unless the call is cancelled. spec: with timeout_ms
 * and max_body.
 */
bool direct_start(struct direct *d, struct direct_call *c, const struct http_call_spec *spec,
		  void (*done)(void *arg, enum direct_end end), void *arg, struct ssf_err *why);
/* Whether there was a connection, with TLS where it has to be. */
bool direct_was_connected(const struct direct_call *c);
/* What the call was to be, in the time that is left: points into url and into the request, which is of no other use then. */
#define DIRECT_URL_MAX 2304
void direct_spec(struct direct_call *c, char url[DIRECT_URL_MAX], struct http_call_spec *out);
/* Cancels what is under way, and frees what there is of a call. */
void direct_call_done(struct direct_call *c);

/* What curl has found: where it was connected to (text of an IP address), and whether it spoke HTTP/1.1. */
void direct_learn(struct direct *d, const char *url, const char *ip, unsigned port, bool http1);
/* Whether the next call to this host goes by curl for certain. */
bool direct_leaves_to_curl(struct direct *d, const char *url);

size_t direct_connections(const struct direct *d); /* open, or being opened */
int64_t direct_connects(const struct direct *d);   /* since the start */
