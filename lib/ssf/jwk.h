/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys (RFC 7517, RFC 7518 section 6). A key is parsed once, carries the one
 * algorithm that it may be used with, and is immutable and reference counted
 * with atomic operations, so that it may cross into the job pool.
 *
 * Only asymmetric keys exist here: a JWK of type "oct" is refused, so that an
 * HMAC made with a public key as secret has nothing to verify against.
 */
#pragma once

#include <jansson.h>
#include <openssl/types.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

enum ssf_alg {
	SSF_ALG_NONE = 0, /* not an algorithm: "not known yet" */
	SSF_ALG_RS256,    /* RSA 2048 to 8192 bits */
	SSF_ALG_ES256,    /* P-256 */
};

const char *ssf_alg_name(enum ssf_alg alg);         /* "RS256"; NULL for NONE */
enum ssf_alg ssf_alg_from_name(struct ssf_str name); /* NONE if unknown; "none" is unknown */

struct ssf_key;

struct ssf_key *ssf_key_ref(struct ssf_key *key);
void ssf_key_free(struct ssf_key *key); /* drops one reference; NULL is fine */
SSF_DEFINE_AUTO(ssf_key)

const char *ssf_key_kid(const struct ssf_key *key); /* never NULL */
enum ssf_alg ssf_key_alg(const struct ssf_key *key);
bool ssf_key_is_private(const struct ssf_key *key);
EVP_PKEY *ssf_key_pkey(const struct ssf_key *key);  /* borrowed */
/*
 * For EVP_PKEY_sign() (private keys only) and EVP_PKEY_verify() of a SHA-256 digest by the key's
 * algorithm; ES256 in DER. NULL when out of memory. The caller frees it.
 */
EVP_PKEY_CTX *ssf_key_sign_ctx(const struct ssf_key *key);
EVP_PKEY_CTX *ssf_key_verify_ctx(const struct ssf_key *key);

/* kid is the RFC 7638 thumbprint. RSA: 2048 bits. */
ssf_nodiscard int ssf_key_generate(enum ssf_alg alg, struct ssf_key **out, struct ssf_err *err);

/*
 * A public key from a JWK. "alg", if there, must fit kty; absent, kty decides.
 * "use" other than "sig", "key_ops" without "verify", private members, weak or
 * oversized parameters: SSF_E_KEY. No "kid": the thumbprint.
 */
ssf_nodiscard int ssf_key_from_jwk(const json_t *jwk, struct ssf_key **out, struct ssf_err *err);

/* PEM, SubjectPublicKeyInfo or PKCS#8. kid NULL: the thumbprint. */
ssf_nodiscard int ssf_key_from_pem(struct ssf_str pem, const char *kid, struct ssf_key **out,
				   struct ssf_err *err);

/* The public half with kid, alg, use, kty and parameters; new reference, or NULL. */
json_t *ssf_key_to_jwk(const struct ssf_key *key);

/* The private key as unencrypted PKCS#8 PEM, for sealing; never for a log. */
ssf_nodiscard int ssf_key_to_private_pem(const struct ssf_key *key, struct ssf_buf *out,
					 struct ssf_err *err);

/*
 * A set of at most 64 public keys. Objects that ssf_key_from_jwk() refuses are
 * skipped (RFC 7517 section 5): one useless key does not spoil the others.
 */
struct ssf_jwks;
ssf_nodiscard int ssf_jwks_parse(const json_t *doc, struct ssf_jwks **out, struct ssf_err *err);
void ssf_jwks_free(struct ssf_jwks *set);
SSF_DEFINE_AUTO(ssf_jwks)
size_t ssf_jwks_count(const struct ssf_jwks *set);

/*
 * The key to verify with: kid and alg must both fit. kid empty: the only key of
 * that alg, if exactly one. Borrowed; NULL if none.
 */
struct ssf_key *ssf_jwks_find(const struct ssf_jwks *set, struct ssf_str kid, enum ssf_alg alg);
