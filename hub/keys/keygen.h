/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes signing keys in the job pool (an RSA key takes a tenth of a second, sometimes several) and seals
 * them: a private key leaves this module only sealed.
 */
#pragma once

#include <jansson.h>

#include "hub/secrets/seal.h"
#include "lib/kit/pool.h"
#include "lib/ssf/jwk.h"

struct keygen;

#define KEYGEN_MAX 2                 /* keys at once */
#define KEYGEN_CONTEXT "signing-key" /* what they are sealed for (hub/secrets/seal.h) */

/* keys: array of {"kid","alg","public":JWK,"sealed":hex} in the order of algs; borrowed for the call. */
typedef void keygen_f(void *arg, const json_t *keys, const struct ssf_err *err);

struct keygen_deps {
	struct pool *pool;
	const struct master_key *master;
};

/* deps are borrowed until it ends. SSF_E_BUSY, SSF_E_NOMEM. */
ssf_nodiscard int keygen_start(const struct keygen_deps *deps, const enum ssf_alg *algs, size_t count,
			       keygen_f *f, void *arg, struct keygen **out, struct ssf_err *err);
void keygen_cancel(struct keygen *g); /* NULL is fine */
