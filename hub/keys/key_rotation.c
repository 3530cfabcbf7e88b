/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/key_rotation.h"

/* When a new key signs: ahead_ms after it is stored, and not before a time. */
struct key_start {
	int64_t ahead_ms;
	int64_t not_before_ms;
};

static const struct key_start at_once = { 0, 0 };

/* kid: the key exists; NULL: it has to be made. */
static int add_item(const struct key_snapshot *s, enum ssf_alg alg, struct key_start start,
		    const char *kid, json_t *plan, struct ssf_err *err)
{
	int newest = key_schedule_newest(s->times, s->n, alg);
	json_t *item = json_pack("{s:s, s:s?, s:I, s:I, s:s*}", "alg", ssf_alg_name(alg), "after",
				 newest >= 0 ? s->keys[newest].kid : NULL, "ahead_ms",
				 (json_int_t)start.ahead_ms, "not_before_ms",
				 (json_int_t)start.not_before_ms, "kid", kid);

	if (json_array_append_new(plan, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	return 0;
}

bool key_rotation_is_due(const struct keyring *k, enum ssf_alg alg)
{
	const struct key_snapshot *s = keyring_snapshot(k);
	int64_t now = keyring_now_ms(k);

	return key_schedule_due(keyring_schedule(k), s->times, s->n, alg, now) <= now;
}

int key_rotation_plan_due(const struct keyring *k, enum ssf_alg alg, json_t *plan, struct ssf_err *err)
{
	const struct key_snapshot *s = keyring_snapshot(k);
	const struct key_schedule_conf *schedule = keyring_schedule(k);
	int signing = key_schedule_signing(s->times, s->n, alg, keyring_now_ms(k));

	if (!key_rotation_is_due(k, alg))
		return 0;
	if (signing < 0)
		return add_item(s, alg, at_once, NULL, plan, err);
	return add_item(s, alg,
			(struct key_start){ schedule->ahead_ms,
					    key_schedule_end(schedule, &s->times[signing]) },
			NULL, plan, err);
}

int key_rotation_plan(const struct keyring *k, enum ssf_alg alg, bool now, json_t *plan,
		      struct ssf_err *err)
{
	const struct key_snapshot *s = keyring_snapshot(k);
	int waiting = key_schedule_waiting(s->times, s->n, alg, keyring_now_ms(k));
	struct key_start start = { now ? 0 : keyring_schedule(k)->ahead_ms, 0 };

	if (waiting >= 0 && !now)
		return ssf_fail(err, SSF_E_CONFLICT, "%s: the next key waits already", ssf_alg_name(alg));
	if (waiting >= 0)
		return add_item(s, alg, start, s->keys[waiting].kid, plan, err);
	if (key_schedule_full(s->times, s->n, alg, keyring_now_ms(k)))
		return ssf_fail(err, SSF_E_CONFLICT, "%s: %d keys are published: wait until one is not",
				ssf_alg_name(alg), KEY_SCHEDULE_PUBLISHED_MAX);
	return add_item(s, alg, start, NULL, plan, err);
}

int key_rotation_plan_replacement(const struct keyring *k, enum ssf_alg alg, json_t *plan,
				  struct ssf_err *err)
{
	return add_item(keyring_snapshot(k), alg, at_once, NULL, plan, err);
}

int key_rotation_store(struct db *db, const json_t *plan, int64_t keep_ms, db_done_f *done, void *arg,
		       struct db_op **out, struct ssf_err *err)
{
	return db_exec(db, STMT_signing_keys_rotate, DB_PARAMS(db_param_json(plan), db_param_int(keep_ms)),
		       done, arg, out, err);
}
