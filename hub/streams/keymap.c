/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing; a delete moves the rest of its run up, so that there are no tombstones. */
#include "hub/streams/keymap.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16

static bool in_use(const struct keymap_slot *slot)
{
	static const uint8_t zeros[SSF_SHA256_LEN];

	return memcmp(slot->key, zeros, sizeof(zeros)) != 0;
}

/* Multiply-shift hashing: the upper bits of the product, which depend on all of the word. */
static size_t home(const struct keymap *m, const uint8_t key[SSF_SHA256_LEN])
{
	uint64_t word;

	memcpy(&word, key, sizeof(word));
	return (size_t)((word * m->factor) >> (64 - __builtin_ctzll(m->capacity)));
}

/* Where key is, or the free slot where it would go; there is always one. */
static struct keymap_slot *probe(const struct keymap *m, const uint8_t key[SSF_SHA256_LEN])
{
	size_t i = home(m, key);

	while (in_use(&m->slots[i]) && memcmp(m->slots[i].key, key, SSF_SHA256_LEN) != 0)
		i = (i + 1) & (m->capacity - 1);
	return &m->slots[i];
}

static int grow(struct keymap *m)
{
	struct keymap larger = *m;

	if (m->capacity == 0) {
		if (RAND_bytes((unsigned char *)&larger.factor, sizeof(larger.factor)) != 1)
			return -1;
		larger.factor |= 1;
	}
	larger.capacity = m->capacity > 0 ? 2 * m->capacity : FIRST_CAPACITY;
	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return -1;
	for (size_t i = 0; i < m->capacity; i++) {
		if (in_use(&m->slots[i]))
			*probe(&larger, m->slots[i].key) = m->slots[i];
	}
	free(m->slots);
	*m = larger;
	return 0;
}

void keymap_done(struct keymap *m)
{
	free(m->slots);
	*m = (struct keymap){ 0 };
}

struct keymap_slot *keymap_find(const struct keymap *m, const uint8_t key[SSF_SHA256_LEN])
{
	struct keymap_slot *slot;

	if (m->count == 0)
		return NULL;
	slot = probe(m, key);
	return in_use(slot) ? slot : NULL;
}

struct keymap_slot *keymap_put(struct keymap *m, const uint8_t key[SSF_SHA256_LEN])
{
	struct keymap_slot *slot = keymap_find(m, key);

	if (slot != NULL)
		return slot;
	if (m->count >= m->capacity / 4 * 3 && grow(m) < 0)
		return NULL;
	slot = probe(m, key);
	memcpy(slot->key, key, SSF_SHA256_LEN);
	slot->number = 0;
	m->count++;
	return slot;
}

void keymap_delete(struct keymap *m, struct keymap_slot *slot)
{
	size_t mask = m->capacity - 1;
	size_t hole = (size_t)(slot - m->slots);

	for (size_t i = (hole + 1) & mask; in_use(&m->slots[i]); i = (i + 1) & mask) {
		/* one may move up into the hole unless its home lies behind the hole */
		if (((i - home(m, m->slots[i].key)) & mask) < ((i - hole) & mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole] = (struct keymap_slot){ 0 };
	m->count--;
}

struct keymap_slot *keymap_next(const struct keymap *m, size_t *at)
{
	while (*at < m->capacity) {
		struct keymap_slot *slot = &m->slots[(*at)++];
		if (in_use(slot))
			return slot;
	}
	return NULL;
}
