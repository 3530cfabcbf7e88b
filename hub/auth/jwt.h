/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWTs that OAuth clients and other authorization servers present: client assertions (RFC 7523)
 * and access tokens (RFC 9068). The algorithm is pinned to the key before any signature is looked
 * at: libjwt, which checks those of plain JWTs, trusts the token's own "alg", and would take an
 * HMAC made with a public key. Everything about claims is checked here, libjwt does not.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/ssf/jws.h"

#define JWT_ID_MAX 256   /* bytes of iss, sub, client ids, jti */
#define JWT_SKEW_S 60    /* between their clock and ours */

/* claims: new reference, strict JSON. SSF_E_KEY (alg is not the key's), SSF_E_SIGNATURE, SSF_E_MALFORMED. */
ssf_nodiscard int jwt_verify(struct ssf_str token, const struct ssf_jws *jws,
			     const struct ssf_key *key, json_t **claims, struct ssf_err *err);

/* The claims of a token that nobody has verified, to find out whose keys to verify it with. */
ssf_nodiscard int jwt_peek(const struct ssf_jws *jws, json_t **claims, struct ssf_err *err);

/* Whether typ is name, with or without "application/" (RFC 7515 section 4.1.9). */
bool jwt_is_typ(const struct ssf_jws *jws, const char *name);

/*
 * exp is there and ahead, nbf and iat are not; seconds since 1970, possibly with a fraction. *exp: rounded
 * down. Both skewed in the caller's favour. SSF_E_UNAUTHENTICATED.
 */
ssf_nodiscard int jwt_check_times(const json_t *claims, int64_t now, int64_t *exp,
				  struct ssf_err *err);

/* aud: at least one is in ours (NULL-terminated); only: and no other. SSF_E_UNAUTHENTICATED. */
ssf_nodiscard int jwt_check_audience(const json_t *claims, const char *const *ours, bool only,
				     struct ssf_err *err);

/* A string of 1 to JWT_ID_MAX bytes, borrowed; NULL if it is not one. */
const char *jwt_id(const json_t *claims, const char *name);
