/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the signed SET of an event for an audience, with the key that signs now. All streams of one
 * audience share a SET: requests that come while it is being signed wait for the same signature, and the
 * newest SETs are cached while their key signs. RS256 is signed in the job pool, ES256 on the loop.
 */
#pragma once

#include "hub/eventlog/event.h"
#include "hub/keys/jti.h"
#include "hub/keys/keyring.h"
#include "lib/kit/pool.h"

struct set_signer;
struct set_signer_wait;

/* All borrowed. */
struct set_signer_deps {
	struct loop *loop;
	struct pool *pool;               /* for RS256 */
	struct keyring *keyring;
	const struct master_key *master; /* the key that makes jtis is derived from it */
	const char *issuer;
};

ssf_nodiscard int set_signer_new(const struct set_signer_deps *deps, struct set_signer **out,
				 struct ssf_err *err);
/* For shutdown: answers every request with SSF_E_UNAVAILABLE and takes no more. */
void set_signer_stop(struct set_signer *s);
void set_signer_free(struct set_signer *s); /* NULL is fine */

/* The jti of an event for an audience (jti.h). */
void set_signer_jti(const struct set_signer *s, int64_t seq, const char *audience, char out[JTI_LEN]);
/* The event that a jti names; -1 if the hub did not make this jti for this audience. */
int set_signer_jti_seq(const struct set_signer *s, struct ssf_str jti, const char *audience,
		       int64_t *seq);

/* What decides the bytes of a SET, apart from the key. Borrowed for the call. */
struct set_request {
	const struct event *event;
	const char *audience;
	enum ssf_alg alg;
};

/*
 * Signs, or waits for a signature that is being made. set is signed by the key that signs when f is
 * called, and borrowed for the call. Many requests for one SET are answered in slices, so that others get
 * their turn. err: SSF_E_BUSY (the pool is full), SSF_E_UNAVAILABLE (no key yet), SSF_E_NOMEM.
 */
typedef void set_signer_done_f(void *arg, struct ssf_str set, const struct ssf_err *err);
ssf_nodiscard int set_signer_start(struct set_signer *s, const struct set_request *request,
				   set_signer_done_f *f, void *arg, struct set_signer_wait **out,
				   struct ssf_err *err);
void set_signer_cancel(struct set_signer_wait *w); /* NULL is fine */

/* The SET if it is cached, else an empty view. Borrowed until the loop turns. */
struct ssf_str set_signer_cached(const struct set_signer *s, const struct set_request *request);
