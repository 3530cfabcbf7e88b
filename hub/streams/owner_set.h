/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of owners (pointers) with how often each is in it: a hash table, so that adding and
 * removing take constant time also in a set of ten thousand. One owner needs no memory of its own.
 * Private to hub/streams.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/err.h"

struct owner_slot {
	void *owner; /* NULL: free */
	uint32_t times;
};

/* Zeroed memory is empty. */
struct owner_set {
	union {
		struct owner_slot one; /* while room is 0 */
		struct owner_slot *slots;
	};
	uint32_t count; /* owners */
	uint32_t room;  /* a power of two, or 0 */
};

void owner_set_done(struct owner_set *s);                          /* empty afterwards */
ssf_nodiscard int owner_set_add(struct owner_set *s, void *owner); /* -1 when out of memory */
/* As often as it was added. */
void owner_set_remove(struct owner_set *s, const void *owner);
/*
 * Each owner once, in no order; *at is 0 at first. NULL: no more. The set must not change
 * meanwhile.
 */
void *owner_set_next(const struct owner_set *s, size_t *at);
