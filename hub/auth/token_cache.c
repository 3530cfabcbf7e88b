/* SPDX-License-Identifier: Apache-2.0 */
/* A direct-mapped table: the first bytes of the digest choose the slot. */
#include "hub/auth/token_cache.h"

#include <stdlib.h>
#include <string.h>

struct token_slot {
	uint8_t digest[SSF_SHA256_LEN];
	struct caller caller;
	struct token_basis basis;
	int64_t expires_at; /* 0: free */
};

struct token_cache {
	struct token_slot slots[TOKEN_CACHE_SLOTS];
};

struct token_cache *token_cache_new(void)
{
	return calloc(1, sizeof(struct token_cache));
}

void token_cache_free(struct token_cache *c)
{
	free(c);
}

static size_t slot_index(const uint8_t digest[SSF_SHA256_LEN])
{
	return (size_t)(digest[0] | digest[1] << 8) % TOKEN_CACHE_SLOTS;
}

bool token_cache_find(const struct token_cache *c, const uint8_t digest[SSF_SHA256_LEN], int64_t now_s,
		      struct caller *caller, struct token_basis *basis)
{
	const struct token_slot *slot = &c->slots[slot_index(digest)];

	if (slot->expires_at <= now_s || memcmp(slot->digest, digest, SSF_SHA256_LEN) != 0)
		return false;
	*caller = slot->caller;
	*basis = slot->basis;
	return true;
}

void token_cache_put(struct token_cache *c, const uint8_t digest[SSF_SHA256_LEN],
		     const struct caller *caller, const struct token_basis *basis, int64_t expires_at)
{
	struct token_slot *slot = &c->slots[slot_index(digest)];

	*slot = (struct token_slot){ .caller = *caller, .basis = *basis, .expires_at = expires_at };
	memcpy(slot->digest, digest, SSF_SHA256_LEN);
}
