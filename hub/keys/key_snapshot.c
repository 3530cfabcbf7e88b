/* SPDX-License-Identifier: Apache-2.0 */
/* Owns private keys, parsed. Only references to them get out, to sign with. */
#include "hub/keys/key_snapshot.h"

#include "hub/keys/keygen.h"
#include "lib/kit/log.h"
#include "lib/ssf/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum column { KID, ALG, SEALED, CREATED, SIGNS_FROM, PUBLISHED_UNTIL, NOW, CHANGE };

void key_snapshot_free(struct key_snapshot *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; h->keys != NULL && i < h->n; i++) {
		free(h->keys[i].kid);
		ssf_key_free(h->keys[i].key);
	}
	free(h->keys);
	free(h->times);
	free(h);
}

static int open_key(const struct master_key *master, const char *hex, const char *kid,
		    struct ssf_key **out, struct ssf_err *err)
{
	size_t len = hex != NULL ? strlen(hex) / 2 : 0;
	ssf_auto_free uint8_t *sealed = malloc(len + 1);
	ssf_auto_buf pem = SSF_BUF(64 * 1024);

	if (sealed == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	if (hex == NULL || ssf_unhex(ssf_str_c(hex), sealed, len) < 0)
		return ssf_fail(err, SSF_E_KEY, "signing key: nothing is sealed");
	if (unseal(master, MINT_CONTEXT, (struct ssf_str){ (char *)sealed, len }, &pem, err) < 0)
		return -1;
	return ssf_key_from_pem(ssf_buf_str(&pem), kid, out, err);
}

/* A key never changes: one that was opened before is taken over. */
static int read_row(struct key_snapshot *h, const struct db_result *rows, size_t row, const struct master_key *master,
		    const struct key_snapshot *before, struct ssf_err *err)
{
	const char *kid = db_text(rows, row, KID);
	int known = before != NULL ? key_snapshot_find(before, ssf_str_c(kid)) : -1;
	struct held_key *k = &h->keys[row];
	struct ssf_err why;

	k->kid = strdup(kid);
	if (k->kid == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	if (known >= 0) {
		k->key = before->keys[known].key != NULL ? ssf_key_ref(before->keys[known].key) : NULL;
	} else if (open_key(master, db_text(rows, row, SEALED), kid, &k->key, &why) < 0) {
		k->key = NULL;
		if (why.code == SSF_E_NOMEM)
			return ssf_fail(err, why.code, "%s", why.msg);
		log_error("keys.load.unusable", log_str("kid", kid), log_why(&why));
	}
	h->times[row] = (struct key_schedule_key){
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
	ssf_auto(key_snapshot) h = calloc(1, sizeof(*h));

	if (h == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	h->n = db_rows(rows);
	h->times = calloc(h->n + 1, sizeof(*h->times));
	h->keys = calloc(h->n + 1, sizeof(*h->keys));
	if (h->times == NULL || h->keys == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing keys");
	for (size_t row = 0; row < h->n; row++) {
		if (read_row(h, rows, row, master, before, err) < 0)
			return -1;
	}
	h->now_ms = h->n > 0 ? db_int(rows, h->n - 1, NOW) : 0;
	h->change = h->n > 0 ? db_int(rows, h->n - 1, CHANGE) : 0;
	*out = SSF_STEAL(h);
	return 0;
}

int key_snapshot_find(const struct key_snapshot *h, struct ssf_str kid)
{
	for (size_t i = 0; i < h->n; i++) {
		if (ssf_str_eq_c(kid, h->keys[i].kid))
			return (int)i;
	}
	return -1;
}

bool key_snapshot_any_usable(const struct key_snapshot *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->times[i].usable)
			return true;
	}
	return false;
}

json_t *key_snapshot_jwks(const struct key_snapshot *h, int64_t now_ms)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < h->n; i++) {
		if (key_schedule_published(&h->times[i], now_ms) &&
		    json_array_append_new(keys, ssf_key_to_jwk(h->keys[i].key)) < 0) {
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

json_t *key_snapshot_list(const struct key_snapshot *h, int64_t now_ms)
{
	static const char *const states[] = { [KEY_SCHEDULE_NEXT] = "next", [KEY_SCHEDULE_SIGNING] = "signing",
					      [KEY_SCHEDULE_RETIRED] = "retired" };
	json_t *list = json_array();

	for (size_t i = 0; i < h->n; i++) {
		const struct key_schedule_key *t = &h->times[i];
		if (!key_schedule_published(t, now_ms))
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "kid", h->keys[i].kid, "alg",
					    ssf_alg_name(t->alg), "state",
					    states[key_schedule_state(h->times, h->n, i, now_ms)], "created_at",
					    time_json(t->created_ms), "signs_from",
					    time_json(t->signs_from_ms), "published_until",
					    time_json(t->published_until_ms))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
