/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoint that the hub pushes SETs to (RFC 8935). It answers 202 when the inbox has
 * accepted the SET, 400 with an err body when the SET is refused for good, 503 with Retry-After
 * when it should come again. If the hub goes away before the answer, the SET is acted on all the
 * same: the hub sends it again, and it is then known.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/err.h"
#include "receivers/lib/set_inbox.h"

struct push_endpoint;

struct push_endpoint_conf {
	const char *listen;
	const char *path;
	const char *tls_cert;      /* with tls_key, or both NULL: plain HTTP */
	const char *tls_key;
	const char *authorization; /* the whole header value, or NULL: none is asked for */
};

/* inbox and conf are borrowed for life. */
ssf_nodiscard int push_endpoint_new(const struct set_inbox *inbox,
				    const struct push_endpoint_conf *conf,
				    struct push_endpoint **out, struct ssf_err *err);
/* Answers all waiting requests with 503. Not from inside a callback. NULL is fine. */
void push_endpoint_free(struct push_endpoint *p);
/* Where it listens, as a URL: "https://127.0.0.1:9443/events". Borrowed. */
const char *push_endpoint_url(const struct push_endpoint *p);
/* Accepts no more; waiting requests go on until push_endpoint_pending() is 0. */
void push_endpoint_drain(struct push_endpoint *p);
size_t push_endpoint_pending(const struct push_endpoint *p);
