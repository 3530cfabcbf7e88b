/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each signing key does at a given time. Pure: computed from stored times alone, so that all
 * processes that read the same rows at the same time decide alike. Times are milliseconds since 1970;
 * INT64_MAX means never.
 *
 *   stored -> published, next -> signs_from: signing -> another signs: retired -> published_until: removed
 *
 * Keys are in the order in which they were stored: within an algorithm by signs_from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/jwk.h"

struct key_schedule_conf {
	int64_t rotation_ms; /* how long a key signs, at least ahead_ms; 0: until it is rotated by hand */
	int64_t ahead_ms;    /* how long a key is published before it signs: receivers cache the JWKS */
	int64_t keep_ms;     /* how long a key stays published after another one signs */
};

struct key_schedule_key {
	enum ssf_alg alg;
	bool usable;         /* could be unsealed; other keys neither sign nor are published */
	int64_t created_ms, signs_from_ms, published_until_ms;
};

enum key_schedule_state { KEY_SCHEDULE_NEXT, KEY_SCHEDULE_SIGNING, KEY_SCHEDULE_RETIRED };

#define KEY_SCHEDULE_PUBLISHED_MAX 30 /* keys of one algorithm; ssf_jwks_parse() takes 64 in all */
#define KEY_SCHEDULE_WAIT_MAX_MS 60000

bool key_schedule_published(const struct key_schedule_key *key, int64_t now_ms);

/* An index, or -1: the key that signs; the first that waits; the newest, usable or not. */
int key_schedule_signing(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg,
			 int64_t now_ms);
int key_schedule_waiting(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg,
			 int64_t now_ms);
int key_schedule_newest(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg);

enum key_schedule_state key_schedule_state(const struct key_schedule_key *keys, size_t n, size_t i,
					   int64_t now_ms);
/* Whether KEY_SCHEDULE_PUBLISHED_MAX keys of the algorithm are published. */
bool key_schedule_full(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg,
		       int64_t now_ms);

/* When the schedule replaces the key that signs; INT64_MAX: never. */
int64_t key_schedule_end(const struct key_schedule_conf *conf, const struct key_schedule_key *signing);
/* When the next key of the algorithm is to be made; in the past if one is missing. */
int64_t key_schedule_due(const struct key_schedule_conf *conf, const struct key_schedule_key *keys,
			 size_t n, enum ssf_alg alg, int64_t now_ms);
/* How long nothing changes by schedule: 20 ms to KEY_SCHEDULE_WAIT_MAX_MS. */
int64_t key_schedule_wait_ms(const struct key_schedule_conf *conf, const struct key_schedule_key *keys,
			     size_t n, const enum ssf_alg *algs, size_t alg_count, int64_t now_ms);
