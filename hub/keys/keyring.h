/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signing keys of the hub in memory: a snapshot of the stored keys, and the database's time, from
 * which follows what each key does now (hub/keys/key_schedule.h). It asks nothing of the database itself:
 * key_manager.h reads the keys and changes them. Private keys never leave it except as references to
 * sign with.
 */
#pragma once

#include <jansson.h>

#include "hub/db/db.h"
#include "hub/keys/key_schedule.h"
#include "hub/keys/key_snapshot.h"
#include "hub/secrets/seal.h"
#include "lib/kit/loop.h"
#include "lib/ssf/jwk.h"

struct keyring;

/* master is borrowed. The ring is empty at first. */
ssf_nodiscard int keyring_new(const struct master_key *master, const struct key_schedule_conf *conf,
			      struct keyring **out, struct ssf_err *err);
void keyring_free(struct keyring *k); /* NULL is fine */

/*
 * Replaces the snapshot. rows: of view signing_key_ring, which each statement on signing keys returns.
 * If a key has left, the listener is called before this returns.
 */
ssf_nodiscard int keyring_update(struct keyring *k, const struct db_result *rows, struct ssf_err *err);

/*
 * Calls f whenever a key is not published any more: it was revoked, or its time is over. From then on
 * nothing that it signed may leave the hub: a SET that is signed and not sent must be signed again. One
 * listener; f NULL removes it.
 */
void keyring_on_removed(struct keyring *k, loop_f *f, void *arg);
/* How often keys have left: a signature made before may be by a key that has left since. */
uint64_t keyring_removals(const struct keyring *k);

/* There are stored keys and none can be unsealed: this is the wrong master key. */
bool keyring_is_locked_out(const struct keyring *k);
/* NULL before the first update. Borrowed until the next one. */
const struct key_snapshot *keyring_snapshot(const struct keyring *k);
const struct key_schedule_conf *keyring_schedule(const struct keyring *k);
/* The database's time, carried on by the monotonic clock, so that all processes agree. */
int64_t keyring_now_ms(const struct keyring *k);

/* The key that signs now, or NULL. Borrowed until the loop turns. */
struct ssf_key *keyring_signing_key(const struct keyring *k, enum ssf_alg alg);
/* A key that is published now, to verify with, or NULL. Borrowed until the loop turns. */
const struct ssf_key *keyring_find(const struct keyring *k, struct ssf_str kid, enum ssf_alg alg);

/*
 * Appends a JWS of the payload, signed with the ES256 key at once (some 50 us: made for the loop). For
 * what the hub asserts itself and is not a SET. SSF_E_UNAVAILABLE (no key yet), and the errors of
 * ssf_jws_sign().
 */
ssf_nodiscard int keyring_sign(const struct keyring *k, const char *typ, struct ssf_str payload,
			       struct ssf_buf *out, struct ssf_err *err);

/* {"keys":[JWK ...]}: the public halves of all published keys; new reference, NULL: no memory. */
json_t *keyring_jwks(const struct keyring *k);
/* How long clients may cache that, in seconds: well below the time a new key is published ahead. */
int64_t keyring_jwks_max_age_s(const struct keyring *k);
/*
 * Array of {"kid","alg","state":"next|signing|retired","created_at","signs_from",
 * "published_until":time or null}; new reference, NULL: no memory.
 */
json_t *keyring_list(const struct keyring *k);
