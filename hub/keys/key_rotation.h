/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rotation stores. Planning is pure: from the keyring and its time alone. A plan is an array with
 * one item a key: {"alg","after":kid or null,"ahead_ms","not_before_ms"}, and "kid" if a key that waits
 * already is to sign now; without "kid" a key has to be made, and is merged into the item (keygen.h).
 */
#pragma once

#include "hub/keys/keyring.h"

/* Whether a key of the algorithm is missing or due by schedule. */
bool key_rotation_is_due(const struct keyring *k, enum ssf_alg alg);

/* Adds to plan what is due by schedule, if anything. SSF_E_NOMEM. */
ssf_nodiscard int key_rotation_plan_due(const struct keyring *k, enum ssf_alg alg, json_t *plan,
					struct ssf_err *err);

/*
 * Adds a rotation by hand: the new key signs after the time that it is published ahead, or now.
 * SSF_E_CONFLICT: a next key waits already (with now it is the one that signs), or too many are
 * published.
 */
ssf_nodiscard int key_rotation_plan(const struct keyring *k, enum ssf_alg alg, bool now, json_t *plan,
				    struct ssf_err *err);

/* Adds a key that signs at once, to replace one that is revoked. */
ssf_nodiscard int key_rotation_plan_replacement(const struct keyring *k, enum ssf_alg alg,
						json_t *plan, struct ssf_err *err);

/*
 * Stores a plan in which each item has a key; done gets the rows for keyring_update(). SSF_E_CONFLICT in
 * done: another process has changed the keys since they were read.
 */
ssf_nodiscard int key_rotation_store(struct db *db, const json_t *plan, int64_t keep_ms,
				     db_done_f *done, void *arg, struct db_op **out,
				     struct ssf_err *err);
