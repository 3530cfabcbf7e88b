/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the ring as they were read once: parsed, with their times. Private to hub/keys. */
#pragma once

#include <jansson.h>

#include "hub/keys/key_schedule.h"
#include "hub/secrets/seal.h"
#include "hub/db/db.h"

struct key_snapshot {
	size_t n;
	struct key_schedule_key *times;
	struct held_key {
		char *kid;
		struct ssf_key *key;  /* NULL: it does not open under our master key */
	} *keys;
	int64_t now_ms;               /* the database's when they were read; 0 if there are none */
	int64_t change;               /* how often they had changed until then; 0 if there are none */
};

/*
 * From rows of signing_key_ring. before: the ones read earlier, whose keys are not parsed again;
 * or NULL. A key that does not open is logged when it is seen first.
 */
ssf_nodiscard int key_snapshot_read(const struct db_result *rows, const struct master_key *master,
			    const struct key_snapshot *before, struct key_snapshot **out, struct ssf_err *err);
void key_snapshot_free(struct key_snapshot *h); /* NULL is fine */
SSF_DEFINE_AUTO(key_snapshot)

int key_snapshot_find(const struct key_snapshot *h, struct ssf_str kid); /* an index, -1 if it is not there */
bool key_snapshot_any_usable(const struct key_snapshot *h);
/* New references, NULL when out of memory; the forms are those of ring_jwks() and ring_list(). */
json_t *key_snapshot_jwks(const struct key_snapshot *h, int64_t now_ms);
json_t *key_snapshot_list(const struct key_snapshot *h, int64_t now_ms);
