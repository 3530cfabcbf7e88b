/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security event tokens (RFC 8417) as SSF 1.0 section 4 narrows them: typ
 * secevent+jwt, sub_id instead of sub, no exp.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "lib/ssf/jwk.h"
#include "lib/ssf/jws.h"

#define SSF_SET_TYP "secevent+jwt"
#define SSF_SET_MEDIA_TYPE "application/secevent+jwt"
#define SSF_SET_MAX_EVENTS 8

/* What a recipient insists on. */
struct ssf_set_policy {
	const char *issuer;         /* must be equal, byte for byte */
	const char *const *audience; /* NULL-terminated; one must be in aud */
	int64_t now;                /* seconds since 1970 */
	int64_t max_skew;           /* iat may be this far ahead of now, seconds */
};

/* One accepted SET. Strings are borrowed from claims. */
struct ssf_set {
	json_t *claims;
	const char *iss;
	const char *jti;            /* 1 to 256 bytes */
	int64_t iat;
	const char *txn;            /* or NULL */
	const json_t *sub_id;       /* checked, or NULL (only control events may lack it) */
	const json_t *events;       /* object, 1 to SSF_SET_MAX_EVENTS members */
};

/*
 * The issuer that a token claims, before anything is verified, to choose the
 * keys by. Copies into out (out_len includes the NUL). The claims are read once: jws keeps them.
 */
ssf_nodiscard int ssf_set_peek_issuer(struct ssf_jws *jws, char *out, size_t out_len,
				      struct ssf_err *err);

/*
 * The whole check, in this order: typ (also with the "application/" prefix),
 * signature, claims as strict JSON, iss, aud, iat, jti, no exp, no sub, sub_id,
 * events. Event claims of types in the catalogue are checked too.
 * Codes are those of RFC 8935 section 2.4 through ssf_code_info().
 */
ssf_nodiscard int ssf_set_verify(const struct ssf_jws *jws, const struct ssf_key *key,
				 const struct ssf_set_policy *policy, struct ssf_set *out,
				 struct ssf_err *err);
void ssf_set_done(struct ssf_set *set); /* no-op on zeroed memory */

/* What goes into one outgoing SET; all borrowed, all required but event_claims (NULL: {}). */
struct ssf_set_spec {
	const char *iss;
	const char *aud;
	const char *jti;
	const char *txn;
	int64_t iat;
	const json_t *sub_id;
	const char *event_uri;
	const json_t *event_claims;
};

/*
 * Appends the claims as JSON text, members in a fixed order: equal input, equal bytes. The event's are
 * made fit to go out (ssf_event_outgoing).
 */
ssf_nodiscard int ssf_set_compose(const struct ssf_set_spec *spec, struct ssf_buf *out,
				  struct ssf_err *err);

/*
 * The same in two steps, for one event that goes to many: what does not depend on the audience (aud and
 * jti of the spec are ignored), and the whole claims with both of them. shared is what the first step
 * gave.
 */
ssf_nodiscard int ssf_set_compose_shared(const struct ssf_set_spec *spec, struct ssf_buf *out,
					 struct ssf_err *err);
ssf_nodiscard int ssf_set_compose_for(struct ssf_str shared, const char *aud, const char *jti,
				      struct ssf_buf *out, struct ssf_err *err);
