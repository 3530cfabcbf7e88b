/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on a PostgreSQL of their own, with a manager and a signer. */
#pragma once

#include "hub/keys/key_manager.h"
#include "hub/keys/set_signer.h"

#include <stdatomic.h>

struct keys_fixture {
	char *database, *path;
	struct loop *loop;
	struct pool *pool;    /* of one thread: a test that blocks it decides what is signed when */
	struct db *db;
	struct master_key *master;
	struct keyring *keyring;
	struct key_manager *manager;
	struct set_signer *signer;
	struct loop_timer *deadline;
	atomic_bool blocked;  /* the pool's thread is */
	atomic_bool release;  /* lets it go on */
	bool ready, changed;
	size_t changed_keys;
	unsigned removals;
	struct ssf_err err;   /* of the change */
	char signed_by[64];   /* kid of the last SET */
	char jti[64];
	size_t sets;
	bool expect_failure;  /* of signatures */
	size_t failures;
};

/* For the group, and for each test. */
int keys_fixture_start_server(void **state);
int keys_fixture_stop_server(void **state);
int keys_fixture_set_up(void **state);
int keys_fixture_set_up_four_threads(void **state);
int keys_fixture_tear_down(void **state);

/* A change, until it is done; f->err says how it ended. */
void keys_fixture_rotate(struct keys_fixture *f, enum ssf_alg alg, bool now);
void keys_fixture_revoke(struct keys_fixture *f, const char *kid);
void keys_fixture_on_changed(void *arg, const json_t *keys, const struct ssf_err *err);

void keys_fixture_signing_kid(const struct keys_fixture *f, enum ssf_alg alg, char out[64]);
