/* SPDX-License-Identifier: Apache-2.0 */
/* Owns private keys, parsed. Only references leave it, to sign with. */
#include "hub/keys/key_snapshot.h"

#include "hub/keys/keygen.h"
#include "lib/kit/log.h"
#include "lib/ssf/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum column { KID, ALG, SEALED, CREATED, SIGNS_FROM, PUBLISHED_UNTIL, NOW, VERSION };

void key_snapshot_free(struct key_snapshot *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; s->keys != NULL && i < s->n; i++) {
		free(s->keys[i].kid);
		ssf_key_free(s->keys[i].key);
	}
	free(s->keys);
	free(s->times);
	free(s);
}

static int unseal_key(const struct master_key *master, const char *hex, const char *kid,
		    struct ssf_key **out, struct ssf_err *err)
{
	size_t len = hex != NULL ? strlen(hex) / 2 : 0;
	ssf_auto_free uint8_t *sealed = malloc(len + 1);
	ssf_auto_buf pem = SSF_BUF(64 * 1024);

	if (sealed == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	if (hex == NULL || ssf_unhex(ssf_str_c(hex), sealed, len) < 0)
		return ssf_fail(err, SSF_E_KEY, "signing key: not sealed");
	if (unseal(master, KEYGEN_CONTEXT, (struct ssf_str){ (char *)sealed, len }, &pem, err) < 0)
		return -1;
	return ssf_key_from_pem(ssf_buf_str(&pem), kid, out, err);
}

/* A key never changes, so one that was unsealed before is taken over. */
static int read_key(struct key_snapshot *s, const struct db_result *rows, size_t row, const struct master_key *master,
		    const struct key_snapshot *before, struct ssf_err *err)
{
	const char *kid = db_text(rows, row, KID);
	int known = before != NULL ? key_snapshot_find(before, ssf_str_c(kid)) : -1;
	struct key_snapshot_key *k = &s->keys[row];
	struct ssf_err why;

	k->kid = strdup(kid);
	if (k->kid == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	if (known >= 0) {
		k->key = before->keys[known].key != NULL ? ssf_key_ref(before->keys[known].key) : NULL;
	} else if (unseal_key(master, db_text(rows, row, SEALED), kid, &k->key, &why) < 0) {
		k->key = NULL;
		if (why.code == SSF_E_NOMEM)
			return ssf_fail(err, why.code, "%s", why.msg);
		log_error("keys.unseal.failed", log_str("kid", kid), log_why(&why));
	}
	s->times[row] = (struct key_schedule_key){
		.alg = ssf_alg_from_name(ssf_str_c(db_text(rows, row, ALG))),
		.usable = k->key != NULL,
		.created_ms = db_int(rows, row, CREATED),
		.signs_from_ms = db_int(rows, row, SIGNS_FROM),
		.published_until_ms = db_text(rows, row, PUBLISHED_UNTIL) != NULL ?
					      db_int(rows, row, PUBLISHED_UNTIL) :
					      INT64_MAX,
	};
	return 0;
}

int key_snapshot_read(const struct db_result *rows, const struct master_key *master, const struct key_snapshot *before,
	      struct key_snapshot **out, struct ssf_err *err)
{
	ssf_auto(key_snapshot) s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	s->n = db_rows(rows);
	s->times = calloc(s->n + 1, sizeof(*s->times));
	s->keys = calloc(s->n + 1, sizeof(*s->keys));
	if (s->times == NULL || s->keys == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	for (size_t row = 0; row < s->n; row++) {
		if (read_key(s, rows, row, master, before, err) < 0)
			return -1;
	}
	s->now_ms = s->n > 0 ? db_int(rows, s->n - 1, NOW) : 0;
	s->version = s->n > 0 ? db_int(rows, s->n - 1, VERSION) : 0;
	*out = SSF_STEAL(s);
	return 0;
}

int key_snapshot_find(const struct key_snapshot *s, struct ssf_str kid)
{
	for (size_t i = 0; i < s->n; i++) {
		if (ssf_str_eq_c(kid, s->keys[i].kid))
			return (int)i;
	}
	return -1;
}

bool key_snapshot_any_usable(const struct key_snapshot *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->times[i].usable)
			return true;
	}
	return false;
}

json_t *key_snapshot_jwks(const struct key_snapshot *s, int64_t now_ms)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < s->n; i++) {
		if (key_schedule_published(&s->times[i], now_ms) &&
		    json_array_append_new(keys, ssf_key_to_jwk(s->keys[i].key)) < 0) {
			json_decref(keys);
			return NULL;
		}
	}
	return json_pack("{s:o}", "keys", keys);
}

static json_t *time_json(int64_t ms)
{
	char text[SSF_TIMESTAMP_LEN];

	ssf_timestamp_text_ms(ms, text);
	return text[0] != '\0' ? json_string(text) : json_null();
}

json_t *key_snapshot_list(const struct key_snapshot *s, int64_t now_ms)
{
	static const char *const states[] = { [KEY_SCHEDULE_NEXT] = "next", [KEY_SCHEDULE_SIGNING] = "signing",
					      [KEY_SCHEDULE_RETIRED] = "retired" };
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct key_schedule_key *t = &s->times[i];
		if (!key_schedule_published(t, now_ms))
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "kid", s->keys[i].kid, "alg",
					    ssf_alg_name(t->alg), "state",
					    states[key_schedule_state(s->times, s->n, i, now_ms)], "created_at",
					    time_json(t->created_ms), "signs_from",
					    time_json(t->signs_from_ms), "published_until",
					    time_json(t->published_until_ms))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
