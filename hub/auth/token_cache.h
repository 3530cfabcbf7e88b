/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers verified access tokens by their SHA-256, so that a receiver that sends the same token with
 * every request costs one verification. Bounded: a newer token replaces the one in its slot. Never
 * holds a token itself.
 */
#pragma once

#include <stdint.h>

#include "hub/auth/caller.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define TOKEN_CACHE_SLOTS 4096

struct token_cache;

/* What a verification relied on. When any of it has changed, the token is verified again. */
struct token_basis {
	int64_t client_version; /* of the client's resource */
	uint64_t key_removals;  /* keyring_removals() */
	uint64_t issuers;       /* how often an issuer resource has changed */
};

struct token_cache *token_cache_new(void); /* NULL when out of memory */
void token_cache_free(struct token_cache *c);

/* The caller that the token was verified as and what that relied on; false if it is not remembered. */
bool token_cache_find(const struct token_cache *c, const uint8_t digest[SSF_SHA256_LEN], int64_t now_s,
		      struct caller *caller, struct token_basis *basis);

/* Remembers a token until expires_at, in seconds since 1970. */
void token_cache_put(struct token_cache *c, const uint8_t digest[SSF_SHA256_LEN],
		     const struct caller *caller, const struct token_basis *basis, int64_t expires_at);
