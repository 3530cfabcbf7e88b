/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the keyring in step with the database: reads the keys when another process has changed them and
 * at least once a minute, makes those that are missing or due, and changes them on demand. A change is one
 * transaction that fails if the keys have changed since they were read, so that any number of processes
 * may do this.
 */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/keys/keyring.h"
#include "lib/kit/pool.h"

struct key_manager;

/* All borrowed. */
struct key_manager_deps {
	struct loop *loop;
	struct db *db;
	struct pool *pool;      /* makes keys */
	const struct master_key *master;
	struct owner *owner;    /* of the other processes; NULL: there are none */
	struct keyring *keyring;
};

/* ready is called once, from the loop, when there is a key for every algorithm. */
ssf_nodiscard int key_manager_new(const struct key_manager_deps *deps, loop_f *ready, void *arg,
				  struct key_manager **out, struct ssf_err *err);
/* Another process may have changed the keys. */
void key_manager_reload(struct key_manager *m);
/* For shutdown: answers all changes with SSF_E_UNAVAILABLE and makes no more. */
void key_manager_stop(struct key_manager *m);
void key_manager_free(struct key_manager *m); /* NULL is fine */

/*
 * Called once, never from inside the call that asked for the change, when the change is in force in all
 * processes. keys: those that it made or made to sign, as in keyring_list(), borrowed for the call. err:
 * SSF_E_CONFLICT (also: another process was faster), SSF_E_BUSY, SSF_E_UNAVAILABLE (it may have taken
 * effect). There is no handle to cancel: what is stored cannot be taken back, and key_manager_stop()
 * answers everything, so arg must live until then.
 */
typedef void key_manager_done_f(void *arg, const json_t *keys, const struct ssf_err *err);

/*
 * Makes a key for alg (NONE: one for each, all or nothing). It is published at once and signs after
 * ahead_ms of the schedule; the one before it is then retired and stays published for keep_ms. now: it
 * signs at once, before receivers that cache the JWKS know it. See key_rotation.h for SSF_E_CONFLICT.
 */
ssf_nodiscard int key_manager_rotate(struct key_manager *m, enum ssf_alg alg, bool now,
				     key_manager_done_f *done, void *arg, struct ssf_err *err);

/*
 * Withdraws a key whose private half is compromised: from then on it is not published and signs
 * nothing. If it was the one that signs, the next one signs at once, else the one before, else a new
 * one. SSF_E_NOT_FOUND in done: it is not published.
 */
ssf_nodiscard int key_manager_revoke(struct key_manager *m, const char *kid, key_manager_done_f *done,
				     void *arg, struct ssf_err *err);
