/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which signing key does what at a time: pure, from stored times alone, so that all who read the
 * same rows at the same time decide the same. Times are milliseconds since 1970, INT64_MAX: never.
 *
 *   stored -> published, next -> signs_from: signing -> a newer one signs: retired -> published_until: gone
 *
 * Keys are in the order in which they are stored: by signs_from within an algorithm.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/jwk.h"

struct key_schedule_conf {
	int64_t rotation_ms; /* how long a key signs, not less than ahead_ms; 0: until it is rotated by hand */
	int64_t ahead_ms;    /* published before it signs, so that receivers that cache the JWKS have it */
	int64_t keep_ms;     /* published after another one signs */
};

struct key_schedule_key {
	enum ssf_alg alg;
	bool usable;         /* opens under the master key; others neither sign nor are published */
	int64_t created_ms, signs_from_ms, published_until_ms;
};

enum key_schedule_state { KEY_SCHEDULE_NEXT, KEY_SCHEDULE_SIGNING, KEY_SCHEDULE_RETIRED };

#define KEY_SCHEDULE_PUBLISHED_MAX 30 /* of one algorithm; ssf_jwks_parse() takes 64 of all */
#define KEY_SCHEDULE_LOOK_MAX_MS 60000

bool key_schedule_published(const struct key_schedule_key *key, int64_t now_ms);
/* The one that signs, the first that waits, the newest whether usable or not: an index, -1 if none. */
int key_schedule_signing(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms);
int key_schedule_waiting(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms);
int key_schedule_newest(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg);
enum key_schedule_state key_schedule_state(const struct key_schedule_key *keys, size_t n, size_t i, int64_t now_ms);
bool key_schedule_full(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms);

/* When the key that signs is to be replaced; INT64_MAX when it is not to be by itself. */
int64_t key_schedule_ends(const struct key_schedule_conf *conf, const struct key_schedule_key *signing);
/* When another key is to be made: in the past if it is missing already. */
int64_t key_schedule_due(const struct key_schedule_conf *conf, const struct key_schedule_key *keys, size_t n, enum ssf_alg alg,
		 int64_t now_ms);
/* In how many milliseconds something changes by itself: 20 to KEY_SCHEDULE_LOOK_MAX_MS. */
int64_t key_schedule_look(const struct key_schedule_conf *conf, const struct key_schedule_key *keys, size_t n,
		  const enum ssf_alg *algs, size_t alg_count, int64_t now_ms);
