/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWTs that OAuth clients and other authorization servers present: client assertions (RFC 7523)
 * and access tokens (RFC 9068). The algorithm is pinned to the key before any signature is checked:
 * libjwt, which verifies plain JWTs, trusts the token's own "alg" and would accept an HMAC made with a
 * public key. All claims are checked here; libjwt checks none.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/ssf/jws.h"

#define JWT_ID_MAX 256   /* bytes of iss, sub, client ids, jti */
#define JWT_SKEW_S 60    /* allowed difference between the issuer's clock and the hub's */

/* claims: new reference, strict JSON. SSF_E_KEY (alg is not the key's), SSF_E_SIGNATURE, SSF_E_MALFORMED. */
ssf_nodiscard int jwt_verify(struct ssf_str token, const struct ssf_jws *jws,
			     const struct ssf_key *key, json_t **claims, struct ssf_err *err);

/* The claims of a token that is not verified yet, to find out whose keys verify it. */
ssf_nodiscard int jwt_peek(const struct ssf_jws *jws, json_t **claims, struct ssf_err *err);

/* Whether typ is name, with or without "application/" (RFC 7515 section 4.1.9). */
bool jwt_is_typ(const struct ssf_jws *jws, const char *name);

/*
 * exp is required and lies in the future; nbf and iat, if present, do not. Seconds since 1970, possibly
 * with a fraction; *exp is rounded down. JWT_SKEW_S is allowed in the token's favour. SSF_E_UNAUTHENTICATED.
 */
ssf_nodiscard int jwt_check_times(const json_t *claims, int64_t now, int64_t *exp,
				  struct ssf_err *err);

/*
 * At least one audience is among accepted (NULL-terminated). only: there is no other audience.
 * SSF_E_UNAUTHENTICATED.
 */
ssf_nodiscard int jwt_check_audience(const json_t *claims, const char *const *accepted, bool only,
				     struct ssf_err *err);

/* A string of 1 to JWT_ID_MAX bytes, borrowed; NULL if the claim is anything else. */
const char *jwt_id(const json_t *claims, const char *name);
