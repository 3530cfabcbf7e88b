/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's signing keys, and the SETs signed with them. The only holder of private keys:
 * they are stored sealed, parsed once, and used in the job pool (RS256) or at once (ES256).
 */
#pragma once

#include <jansson.h>

#include "hub/keys/seal.h"
#include "hub/store/db.h"
#include "hub/store/event.h"
#include "lib/kit/pool.h"
#include "lib/ssf/jwk.h"

struct keys;
struct keys_sign;

/*
 * Loads the keys from the database and makes what is missing (one of each algorithm), which is
 * asynchronous: ready is called once when there is one, again if it failed it retries by itself.
 * issuer is borrowed and goes into every SET.
 */
ssf_nodiscard int keys_new(struct loop *loop, struct db *db, struct pool *pool,
			   const struct master_key *master, const char *issuer, loop_f *ready,
			   void *arg, struct keys **out, struct ssf_err *err);
void keys_free(struct keys *k);
/* For the end: fails all signatures under way with SSF_E_UNAVAILABLE, and makes no more. */
void keys_stop(struct keys *k);

/* There are stored keys, and none opens: this is the wrong master key, and no new ones are made. */
bool keys_locked_out(const struct keys *k);

/* The JWKS document; new reference. */
json_t *keys_jwks(const struct keys *k);

/* A key of ours that is in the JWKS now, to verify with; borrowed until the loop turns. NULL if none. */
const struct ssf_key *keys_find(const struct keys *k, struct ssf_str kid, enum ssf_alg alg);

/*
 * Appends a JWS of the payload, signed at once with the ES256 key that signs now (some 50 us: this
 * is for the loop). For what we say ourselves and is no SET. SSF_E_UNAVAILABLE (no key yet, or we
 * are stopping), and what ssf_jws_sign() says.
 */
ssf_nodiscard int keys_sign_now(struct keys *k, const char *typ, struct ssf_str payload,
				struct ssf_buf *out, struct ssf_err *err);

/*
 * The jti of an event for an audience: one block cipher over (seq, audience), so that the same
 * event has the same jti at every attempt and an acknowledgement names its event without a table.
 */
#define KEYS_JTI_LEN 23 /* 22 characters and the NUL */
void keys_jti(const struct keys *k, int64_t seq, const char *audience, char out[KEYS_JTI_LEN]);
/* -1 if it is not one that this hub made for this audience. */
int keys_jti_seq(const struct keys *k, struct ssf_str jti, const char *audience, int64_t *seq);

/*
 * The signed SET of an event for an audience. All streams of one audience share it: the newest
 * are kept, so that a retry, another poll or a sister stream does not sign again.
 * set is borrowed for the call. err: SSF_E_BUSY (pool full), SSF_E_UNAVAILABLE (no key yet), SSF_E_NOMEM.
 */
typedef void keys_signed_f(void *arg, struct ssf_str set, const struct ssf_err *err);
ssf_nodiscard int keys_sign_start(struct keys *k, const struct event *e, const char *audience,
				  enum ssf_alg alg, keys_signed_f *f, void *arg,
				  struct keys_sign **out, struct ssf_err *err);
void keys_sign_cancel(struct keys_sign *s);
