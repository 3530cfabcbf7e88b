/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticates requests that one process of the hub proxies to another. The first process authenticates
 * the caller; the second trusts its statement, which is signed (HMAC-SHA256 with a key derived from the
 * master key, which all processes on a database share) and valid for one request, one receiving process
 * and half a minute.
 */
#pragma once

#include "hub/auth/caller.h"
#include "hub/secrets/seal.h"
#include "lib/ssf/buf.h"

#define PEER_HEADER "X-Ssfhub-Peer"
#define PEER_CALLER_HEADER "X-Ssfhub-Caller"
#define PEER_STAMP_LEN 128
#define PEER_CALLER_LEN (CALLER_CLIENT_LEN + 32)

/* The signed parts of a request; all borrowed. */
struct peer_request {
	const char *to;            /* id of the receiving process */
	const char *method;
	struct ssf_str target;     /* path and query, as sent */
	const char *caller;        /* peer_caller_format() */
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

/* A caller as the value of PEER_CALLER_HEADER, and back; -1 if the text is not a caller. */
void peer_caller_format(const struct caller *caller, char out[PEER_CALLER_LEN]);
int peer_caller_parse(struct ssf_str text, struct caller *out);
