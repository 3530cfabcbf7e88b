/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWS compact serialization (RFC 7515 section 7.1), signing and verifying with
 * RS256 and ES256 (RFC 7518 section 3) on keys that are parsed once.
 *
 * Parsing does no cryptography and trusts nothing. Verifying takes the key
 * that the caller chose by issuer and kid, and refuses unless the key's own
 * algorithm is the header's: the token never chooses how it is checked.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "lib/ssf/jwk.h"

#define SSF_JWS_MAX (256 * 1024) /* bytes of a whole compact token */

struct ssf_jws {
	enum ssf_alg alg;            /* never NONE after a successful parse */
	const char *typ;             /* borrowed from header, or NULL */
	const char *kid;             /* borrowed from header, or NULL */
	json_t *header;
	struct ssf_str signing_input; /* borrowed from the token that was parsed */
	struct ssf_buf payload;      /* decoded */
	json_t *claims;              /* the payload as ssf_set_peek_issuer() has read it, or NULL */
	struct ssf_buf signature;    /* decoded */
};

/*
 * Errors: SSF_E_MALFORMED (not three parts, bad base64url, header not a strict
 * JSON object, "crit" or "b64" present, typ or kid not a string), SSF_E_KEY
 * ("alg" missing, "none", HMAC or otherwise not ours), SSF_E_LIMIT, SSF_E_NOMEM.
 * The token must outlive the result. On failure nothing is to be released.
 */
ssf_nodiscard int ssf_jws_parse(struct ssf_str token, struct ssf_jws *out, struct ssf_err *err);
void ssf_jws_done(struct ssf_jws *jws); /* no-op on zeroed memory */

/* SSF_E_KEY when the key's algorithm is not the header's; SSF_E_SIGNATURE otherwise. */
ssf_nodiscard int ssf_jws_verify(const struct ssf_jws *jws, const struct ssf_key *key,
				 struct ssf_err *err);

/* Appends header.payload.signature; header members: alg, kid, typ. Safe in any thread. */
ssf_nodiscard int ssf_jws_sign(const struct ssf_key *key, const char *typ, struct ssf_str payload,
			       struct ssf_buf *out, struct ssf_err *err);
