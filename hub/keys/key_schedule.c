/* SPDX-License-Identifier: Apache-2.0 */
/* A boundary belongs to what begins at it: at signs_from a key signs. */
#include "hub/keys/key_schedule.h"

#define WAIT_MIN_MS 20

/* Saturates at INT64_MAX; neither argument is negative. */
static int64_t add_saturated(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool key_schedule_published(const struct key_schedule_key *key, int64_t now_ms)
{
	return key->usable && key->published_until_ms > now_ms;
}

int key_schedule_signing(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms)
{
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].alg == alg && key_schedule_published(&keys[i], now_ms) &&
		    keys[i].signs_from_ms <= now_ms &&
		    (found < 0 || keys[i].signs_from_ms >= keys[found].signs_from_ms))
			found = (int)i;
	}
	return found;
}

int key_schedule_waiting(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms)
{
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].alg == alg && key_schedule_published(&keys[i], now_ms) &&
		    keys[i].signs_from_ms > now_ms &&
		    (found < 0 || keys[i].signs_from_ms < keys[found].signs_from_ms))
			found = (int)i;
	}
	return found;
}

int key_schedule_newest(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg)
{
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].alg == alg)
			found = (int)i;
	}
	return found;
}

enum key_schedule_state key_schedule_state(const struct key_schedule_key *keys, size_t n, size_t i, int64_t now_ms)
{
	if (keys[i].signs_from_ms > now_ms)
		return KEY_SCHEDULE_NEXT;
	return key_schedule_signing(keys, n, keys[i].alg, now_ms) == (int)i ? KEY_SCHEDULE_SIGNING : KEY_SCHEDULE_RETIRED;
}

bool key_schedule_full(const struct key_schedule_key *keys, size_t n, enum ssf_alg alg, int64_t now_ms)
{
	size_t published = 0;

	for (size_t i = 0; i < n; i++)
		published += keys[i].alg == alg && key_schedule_published(&keys[i], now_ms);
	return published >= KEY_SCHEDULE_PUBLISHED_MAX;
}

int64_t key_schedule_end(const struct key_schedule_conf *conf, const struct key_schedule_key *signing)
{
	int64_t period = conf->rotation_ms > conf->ahead_ms ? conf->rotation_ms : conf->ahead_ms;

	return conf->rotation_ms == 0 ? INT64_MAX : add_saturated(signing->signs_from_ms, period);
}

int64_t key_schedule_due(const struct key_schedule_conf *conf, const struct key_schedule_key *keys, size_t n, enum ssf_alg alg,
		 int64_t now_ms)
{
	int signing = key_schedule_signing(keys, n, alg, now_ms);
	int64_t ends;

	if (signing < 0)
		return 0;
	ends = key_schedule_end(conf, &keys[signing]);
	if (ends == INT64_MAX || key_schedule_waiting(keys, n, alg, now_ms) >= 0 || key_schedule_full(keys, n, alg, now_ms))
		return INT64_MAX;
	return ends - conf->ahead_ms;
}

int64_t key_schedule_wait_ms(const struct key_schedule_conf *conf, const struct key_schedule_key *keys, size_t n,
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
		next = least(next, key_schedule_due(conf, keys, n, algs[i], now_ms));
	next = add_saturated(now_ms, KEY_SCHEDULE_WAIT_MAX_MS) < next ? KEY_SCHEDULE_WAIT_MAX_MS : next - now_ms;
	return next < WAIT_MIN_MS ? WAIT_MIN_MS : next;
}
