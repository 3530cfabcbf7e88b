/* SPDX-License-Identifier: Apache-2.0 */
/* The signing keys as one reading of the database found them: unsealed, parsed, with their times. */
#pragma once

#include <jansson.h>

#include "hub/keys/key_schedule.h"
#include "hub/secrets/seal.h"
#include "hub/db/db.h"

struct key_snapshot {
	size_t n;
	struct key_schedule_key *times;
	struct key_snapshot_key {
		char *kid;
		struct ssf_key *key;  /* NULL: it cannot be unsealed under this master key */
	} *keys;
	int64_t now_ms;               /* the database's time of the reading; 0 without keys */
	int64_t version;              /* counts the changes of keys; 0 without keys */
};

/*
 * From rows of signing_key_ring. before: the reading before, whose keys are taken over instead of being
 * parsed again; or NULL. A key that cannot be unsealed is logged when it is seen first.
 */
ssf_nodiscard int key_snapshot_read(const struct db_result *rows, const struct master_key *master,
				    const struct key_snapshot *before, struct key_snapshot **out,
				    struct ssf_err *err);
void key_snapshot_free(struct key_snapshot *s); /* NULL is fine */
SSF_DEFINE_AUTO(key_snapshot)

int key_snapshot_find(const struct key_snapshot *s, struct ssf_str kid); /* index, or -1 */
bool key_snapshot_any_usable(const struct key_snapshot *s);
/* New references, NULL when out of memory; the forms are those of keyring_jwks() and keyring_list(). */
json_t *key_snapshot_jwks(const struct key_snapshot *s, int64_t now_ms);
json_t *key_snapshot_list(const struct key_snapshot *s, int64_t now_ms);
