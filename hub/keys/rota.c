/* SPDX-License-Identifier: Apache-2.0 */
/* Owns nothing. A boundary belongs to what begins at it: at signs_from a key signs. */
#include "hub/keys/rota.h"

#define LOOK_MIN_MS 20

/* For times and durations that are not negative. */
static int64_t add(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool rota_published(const struct rota_key *key, int64_t now_ms)
{
	return key->usable && key->published_until_ms > now_ms;
}

int rota_signing(const struct rota_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms)
{
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].alg == alg && rota_published(&keys[i], now_ms) &&
		    keys[i].signs_from_ms <= now_ms &&
		    (found < 0 || keys[i].signs_from_ms >= keys[found].signs_from_ms))
			found = (int)i;
	}
	return found;
}

int rota_waiting(const struct rota_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms)
{
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].alg == alg && rota_published(&keys[i], now_ms) &&
		    keys[i].signs_from_ms > now_ms &&
		    (found < 0 || keys[i].signs_from_ms < keys[found].signs_from_ms))
			found = (int)i;
	}
	return found;
}

int rota_newest(const struct rota_key *keys, size_t n, enum ssf_alg alg)
{
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].alg == alg)
			found = (int)i;
	}
	return found;
}

enum rota_state rota_state(const struct rota_key *keys, size_t n, size_t i, int64_t now_ms)
{
	if (keys[i].signs_from_ms > now_ms)
		return ROTA_NEXT;
	return rota_signing(keys, n, keys[i].alg, now_ms) == (int)i ? ROTA_SIGNING : ROTA_RETIRED;
}

bool rota_full(const struct rota_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms)
{
	size_t published = 0;

	for (size_t i = 0; i < n; i++)
		published += keys[i].alg == alg && rota_published(&keys[i], now_ms);
	return published >= ROTA_PUBLISHED_MAX;
}

int64_t rota_ends(const struct rota_conf *conf, const struct rota_key *signing)
{
	int64_t period = conf->rotation_ms > conf->ahead_ms ? conf->rotation_ms : conf->ahead_ms;

	return conf->rotation_ms == 0 ? INT64_MAX : add(signing->signs_from_ms, period);
}

int64_t rota_due(const struct rota_conf *conf, const struct rota_key *keys, size_t n, enum ssf_alg alg,
		 int64_t now_ms)
{
	int signing = rota_signing(keys, n, alg, now_ms);
	int64_t ends;

	if (signing < 0)
		return 0;
	ends = rota_ends(conf, &keys[signing]);
	if (ends == INT64_MAX || rota_waiting(keys, n, alg, now_ms) >= 0 || rota_full(keys, n, alg, now_ms))
		return INT64_MAX;
	return ends - conf->ahead_ms;
}

int64_t rota_look(const struct rota_conf *conf, const struct rota_key *keys, size_t n,
		  const enum ssf_alg *algs, size_t alg_count, int64_t now_ms)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].signs_from_ms > now_ms)
			next = least(next, keys[i].signs_from_ms);
		if (keys[i].published_until_ms > now_ms)
			next = least(next, keys[i].published_until_ms);
	}
	for (size_t i = 0; i < alg_count; i++)
		next = least(next, rota_due(conf, keys, n, algs[i], now_ms));
	next = add(now_ms, ROTA_LOOK_MAX_MS) < next ? ROTA_LOOK_MAX_MS : next - now_ms;
	return next < LOOK_MIN_MS ? LOOK_MIN_MS : next;
}
