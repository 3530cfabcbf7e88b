/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the other processes of the hub reach this one: a listener of its own, for signed requests only
 * (hub/auth/peer.h).
 */
#pragma once

#include "hub/auth/peer.h"
#include "hub/cluster/owner.h"
#include "lib/http/http_server.h"

struct peer_listener;

struct peer_listener_conf {
	const char *listen;             /* beyond this machine only with a certificate */
	const char *host;               /* how others name it; NULL: its address */
	const char *tls_cert, *tls_key; /* NULL: plain HTTP */
	size_t max_body;
	int request_timeout_ms;
	unsigned max_connections;
};

/* Takes over a request whose signature is right; caller is who its sender has authenticated. */
typedef void peer_handler_f(void *arg, struct http_req *req, const struct caller *caller);

/* SSF_E_MALFORMED: listen. */
ssf_nodiscard int peer_listener_new(struct loop *loop, const struct peer_listener_conf *conf,
				    const struct master_key *master, peer_handler_f *handler, void *arg,
				    struct peer_listener **out, struct ssf_err *err);
void peer_listener_free(struct peer_listener *l); /* NULL is fine */
/* Requests are refused until it is known which process this is. Borrowed. */
void peer_listener_set_owner(struct peer_listener *l, const struct owner *owner);
const char *peer_listener_url(const struct peer_listener *l); /* where others reach it */
size_t peer_listener_pending(const struct peer_listener *l);  /* requests that are not answered yet */
