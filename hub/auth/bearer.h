/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a bearer token to a caller. Tokens come in the Authorization header only (RFC 6750 section 2.1;
 * never in the query) and are of four kinds: the operator's and the metrics token, static tokens of
 * clients, access tokens that the hub issued (access_token.h), and access tokens of other authorization
 * servers (RFC 9068). Tokens are looked up and remembered by SHA-256, so that neither timing nor a
 * memory dump reveals them.
 */
#pragma once

#include "hub/auth/access_token.h"
#include "lib/http/jwks.h"

struct bearer;

struct bearer_conf {
	uint8_t admin[SSF_SHA256_LEN];   /* digest of the operator's token */
	uint8_t metrics[SSF_SHA256_LEN]; /* digest of the token that may read metrics */
};

/* tokens and jwks are borrowed. */
ssf_nodiscard int bearer_new(const struct bearer_conf *conf, const struct access_tokens *tokens,
			     struct jwks *jwks, struct bearer **out, struct ssf_err *err);
void bearer_free(struct bearer *b); /* NULL is fine; after all lookups have ended */

/*
 * authorization: the value of the header. 0, BEARER_LATER (the issuer's keys must be fetched first: call
 * bearer_lookup_start()), or -1 with SSF_E_UNAUTHENTICATED. A token that is missing, malformed, unknown,
 * expired or revoked gets the same answer, which reveals nothing.
 */
#define BEARER_LATER 1
ssf_nodiscard int bearer_check(struct bearer *b, struct ssf_str authorization, struct caller *out,
			       struct ssf_err *err);

/* After BEARER_LATER, with the same header. f is called once, also when the document cache is freed. */
struct bearer_lookup;
typedef void bearer_done_f(void *arg, const struct caller *caller, const struct ssf_err *err);
ssf_nodiscard int bearer_lookup_start(struct bearer *b, struct ssf_str authorization, bearer_done_f *f,
				      void *arg, struct bearer_lookup **out, struct ssf_err *err);
void bearer_lookup_cancel(struct bearer_lookup *l); /* NULL is fine */

/*
 * Until when a verified token of another server is accepted without verifying it again; seconds since
 * 1970. The hub is not told when that server withdraws a key.
 */
#define BEARER_EXTERNAL_S 300
int64_t bearer_external_until(int64_t now_s, int64_t exp);
