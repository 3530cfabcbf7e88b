/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the revocation of a compromised key stores: the key leaves the ring at once, and if no other
 * published key of its algorithm is left, a new one replaces it in the same transaction.
 */
#pragma once

#include "hub/keys/keyring.h"

/* Adds a replacement to plan (key_rotation.h) if one is needed. SSF_E_NOT_FOUND: not published. */
ssf_nodiscard int key_revocation_plan(const struct keyring *k, const char *kid, json_t *plan,
				      struct ssf_err *err);

/* plan: empty, or one item with its key. done as in key_rotation_store(). */
ssf_nodiscard int key_revocation_store(struct db *db, const char *kid, const json_t *plan,
				       db_done_f *done, void *arg, struct db_op **out,
				       struct ssf_err *err);
