/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of lib/ssf share: cmocka with the headers it needs, vectors,
 * and tokens with any header, however wrong, under a good signature.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/err.h"
#include "lib/ssf/jwk.h"

/* Each fails the running test rather than return NULL. */
char *support_vector(const char *name);  /* tests/vectors/name without the last newline; free it */
json_t *support_json(const char *text);
json_t *support_vector_json(const char *name);
struct ssf_key *support_key(enum ssf_alg alg); /* a new private key */
struct ssf_key *support_public(const struct ssf_key *key); /* by way of a JWK */

/* A compact token, signed with RS256 over exactly this header and payload; free it. */
char *support_token(const char *header, const char *payload, const struct ssf_key *rsa);
/* The same with HMAC-SHA256. */
char *support_hmac_token(const char *header, const char *payload, const char *secret);

/* err tells code and its text contains part. */
void support_assert_err(const struct ssf_err *err, enum ssf_code code, const char *part,
			const char *what);
