/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/key_revocation.h"

#include "hub/keys/key_rotation.h"

int key_revocation_plan(const struct keyring *k, const char *kid, json_t *plan, struct ssf_err *err)
{
	const struct key_snapshot *s = keyring_snapshot(k);
	int64_t now = keyring_now_ms(k);
	int at = key_snapshot_find(s, ssf_str_c(kid));

	if (at < 0 || !key_schedule_published(&s->times[at], now))
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such key");
	for (int i = 0; i < (int)s->n; i++) {
		if (i != at && s->times[i].alg == s->times[at].alg &&
		    key_schedule_published(&s->times[i], now))
			return 0;
	}
	return key_rotation_plan_replacement(k, s->times[at].alg, plan, err);
}

int key_revocation_store(struct db *db, const char *kid, const json_t *plan, db_done_f *done, void *arg,
			 struct db_op **out, struct ssf_err *err)
{
	return db_exec(db, STMT_signing_key_revoke,
		       DB_PARAMS(db_param_text(kid), db_param_json(json_array_get(plan, 0))), done, arg,
		       out, err);
}
