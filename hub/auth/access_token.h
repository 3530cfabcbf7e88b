/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens that the hub issues: JWTs (RFC 9068) signed with its ES256 key, so that every process
 * can check one without a lookup. A token names the version of the client's resource: deleting or
 * changing the client voids all its tokens (docs/adr/0007).
 */
#pragma once

#include "hub/auth/caller.h"
#include "hub/keys/keyring.h"
#include "hub/registry/registry.h"
#include "lib/ssf/jws.h"

#define ACCESS_TOKEN_TYP "at+jwt"

/* All borrowed. */
struct access_tokens {
	const char *issuer; /* the hub: iss and aud */
	int64_t lifetime_s;
	struct registry *registry;
	struct keyring *keyring;
};

/* Appends a token for the client with the granted scope. Errors of keyring_sign(), SSF_E_NOMEM. */
ssf_nodiscard int access_token_make(const struct access_tokens *t, const char *client,
				    const char *scope, int64_t now_s, struct ssf_buf *out,
				    struct ssf_err *err);

/* jws: a token whose iss is the hub. *exp: seconds since 1970. SSF_E_UNAUTHENTICATED. */
ssf_nodiscard int access_token_check(const struct access_tokens *t, const struct ssf_jws *jws,
				     int64_t now_s, struct caller *out, int64_t *exp,
				     struct ssf_err *err);
