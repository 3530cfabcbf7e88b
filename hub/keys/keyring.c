/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/keyring.h"

#include "lib/kit/log.h"
#include "lib/ssf/jws.h"

#include <stdlib.h>

#define JWKS_MAX_AGE_S 300

struct keyring {
	const struct master_key *master;
	struct key_schedule_conf schedule;
	struct key_snapshot *snapshot;
	int64_t clock_offset_ms; /* the database's time minus the monotonic clock */
	bool locked_out;
	uint64_t removals;
	loop_f *on_removed;
	void *on_removed_arg;
};

int keyring_new(const struct master_key *master, const struct key_schedule_conf *conf,
		struct keyring **out, struct ssf_err *err)
{
	struct keyring *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	*k = (struct keyring){ .master = master,
			       .schedule = *conf,
			       .clock_offset_ms = wall_now_ms() - loop_now_ms() };
	*out = k;
	return 0;
}

void keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	key_snapshot_free(k->snapshot);
	free(k);
}

/* --- updates ------------------------------------------------------------------------------------ */

static void log_added(const struct key_snapshot *now, const struct key_snapshot *before)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct key_snapshot_key *key = &now->keys[i];
		if (key->key != NULL && key_snapshot_find(before, ssf_str_c(key->kid)) < 0)
			log_info("keys.added", log_str("kid", key->kid),
				 log_str("alg", ssf_alg_name(now->times[i].alg)));
	}
}

/* Whether a key has left. */
static bool log_removed(const struct key_snapshot *now, const struct key_snapshot *before)
{
	bool removed = false;

	for (size_t i = 0; i < before->n; i++) {
		const struct key_snapshot_key *key = &before->keys[i];
		if (key->key != NULL && key_snapshot_find(now, ssf_str_c(key->kid)) < 0) {
			log_info("keys.removed", log_str("kid", key->kid),
				 log_str("alg", ssf_alg_name(before->times[i].alg)));
			removed = true;
		}
	}
	return removed;
}

int keyring_update(struct keyring *k, const struct db_result *rows, struct ssf_err *err)
{
	struct key_snapshot *fresh = NULL;
	ssf_auto(key_snapshot) before = NULL;

	if (key_snapshot_read(rows, k->master, k->snapshot, &fresh, err) < 0)
		return -1;
	before = k->snapshot;
	k->snapshot = fresh;
	if (fresh->now_ms != 0)
		k->clock_offset_ms = fresh->now_ms - loop_now_ms();
	/* new keys beside old ones that cannot be unsealed would help nobody */
	k->locked_out = fresh->n > 0 && !key_snapshot_any_usable(fresh);
	if (before == NULL)
		return 0;
	log_added(fresh, before);
	if (log_removed(fresh, before)) {
		k->removals++;
		if (k->on_removed != NULL)
			k->on_removed(k->on_removed_arg);
	}
	return 0;
}

void keyring_on_removed(struct keyring *k, loop_f *f, void *arg)
{
	k->on_removed = f;
	k->on_removed_arg = arg;
}

/* --- queries ------------------------------------------------------------------------------------ */

uint64_t keyring_removals(const struct keyring *k)
{
	return k->removals;
}

bool keyring_is_locked_out(const struct keyring *k)
{
	return k->locked_out;
}

const struct key_snapshot *keyring_snapshot(const struct keyring *k)
{
	return k->snapshot;
}

const struct key_schedule_conf *keyring_schedule(const struct keyring *k)
{
	return &k->schedule;
}

int64_t keyring_now_ms(const struct keyring *k)
{
	return loop_now_ms() + k->clock_offset_ms;
}

struct ssf_key *keyring_signing_key(const struct keyring *k, enum ssf_alg alg)
{
	const struct key_snapshot *s = k->snapshot;
	int at = s != NULL ? key_schedule_signing(s->times, s->n, alg, keyring_now_ms(k)) : -1;

	return at >= 0 ? s->keys[at].key : NULL;
}

const struct ssf_key *keyring_find(const struct keyring *k, struct ssf_str kid, enum ssf_alg alg)
{
	const struct key_snapshot *s = k->snapshot;
	int at = s != NULL ? key_snapshot_find(s, kid) : -1;

	if (at < 0 || s->times[at].alg != alg || !key_schedule_published(&s->times[at], keyring_now_ms(k)))
		return NULL;
	return s->keys[at].key;
}

int keyring_sign(const struct keyring *k, const char *typ, struct ssf_str payload, struct ssf_buf *out,
		 struct ssf_err *err)
{
	const struct ssf_key *key = keyring_signing_key(k, SSF_ALG_ES256);

	if (key == NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key");
	return ssf_jws_sign(key, typ, payload, out, err);
}

json_t *keyring_jwks(const struct keyring *k)
{
	return k->snapshot != NULL ? key_snapshot_jwks(k->snapshot, keyring_now_ms(k)) :
				     json_pack("{s:[]}", "keys");
}

int64_t keyring_jwks_max_age_s(const struct keyring *k)
{
	int64_t quarter = k->schedule.ahead_ms / 4 / 1000;

	return quarter < JWKS_MAX_AGE_S ? quarter : JWKS_MAX_AGE_S;
}

json_t *keyring_list(const struct keyring *k)
{
	return k->snapshot != NULL ? key_snapshot_list(k->snapshot, keyring_now_ms(k)) : json_array();
}
