/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes signing keys, in the job pool (an RSA key takes a tenth of a second, or several), and
 * seals them, so that only what may be stored comes out.
 */
#pragma once

#include <jansson.h>

#include "hub/secrets/seal.h"
#include "lib/kit/pool.h"
#include "lib/ssf/jwk.h"

struct keygen;

#define MINT_MAX 2               /* keys at once */
#define MINT_CONTEXT "signing-key" /* what they are sealed for */

/* keys: array of {"kid","alg","public":JWK,"sealed":hex}, in the order asked for; borrowed for the call. */
typedef void keygen_f(void *arg, const json_t *keys, const struct ssf_err *err);

/* pool and master are borrowed until it ends. SSF_E_BUSY, SSF_E_NOMEM. */
ssf_nodiscard int keygen_start(struct pool *pool, const struct master_key *master, const enum ssf_alg *algs,
			     size_t count, keygen_f *f, void *arg, struct keygen **out, struct ssf_err *err);
void keygen_cancel(struct keygen *m);
