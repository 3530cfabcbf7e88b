/* SPDX-License-Identifier: Apache-2.0 */
/* What a client assertion has to say (RFC 7523 section 3; private_key_jwt of OpenID Connect Core section 9). */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define ASSERTION_LIFE_MAX_S 3600 /* as long as its jti has to be remembered */

/* The client that it claims to be of: iss and sub, the same. SSF_E_UNAUTHENTICATED. Borrowed. */
ssf_nodiscard int assertion_client(const json_t *claims, const char **client, struct ssf_err *err);

struct assertion {
	uint8_t once[SSF_SHA256_LEN]; /* of client and jti: what may be used a single time */
	int64_t remember_until;       /* seconds since 1970: until then it could be presented again */
};

/*
 * The claims of an assertion whose signature was verified: times, at most ASSERTION_LIFE_MAX_S ahead, aud
 * (ours, NULL-terminated, and nobody else's: it would be good there as well), jti. SSF_E_UNAUTHENTICATED.
 */
ssf_nodiscard int assertion_check(const json_t *claims, const char *const *ours, int64_t now,
				  struct assertion *out, struct ssf_err *err);
