/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub signs: SETs, and what it says at once. The keys are those of the ring
 * (hub/keys/ring.h); RS256 is done in the job pool, ES256 on the loop.
 */
#pragma once

#include <jansson.h>

#include "hub/keys/jti.h"
#include "hub/keys/ring.h"
#include "hub/secrets/seal.h"
#include "hub/db/db.h"
#include "hub/eventlog/event.h"
#include "lib/kit/pool.h"
#include "lib/ssf/jwk.h"

struct keys;
struct keys_sign;

/*
 * Loads the keys from the database and makes what is missing (one of each algorithm), which is
 * asynchronous, and retried if it fails: ready is called once, when there is one of each.
 * issuer is borrowed and goes into every SET.
 */
ssf_nodiscard int keys_new(struct loop *loop, struct db *db, struct pool *pool,
			   const struct master_key *master, const struct key_schedule_conf *conf,
			   const char *issuer, loop_f *ready, void *arg, struct keys **out,
			   struct ssf_err *err);
void keys_free(struct keys *k);
/*
 * For the end: fails all signatures and changes under way with SSF_E_UNAVAILABLE, and makes no
 * more.
 */
void keys_stop(struct keys *k);

/*
 * The ring, to look at and to change: ring_list(), ring_rotate(), ring_revoke(). A rotation that is
 * asked for while a next key waits is SSF_E_CONFLICT, unless "now": then the one that waits signs
 * at once.
 */
struct ring *keys_ring(struct keys *k);

/* There are stored keys, and none opens: this is the wrong master key, and no new ones are made. */
bool keys_locked_out(const struct keys *k);

/* The JWKS document; new reference. */
json_t *keys_jwks(const struct keys *k);

/* A key of ours that is in the JWKS now, to verify with; borrowed until the loop turns. NULL if none. */
const struct ssf_key *keys_find(const struct keys *k, struct ssf_str kid, enum ssf_alg alg);

/*
 * Calls f whenever a key is published no more, because it was revoked or its time is over, before
 * who revoked it is told. Nothing that was signed by it may leave the hub after that: who holds a
 * signed SET has to sign it again. One listener; f NULL: none. keys_gone() counts those times.
 */
void keys_listen(struct keys *k, loop_f *f, void *arg);
uint64_t keys_gone(const struct keys *k);

/*
 * Appends a JWS of the payload, signed at once with the ES256 key that signs now (some 50 us: this
 * is for the loop). For what we say ourselves and is no SET. SSF_E_UNAVAILABLE (no key yet, or we
 * are stopping), and what ssf_jws_sign() says.
 */
ssf_nodiscard int keys_sign_now(struct keys *k, const char *typ, struct ssf_str payload,
				struct ssf_buf *out, struct ssf_err *err);

/* The jti of an event for an audience (hub/keys/jti.h). */
#define KEYS_JTI_LEN JTI_LEN
void keys_jti(const struct keys *k, int64_t seq, const char *audience, char out[KEYS_JTI_LEN]);
/* -1 if it is not one that this hub made for this audience. */
int keys_jti_seq(const struct keys *k, struct ssf_str jti, const char *audience, int64_t *seq);

/*
 * The signed SET of an event for an audience, by the key that signs when f is called. All streams
 * of one audience share it: who asks while it is being made waits for the same signature, and the
 * newest are kept while their key signs, so that a retry, another poll or a sister stream does not
 * sign again. When many wait, they are called in slices, so that others have their turn.
 * set is borrowed for the call. err: SSF_E_BUSY (pool full), SSF_E_UNAVAILABLE (no key yet), SSF_E_NOMEM.
 */
typedef void keys_signed_f(void *arg, struct ssf_str set, const struct ssf_err *err);
ssf_nodiscard int keys_sign_start(struct keys *k, const struct event *e, const char *audience,
				  enum ssf_alg alg, keys_signed_f *f, void *arg,
				  struct keys_sign **out, struct ssf_err *err);
void keys_sign_cancel(struct keys_sign *s);

/* The same if it is there already, else an empty view; borrowed until the loop turns. */
struct ssf_str keys_signed(const struct keys *k, const struct event *e, const char *audience,
			   enum ssf_alg alg);
