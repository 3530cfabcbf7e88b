/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets in sets of WAYS, found by a digest that is keyed with a random number of this
 * process: nobody can choose names that push another name out.
 */
#include "lib/kit/rate.h"

#include "lib/ssf/buf.h"

#include <openssl/rand.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SETS 2048
#define WAYS 4
#define BURST_S 2

struct bucket {
	uint8_t key[16];
	int64_t used_at;  /* ms; 0: free */
	int64_t level_us; /* what is in it, as the time that it took to come in */
};

struct rate {
	int64_t interval_us; /* between two */
	int64_t full_us;
	uint8_t seed[16];
	struct bucket buckets[SETS][WAYS];
};

struct rate *rate_new(int64_t per_second)
{
	struct rate *r = calloc(1, sizeof(*r));

	if (r == NULL || per_second == 0)
		return r;
	r->interval_us = per_second < 1000000 ? 1000000 / per_second : 1;
	r->full_us = BURST_S * 1000000;
	if (RAND_bytes(r->seed, sizeof(r->seed)) != 1) {
		free(r);
		return NULL;
	}
	return r;
}

void rate_free(struct rate *r)
{
	free(r);
}

static void digest_of(const struct rate *r, const char *name, uint8_t digest[SSF_SHA256_LEN])
{
	char text[sizeof(r->seed) + 256];
	size_t len = strnlen(name, sizeof(text) - sizeof(r->seed));

	memcpy(text, r->seed, sizeof(r->seed));
	memcpy(text + sizeof(r->seed), name, len);
	ssf_sha256((struct ssf_str){ text, sizeof(r->seed) + len }, digest);
}

static size_t set_of(const uint8_t digest[SSF_SHA256_LEN])
{
	return (size_t)(digest[16] | digest[17] << 8) % SETS;
}

static bool is_of(const struct bucket *b, const uint8_t digest[SSF_SHA256_LEN])
{
	return b->used_at != 0 && memcmp(b->key, digest, sizeof(b->key)) == 0;
}

static struct bucket *find(struct rate *r, const char *name)
{
	uint8_t digest[SSF_SHA256_LEN];
	struct bucket *set, *oldest;

	digest_of(r, name, digest);
	set = r->buckets[set_of(digest)];
	oldest = &set[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (is_of(&set[i], digest))
			return &set[i];
		if (set[i].used_at < oldest->used_at)
			oldest = &set[i];
	}
	*oldest = (struct bucket){ .level_us = r->full_us };
	memcpy(oldest->key, digest, sizeof(oldest->key));
	return oldest;
}

static int64_t level(const struct rate *r, const struct bucket *b, int64_t now_ms)
{
	int64_t us = r->full_us;

	if (b->used_at != 0 && now_ms - b->used_at < r->full_us / 1000)
		us = b->level_us + (now_ms - b->used_at) * 1000;
	return us < r->full_us ? us : r->full_us;
}

/* ms until one can be taken. */
static int64_t wait_of(const struct rate *r, int64_t level_us)
{
	return level_us < r->interval_us ? (r->interval_us - level_us + 999) / 1000 : 0;
}

int64_t rate_take(struct rate *r, const char *name, int64_t now_ms)
{
	struct bucket *b;
	int64_t wait;

	if (r->interval_us == 0)
		return 0;
	b = find(r, name);
	b->level_us = level(r, b, now_ms);
	b->used_at = now_ms > 0 ? now_ms : 1;
	wait = wait_of(r, b->level_us);
	if (wait == 0)
		b->level_us -= r->interval_us;
	return wait;
}

int64_t rate_look(const struct rate *r, const char *name, int64_t now_ms)
{
	uint8_t digest[SSF_SHA256_LEN];
	const struct bucket *set;

	if (r->interval_us == 0)
		return 0;
	digest_of(r, name, digest);
	set = r->buckets[set_of(digest)];
	for (size_t i = 0; i < WAYS; i++) {
		if (is_of(&set[i], digest))
			return wait_of(r, level(r, &set[i], now_ms));
	}
	return 0;
}
