/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the ring as they were read once: parsed, with their times. Private to hub/keys. */
#pragma once

#include <jansson.h>

#include "hub/keys/rota.h"
#include "hub/keys/seal.h"
#include "hub/store/db.h"

struct held {
	size_t n;
	struct rota_key *times;
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
ssf_nodiscard int held_read(const struct db_result *rows, const struct master_key *master,
			    const struct held *before, struct held **out, struct ssf_err *err);
void held_free(struct held *h); /* NULL is fine */
SSF_DEFINE_AUTO(held)

int held_find(const struct held *h, struct ssf_str kid); /* an index, -1 if it is not there */
bool held_any_usable(const struct held *h);
/* New references, NULL when out of memory; the forms are those of ring_jwks() and ring_list(). */
json_t *held_jwks(const struct held *h, int64_t now_ms);
json_t *held_list(const struct held *h, int64_t now_ms);
