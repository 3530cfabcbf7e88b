/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of hub/auth share. */
#pragma once

#include "hub/auth/auth.h"
#include "lib/kit/rate.h"

#define AUTH_CACHE_SLOTS 4096
#define AUTH_EXTERNAL_S 300 /* a token of another server is verified again after this, with the keys that there are then */

/* An access token that has been verified. */
struct auth_cached {
	uint8_t digest[SSF_SHA256_LEN];
	struct caller caller;
	int64_t client_version; /* another one: verify again */
	uint64_t keys_gone;     /* the same: its key may be one that was revoked */
	uint64_t issuers;       /* the same: its issuer may have other keys, or be gone */
	int64_t expires_at;     /* seconds since 1970; 0: free */
};

struct auth {
	struct auth_conf conf;
	struct db *db;
	struct registry *registry;
	struct keys *keys;
	struct jwks *jwks;
	uint64_t issuers; /* how often one has changed */
	struct rate *by_client, *by_address, *guesses;
	struct auth_cached cache[AUTH_CACHE_SLOTS];
};

/* Until when a token of another server that has been verified is taken without looking again; seconds since 1970. */
int64_t auth_external_until(int64_t now, int64_t exp);
