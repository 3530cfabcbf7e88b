/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of a client assertion (RFC 7523 section 3; private_key_jwt of OpenID Connect Core section 9). */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define CLIENT_ASSERTION_LIFE_MAX_S 3600 /* bounds for how long a jti is remembered */

/* The client that the assertion claims: iss and sub, which must be equal. Borrowed. SSF_E_UNAUTHENTICATED. */
ssf_nodiscard int client_assertion_client(const json_t *claims, const char **client,
					  struct ssf_err *err);

struct client_assertion {
	uint8_t once[SSF_SHA256_LEN]; /* digest of client and jti: may be used once */
	int64_t remember_until;       /* seconds since 1970: until then a replay would pass the checks */
};

/*
 * Checks the claims of an assertion with a valid signature: times, at most CLIENT_ASSERTION_LIFE_MAX_S
 * ahead; jti; and aud, which names only the hub (audiences, NULL-terminated): an assertion for somebody else
 * as well could be replayed there. SSF_E_UNAUTHENTICATED.
 */
ssf_nodiscard int client_assertion_check(const json_t *claims, const char *const *audiences,
					 int64_t now_s, struct client_assertion *out,
					 struct ssf_err *err);
