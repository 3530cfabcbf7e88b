/* SPDX-License-Identifier: Apache-2.0 */
/* Sends a request that this process has authenticated to another process of the hub, signed (hub/auth/peer.h). */
#pragma once

#include "hub/auth/peer.h"
#include "hub/cluster/owner.h"
#include "lib/http/http_client.h"
#include "lib/http/http_server.h"

/* Status of a process that does not own the stream (RFC 9110 section 15.5.20). */
#define PEER_CLIENT_MISDIRECTED 421

struct peer_client;

/* http is borrowed. */
ssf_nodiscard int peer_client_new(struct http_client *http, const struct master_key *master,
				  struct peer_client **out, struct ssf_err *err);
void peer_client_free(struct peer_client *c); /* after all calls have ended; NULL is fine */

/* Asks the peer for what req asks for, on behalf of the caller. req and caller are borrowed for the call. */
ssf_nodiscard int peer_client_start(struct peer_client *c, const struct owner_peer *peer,
				    const struct http_req *req, const struct caller *caller,
				    int64_t timeout_ms, http_done_f *done, void *arg,
				    struct http_call **out, struct ssf_err *err);
