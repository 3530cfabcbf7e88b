/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map with its entries in one array: open addressing, one byte a slot beside the entry, between three
 * and six eighths of the slots in use while it grows. An entry contains its key or leads to it; the type says
 * where. An entry may be a struct, or a pointer to something that the caller owns:
 *
 *   static struct ssf_str name_of(const void *entry)
 *   {
 *           const struct origin *const *o = entry;
 *           return ssf_str_c((*o)->name);
 *   }
 *   static const struct hashmap_type by_name = { .size = sizeof(struct origin *), .key = name_of };
 *
 *   struct hashmap origins = HASHMAP(&by_name);
 *   struct origin **at = hashmap_put(&origins, ssf_str_c(o->name), &is_new);
 *   if (at != NULL && is_new)
 *           *at = o;
 *
 * Keys may come from outside: the hash is SipHash under a random key of the map, so that nobody can choose
 * keys that fall into one place. The map does not grow with removals and never shrinks. Not for threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct hashmap_type {
	size_t size;                               /* of an entry; it is aligned as an entry of an array is */
	struct ssf_str (*key)(const void *entry);  /* a view that stays the same while the entry is in the map */
	bool digests; /* keys are digests (SHA-256) of 8 bytes or more: part of them is the hash, which is faster */
};

struct hashmap {
	const struct hashmap_type *type;
	size_t count;
	/* private */
	size_t capacity; /* a power of two, or 0 */
	void *entries;
	uint8_t *tags;   /* of each slot: 0 free, otherwise bits of the hash */
	uint64_t secret[2];
};

/* An empty map, without memory of its own until the first put. */
#define HASHMAP(entry_type) ((struct hashmap){ .type = (entry_type) })
/* Frees the map, not what entries point to; empty and usable again. */
void hashmap_done(struct hashmap *m);

/* Entries are borrowed until the next put or remove. */

/* NULL: not in the map. */
void *hashmap_find(const struct hashmap *m, struct ssf_str key);
/*
 * The entry of key. A new one is zeroed, and the caller fills it before any other call, so that type->key()
 * gives key. NULL when out of memory, with the map unchanged.
 */
ssf_nodiscard void *hashmap_put(struct hashmap *m, struct ssf_str key, bool *is_new);
/* entry: of this map, with its key still readable. NULL is fine. */
void hashmap_remove(struct hashmap *m, void *entry);

/*
 * Walks the map in no order: the first entry at position *at or behind it, and *at moves behind that; NULL at the
 * end. Start with 0. To remove the entry just returned and go on, subtract 1 from *at after the removal: another
 * may have moved into its place. So an entry may be seen twice, and none is missed.
 */
void *hashmap_next(const struct hashmap *m, size_t *at);
