/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets in sets of WAYS, found by a digest that is keyed with a random number of this
 * process: nobody can choose names that push another name out.
 */
#include "lib/kit/rate.h"

#include "lib/ssf/buf.h"

#include <openssl/rand.h>

#include <stdio.h>
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

static struct bucket *find(struct rate *r, const char *name)
{
	uint8_t digest[SSF_SHA256_LEN];
	char text[sizeof(r->seed) + 256];
	struct bucket *set, *oldest;

	memcpy(text, r->seed, sizeof(r->seed));
	size_t len = strnlen(name, sizeof(text) - sizeof(r->seed));
	memcpy(text + sizeof(r->seed), name, len);
	ssf_sha256((struct ssf_str){ text, sizeof(r->seed) + len }, digest);
	set = r->buckets[(digest[16] | digest[17] << 8) % SETS];
	oldest = &set[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (memcmp(set[i].key, digest, sizeof(set[i].key)) == 0 && set[i].used_at != 0)
			return &set[i];
		if (set[i].used_at < oldest->used_at)
			oldest = &set[i];
	}
	*oldest = (struct bucket){ .level_us = r->full_us };
	memcpy(oldest->key, digest, sizeof(oldest->key));
	return oldest;
}

int64_t rate_take(struct rate *r, const char *name, int64_t now_ms)
{
	struct bucket *b;

	if (r->interval_us == 0)
		return 0;
	b = find(r, name);
	if (b->used_at != 0 && now_ms - b->used_at < r->full_us / 1000)
		b->level_us += (now_ms - b->used_at) * 1000;
	else
		b->level_us = r->full_us;
	if (b->level_us > r->full_us)
		b->level_us = r->full_us;
	b->used_at = now_ms > 0 ? now_ms : 1;
	if (b->level_us < r->interval_us)
		return (r->interval_us - b->level_us + 999) / 1000;
	b->level_us -= r->interval_us;
	return 0;
}
