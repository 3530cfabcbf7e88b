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

struct rota_conf {
	int64_t rotation_ms; /* how long a key signs, not less than ahead_ms; 0: until it is rotated by hand */
	int64_t ahead_ms;    /* published before it signs, so that receivers that cache the JWKS have it */
	int64_t keep_ms;     /* published after another one signs */
};

struct rota_key {
	enum ssf_alg alg;
	bool usable;         /* opens under the master key; others neither sign nor are published */
	int64_t created_ms, signs_from_ms, published_until_ms;
};

enum rota_state { ROTA_NEXT, ROTA_SIGNING, ROTA_RETIRED };

#define ROTA_PUBLISHED_MAX 30 /* of one algorithm; ssf_jwks_parse() takes 64 of all */
#define ROTA_LOOK_MAX_MS 60000

bool rota_published(const struct rota_key *key, int64_t now_ms);
/* The one that signs, the first that waits, the newest whether usable or not: an index, -1 if none. */
int rota_signing(const struct rota_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms);
int rota_waiting(const struct rota_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms);
int rota_newest(const struct rota_key *keys, size_t n, enum ssf_alg alg);
enum rota_state rota_state(const struct rota_key *keys, size_t n, size_t i, int64_t now_ms);
bool rota_full(const struct rota_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms);

/* When the key that signs is to be replaced; INT64_MAX when it is not to be by itself. */
int64_t rota_ends(const struct rota_conf *conf, const struct rota_key *signing);
/* When another key is to be made: in the past if it is missing already. */
int64_t rota_due(const struct rota_conf *conf, const struct rota_key *keys, size_t n, enum ssf_alg alg,
		 int64_t now_ms);
/* In how many milliseconds something changes by itself: 20 to ROTA_LOOK_MAX_MS. */
int64_t rota_look(const struct rota_conf *conf, const struct rota_key *keys, size_t n,
		  const enum ssf_alg *algs, size_t alg_count, int64_t now_ms);
