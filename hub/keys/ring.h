/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key ring: the signing keys that count now. It reads them from the database, makes those that
 * are missing or due (hub/keys/key_schedule.h), and changes them on demand. The database decides: a change
 * is one transaction that fails if somebody else has changed the keys since they were read, and the
 * time is the database's, carried on by our monotonic clock, so that all processes on one database
 * agree. What others change is seen when they say so, and within a minute.
 */
#pragma once

#include <jansson.h>

#include "hub/keys/key_schedule.h"
#include "hub/secrets/seal.h"
#include "hub/db/db.h"
#include "hub/cluster/owner.h"
#include "lib/kit/pool.h"
#include "lib/ssf/jwk.h"

struct ring;

struct ring_hooks {
	loop_f *ready;  /* once: there is a key for every algorithm */
	void *ready_arg;
	loop_f *gone;   /* a key is published no more: what it has signed must not go out */
	void *gone_arg;
};

/* All borrowed but conf and hooks. No hook is called from inside. */
ssf_nodiscard int ring_new(struct loop *loop, struct db *db, struct pool *pool,
			   const struct master_key *master, const struct key_schedule_conf *conf,
			   const struct ring_hooks *hooks, struct ring **out, struct ssf_err *err);
/* With whom the keys are shared; borrowed. Without it this is the only process. */
void ring_share(struct ring *r, struct owner *owner);
/* Somebody else may have changed them. */
void ring_look(struct ring *r);
/* For the end: fails all changes with SSF_E_UNAVAILABLE and makes no more. */
void ring_stop(struct ring *r);
void ring_free(struct ring *r); /* NULL is fine */

/* There are stored keys, and none opens: this is the wrong master key, and no new ones are made. */
bool ring_locked_out(const struct ring *r);

/* The key that signs now, or NULL. Borrowed until the loop turns. */
struct ssf_key *ring_signing(const struct ring *r, enum ssf_alg alg);
/* A key that is published now, or NULL. Borrowed until the loop turns. */
const struct ssf_key *ring_find(const struct ring *r, struct ssf_str kid, enum ssf_alg alg);

/* {"keys":[JWK ...]}: public halves of all that are published now; new reference, NULL: no memory. */
json_t *ring_jwks(const struct ring *r);
/* How long others may keep that, in seconds: well below what a new key is published ahead. */
int64_t ring_jwks_max_age(const struct ring *r);
/*
 * Array of {"kid","alg","state":"next|signing|retired","created_at","signs_from",
 * "published_until":time or null}; new reference, NULL: no memory.
 */
json_t *ring_list(const struct ring *r);

/*
 * Makes a key for alg (NONE: one for each, all or nothing) that is published at once and signs
 * after conf.ahead_ms; those before it are retired then, and published for conf.keep_ms more.
 * now: it signs at once, before receivers that cache the JWKS know it. While a next key waits
 * already, this is SSF_E_CONFLICT; with now, the one that waits signs at once and none is made.
 *
 * f is called once, never from inside, when what it says holds in all processes (owner_settle_start()):
 * keys are the new ones, as in ring_list(), borrowed. err: SSF_E_CONFLICT (also: too many are published, or somebody else
 * was faster), SSF_E_BUSY, SSF_E_UNAVAILABLE (it may have taken effect).
 */
typedef void ring_changed_f(void *arg, const json_t *keys, const struct ssf_err *err);
ssf_nodiscard int ring_rotate(struct ring *r, enum ssf_alg alg, bool now, ring_changed_f *f, void *arg,
			      struct ssf_err *err);

/*
 * The private half of a key is not ours alone any more: it is not published and signs nothing from
 * then on. If it was the one that signs, the next one does at once, else the one before, else a new
 * one. f as above, and SSF_E_NOT_FOUND: it is not in the ring (any more); keys: a new one, if any.
 */
ssf_nodiscard int ring_revoke(struct ring *r, const char *kid, ring_changed_f *f, void *arg,
			      struct ssf_err *err);
