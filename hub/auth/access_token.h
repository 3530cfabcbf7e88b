/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens of ours: JWTs (RFC 9068) signed with the hub's ES256 key, so that any process of
 * the hub can check one without asking anybody. They name the version of the client's resource:
 * deleting or changing the client voids all that it was given.
 */
#pragma once

#include "hub/auth/auth.h"
#include "hub/auth/jwt.h"

#define ACCESS_TOKEN_TYP "at+jwt"

/* Appends a token for the client; scope as it was granted. Errors of keys_sign_now(), SSF_E_NOMEM. */
ssf_nodiscard int access_token_make(struct auth *a, const char *client, const char *scope,
				    int64_t now, struct ssf_buf *out, struct ssf_err *err);

/* jws: of a token that claims to be ours. SSF_E_UNAUTHENTICATED. *exp: seconds since 1970. */
ssf_nodiscard int access_token_check(const struct auth *a, const struct ssf_jws *jws, int64_t now,
				     struct caller *out, int64_t *exp, struct ssf_err *err);
