/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that one process of the hub passes on to another one: who is calling was found out by the
 * first, and the second takes its word. It is signed (HMAC-SHA256, with a key that is derived from the
 * master key, which all processes on a database share), for one request, one receiver and half a minute.
 */
#pragma once

#include "hub/auth/auth.h"
#include "hub/secrets/seal.h"

#define PEER_HEADER "X-Ssfhub-Peer"
#define PEER_CALLER_HEADER "X-Ssfhub-Caller"
#define PEER_STAMP_LEN 128
#define PEER_CALLER_LEN (AUTH_CLIENT_LEN + 32)

/* What is signed; all borrowed. */
struct peer_request {
	const char *to;            /* owner_id() of who is to act */
	const char *method;
	struct ssf_str target;     /* path and query as they are sent */
	const char *caller;        /* peer_caller() */
	struct ssf_str content_type, if_match;
	struct ssf_str body;
};

ssf_nodiscard int peer_key(const struct master_key *master, uint8_t out[DERIVED_KEY_LEN],
			   struct ssf_err *err);

/* The value of PEER_HEADER. SSF_E_INTERNAL. */
ssf_nodiscard int peer_stamp(const uint8_t key[DERIVED_KEY_LEN], const struct peer_request *r,
			     int64_t now_s, char out[PEER_STAMP_LEN], struct ssf_err *err);
/* SSF_E_UNAUTHENTICATED. */
ssf_nodiscard int peer_check(const uint8_t key[DERIVED_KEY_LEN], const struct peer_request *r,
			     int64_t now_s, struct ssf_str stamp, struct ssf_err *err);

/* A caller as a header's value, and back: -1 if it is none. */
void peer_caller(const struct caller *caller, char out[PEER_CALLER_LEN]);
int peer_caller_parse(struct ssf_str text, struct caller *out);
