/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/set_cache.h"

#include <stdlib.h>
#include <string.h>

/* What decides the bytes of a SET, and the SET. */
struct cached_set {
	int64_t seq;
	struct ssf_key *key; /* a reference */
	char *audience;
	char *set;           /* NULL: the slot is free */
	size_t len;
};

struct set_cache {
	struct cached_set slots[SET_CACHE_SLOTS];
};

/* Audiences are named by operators and seqs are consecutive: nobody can choose what collides. */
static size_t slot_of(int64_t seq, const char *audience, enum ssf_alg alg)
{
	uint64_t h = (uint64_t)seq * 0x9e3779b97f4a7c15u + (uint64_t)alg;

	for (const char *c = audience; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return (h >> 17) % SET_CACHE_SLOTS;
}

static void cached_set_done(struct cached_set *s)
{
	ssf_key_free(s->key);
	free(s->audience);
	free(s->set);
}

struct set_cache *set_cache_new(void)
{
	return calloc(1, sizeof(struct set_cache));
}

void set_cache_free(struct set_cache *c)
{
	for (size_t i = 0; c != NULL && i < SET_CACHE_SLOTS; i++)
		cached_set_done(&c->slots[i]);
	free(c);
}

struct ssf_str set_cache_find(const struct set_cache *c, int64_t seq, const char *audience,
			      const struct ssf_key *key)
{
	const struct cached_set *s = key != NULL ? &c->slots[slot_of(seq, audience, ssf_key_alg(key))] : NULL;

	if (s == NULL || s->set == NULL || s->seq != seq || s->key != key ||
	    strcmp(s->audience, audience) != 0)
		return (struct ssf_str){ NULL, 0 };
	return (struct ssf_str){ s->set, s->len };
}

void set_cache_put(struct set_cache *c, int64_t seq, const char *audience, struct ssf_key *key,
		   struct ssf_str set)
{
	struct cached_set *slot = &c->slots[slot_of(seq, audience, ssf_key_alg(key))];
	struct cached_set fresh = { .seq = seq, .len = set.len };

	fresh.audience = strdup(audience);
	fresh.set = ssf_str_dup(set);
	if (fresh.audience == NULL || fresh.set == NULL) {
		cached_set_done(&fresh);
		return;
	}
	fresh.key = ssf_key_ref(key);
	cached_set_done(slot);
	*slot = fresh;
}
