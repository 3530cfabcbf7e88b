/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key that a token names, of somebody whose keys stand in a resource: inline ("jwks") or at
 * an address ("jwks_url"), which is fetched again once when a kid is not in what is kept. Either is read
 * once, not for every token: JWKS_INLINE of the first kind are kept, and as many of the other as
 * documents keeps.
 */
#pragma once

#include <jansson.h>

#include "lib/http/document_cache.h"
#include "lib/ssf/jwk.h"

#define JWKS_INLINE 1024

struct jwks;

/* documents is borrowed, and freed first. */
ssf_nodiscard int jwks_new(struct document_cache *documents, struct jwks **out, struct ssf_err *err);
void jwks_free(struct jwks *j);

/*
 * At once, from a JWKS, which must never change. kid may be NULL. SSF_E_KEY (none fits kid and alg);
 * *out: a new reference.
 */
ssf_nodiscard int jwks_find(struct jwks *j, const json_t *doc, const char *kid, enum ssf_alg alg,
			    struct ssf_key **out, struct ssf_err *err);

struct jwks_search;

/* key: borrowed for the call. err: SSF_E_KEY, SSF_E_UNAVAILABLE, SSF_E_NOMEM. */
typedef void jwks_found_f(void *arg, struct ssf_key *key, const struct ssf_err *err);

/* From an address. Whoever frees documents ends it: f is called then, too. */
ssf_nodiscard int jwks_search_start(struct jwks *j, const char *url, const char *kid, enum ssf_alg alg,
				    jwks_found_f *f, void *arg, struct jwks_search **out,
				    struct ssf_err *err);
void jwks_search_cancel(struct jwks_search *s);
