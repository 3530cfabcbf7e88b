/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing. A removal moves the rest of its run up, so that there are no tombstones and a search ends at
 * the first free slot.
 */
#include "lib/kit/hashmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16

/* --- SipHash-1-3 (Aumasson, Bernstein), as in the standard libraries of Rust and Python --------------------- */

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

static uint64_t siphash(const uint64_t secret[2], struct ssf_str s)
{
	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
			  secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u };
	uint64_t word, last = (uint64_t)s.len << 56;

	for (; s.len >= sizeof(word); s.ptr += sizeof(word), s.len -= sizeof(word)) {
		memcpy(&word, s.ptr, sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < s.len; i++)
		last |= (uint64_t)(uint8_t)s.ptr[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- slots ------------------------------------------------------------------------------------------------- */

/* The upper bits choose the slot, the lower ones are the tag. */
static uint64_t hash_of(const struct hashmap *m, struct ssf_str key)
{
	uint64_t word;

	if (!m->type->digests)
		return siphash(m->secret, key);
	assert(key.len >= sizeof(word));
	memcpy(&word, key.ptr, sizeof(word));
	return word * (m->secret[0] | 1); /* multiply-shift: whoever chooses digests does not choose slots */
}

static size_t home_of(const struct hashmap *m, uint64_t hash)
{
	return (size_t)(hash >> (64 - __builtin_ctzll(m->capacity)));
}

static uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(hash >> 8) | 0x80;
}

static void *entry_at(const struct hashmap *m, size_t i)
{
	return (char *)m->entries + i * m->type->size;
}

/* The slot of key, or the free slot where it would go; there is always one. */
static size_t probe(const struct hashmap *m, struct ssf_str key, uint64_t hash)
{
	size_t i = home_of(m, hash);
	uint8_t tag = tag_of(hash);

	while (m->tags[i] != 0 && (m->tags[i] != tag || !ssf_str_eq(m->type->key(entry_at(m, i)), key)))
		i = (i + 1) & (m->capacity - 1);
	return i;
}

static int grow(struct hashmap *m)
{
	struct hashmap larger = *m;
	size_t size = m->type->size;

	if (m->capacity == 0)
		arc4random_buf(larger.secret, sizeof(larger.secret));
	larger.capacity = m->capacity > 0 ? 2 * m->capacity : FIRST_CAPACITY;
	larger.entries = calloc(larger.capacity, size + 1);
	if (larger.entries == NULL)
		return -1;
	larger.tags = (uint8_t *)larger.entries + larger.capacity * size;
	for (size_t i = 0; i < m->capacity; i++) {
		if (m->tags[i] == 0)
			continue;
		struct ssf_str key = m->type->key(entry_at(m, i));
		uint64_t hash = hash_of(m, key);
		size_t to = home_of(&larger, hash);

		while (larger.tags[to] != 0)
			to = (to + 1) & (larger.capacity - 1);
		larger.tags[to] = m->tags[i];
		memcpy(entry_at(&larger, to), entry_at(m, i), size);
	}
	free(m->entries);
	*m = larger;
	return 0;
}

void hashmap_done(struct hashmap *m)
{
	free(m->entries);
	*m = HASHMAP(m->type);
}

void *hashmap_find(const struct hashmap *m, struct ssf_str key)
{
	size_t i;

	if (m->count == 0)
		return NULL;
	i = probe(m, key, hash_of(m, key));
	return m->tags[i] != 0 ? entry_at(m, i) : NULL;
}

void *hashmap_put(struct hashmap *m, struct ssf_str key, bool *is_new)
{
	void *entry = hashmap_find(m, key);
	uint64_t hash;
	size_t i;

	*is_new = entry == NULL;
	if (entry != NULL)
		return entry;
	if (m->count >= m->capacity / 4 * 3 && grow(m) < 0)
		return NULL;
	hash = hash_of(m, key);
	i = probe(m, key, hash);
	m->tags[i] = tag_of(hash);
	m->count++;
	return memset(entry_at(m, i), 0, m->type->size);
}

void hashmap_remove(struct hashmap *m, void *entry)
{
	size_t mask = m->capacity - 1, hole;

	if (entry == NULL)
		return;
	hole = (size_t)((char *)entry - (char *)m->entries) / m->type->size;
	for (size_t i = (hole + 1) & mask; m->tags[i] != 0; i = (i + 1) & mask) {
		size_t home = home_of(m, hash_of(m, m->type->key(entry_at(m, i))));

		/* an entry may move up into the hole unless its home lies behind the hole */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		memcpy(entry_at(m, hole), entry_at(m, i), m->type->size);
		m->tags[hole] = m->tags[i];
		hole = i;
	}
	m->tags[hole] = 0;
	m->count--;
}

void *hashmap_next(const struct hashmap *m, size_t *at)
{
	while (*at < m->capacity) {
		size_t i = (*at)++;

		if (m->tags[i] != 0)
			return entry_at(m, i);
	}
	return NULL;
}
