/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from SHA-256 values to one word each: 40 bytes a slot, between
 * three and six eighths of them in use while it grows. Private to hub/streams.
 *
 * Zeroed memory is an empty table. Slots are borrowed until the next put or delete.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct keymap_slot {
	uint8_t key[SSF_SHA256_LEN]; /* all zeros, which no text is known to hash to: free */
	union {
		int64_t number;
		void *ptr;
	};
};

struct keymap {
	struct keymap_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	uint64_t factor; /* random: who chooses the keys does not choose the slots */
};

void keymap_done(struct keymap *m);
struct keymap_slot *keymap_find(const struct keymap *m, const uint8_t key[SSF_SHA256_LEN]);
/* The slot of key, with its word zero if it is new. NULL when out of memory. */
ssf_nodiscard struct keymap_slot *keymap_put(struct keymap *m, const uint8_t key[SSF_SHA256_LEN]);
void keymap_delete(struct keymap *m, struct keymap_slot *slot);
/*
 * The first slot in use at index *at or behind it, and *at moves behind that
 * slot; NULL at the end. After a delete of that slot, go on one index earlier.
 */
struct keymap_slot *keymap_next(const struct keymap *m, size_t *at);
