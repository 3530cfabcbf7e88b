/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing; a removal moves the rest of its run up, so that there are no tombstones. */
#include "hub/streams/owner_set.h"

#include <assert.h>
#include <stdlib.h>

#define ROOM_FIRST 4

void owner_set_done(struct owner_set *s)
{
	if (s->room > 0)
		free(s->slots);
	*s = (struct owner_set){ 0 };
}

/* Of a pointer, whose low bits are always the same. */
static size_t home(const struct owner_set *s, const void *owner)
{
	uint64_t product = (uint64_t)(uintptr_t)owner * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(product >> 32) & (s->room - 1);
}

/* The slot of owner, or the free one where it would go; there is always one. */
static size_t probe(const struct owner_set *s, const void *owner)
{
	size_t i = home(s, owner);

	while (s->slots[i].owner != NULL && s->slots[i].owner != owner)
		i = (i + 1) & (s->room - 1);
	return i;
}

static int grow(struct owner_set *s)
{
	struct owner_set larger = { .count = s->count,
				    .room = s->room > 0 ? 2 * s->room : ROOM_FIRST };
	struct owner_slot *from = s->room > 0 ? s->slots : &s->one;
	size_t count = s->room > 0 ? s->room : 1;

	larger.slots = calloc(larger.room, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (from[i].owner != NULL)
			larger.slots[probe(&larger, from[i].owner)] = from[i];
	}
	if (s->room > 0)
		free(s->slots);
	*s = larger;
	return 0;
}

int owner_set_add(struct owner_set *s, void *owner)
{
	struct owner_slot *slot;

	if (s->room == 0 && (s->count == 0 || s->one.owner == owner)) {
		slot = &s->one;
	} else {
		/* at most three quarters full; one that is in already may grow it, too */
		if (s->count >= s->room / 4 * 3 && grow(s) < 0)
			return -1;
		slot = &s->slots[probe(s, owner)];
	}
	s->count += slot->owner == NULL;
	slot->owner = owner;
	slot->times++;
	return 0;
}

void owner_set_remove(struct owner_set *s, const void *owner)
{
	size_t mask = s->room - 1, hole;

	if (s->room == 0) {
		assert(s->one.owner == owner);
		if (--s->one.times == 0)
			*s = (struct owner_set){ 0 };
		return;
	}
	hole = probe(s, owner);
	assert(s->slots[hole].owner == owner);
	if (--s->slots[hole].times > 0)
		return;
	s->count--;
	for (size_t i = (hole + 1) & mask; s->slots[i].owner != NULL; i = (i + 1) & mask) {
		/* one may move up into the hole unless its home lies behind the hole */
		if (((i - home(s, s->slots[i].owner)) & mask) < ((i - hole) & mask))
			continue;
		s->slots[hole] = s->slots[i];
		hole = i;
	}
	s->slots[hole] = (struct owner_slot){ 0 };
	if (s->count == 0)
		owner_set_done(s);
}

void *owner_set_next(const struct owner_set *s, size_t *at)
{
	if (s->room == 0)
		return s->count > 0 && (*at)++ == 0 ? s->one.owner : NULL;
	while (*at < s->room) {
		void *owner = s->slots[(*at)++].owner;
		if (owner != NULL)
			return owner;
	}
	return NULL;
}
