/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that an operator sets up, in memory: one JSON value a resource, by kind and id,
 * with the indexes that the paths of events need. Changed only through the store: what is in
 * here is committed. Empty until it is loaded.
 */
#pragma once

#include <jansson.h>

#include "hub/db/db.h"
#include "hub/cluster/owner.h"
#include "lib/kit/loop.h"

enum kind {
	KIND_PERSON,
	KIND_AGENT,
	KIND_CREDENTIAL,
	KIND_SOURCE,
	KIND_TRANSMITTER,
	KIND_ISSUER,
	KIND_CLIENT,
	KIND_STREAM,
	KIND_RULES,
	KIND_COUNT
};

#define KIND_ID_MAX 128 /* bytes of an id, without the NUL */

const char *kind_name(enum kind kind);
int kind_from_name(const char *name, enum kind *out); /* -1 if there is none */

struct registry;
struct registry_put;

/* ready is called once, when the first load has succeeded. */
ssf_nodiscard int registry_new(struct loop *loop, struct db *db, loop_f *ready, void *arg,
			       struct registry **out, struct ssf_err *err);
void registry_free(struct registry *r);
/* With whom what is changed here and elsewhere is shared; borrowed. Without it this is the only process. */
void registry_share(struct registry *r, struct owner *owner);
/*
 * Loads everything, or what others have changed since, in the order of the changes: call it when the
 * database has come up and when there is news. Tries until it succeeds.
 */
void registry_load(struct registry *r);
bool registry_is_ready(const struct registry *r);

/* Called after a change, with spec NULL when the resource is gone. At most 8 listeners. */
typedef void registry_f(void *arg, enum kind kind, const char *id, const json_t *spec);
void registry_listen(struct registry *r, registry_f *f, void *arg);

/* Borrowed until the next change; NULL if there is none. */
const json_t *registry_get(const struct registry *r, enum kind kind, const char *id);
const json_t *registry_all(const struct registry *r, enum kind kind); /* object: id to spec */
int64_t registry_version(const struct registry *r, enum kind kind, const char *id); /* 0: none */

/* Ids, borrowed; NULL if there is none. */
const char *registry_credential_of(const struct registry *r, const char *fingerprint_hex);
const char *registry_agent_of_repository(const struct registry *r, const char *repository);
const char *registry_client_of_token(const struct registry *r, const char *token_sha256_hex);
const char *registry_transmitter_of(const struct registry *r, const char *issuer);
const char *registry_issuer_of(const struct registry *r, const char *issuer);
/* The client that an access token of this issuer (its id) speaks for. */
const char *registry_client_of_subject(const struct registry *r, const char *issuer_id,
				       const char *subject);

/*
 * Stores a batch, all or nothing, then changes the memory and tells the listeners. f is called when
 * every process has done so, or has stopped to act (owner_settle_start()).
 * batch: array of {"kind","id","spec" (null deletes),"actor","expected" (version, 0: none;
 * optional)}, a reference is kept. SSF_E_CONFLICT when a version is not as expected.
 * versions: array of {"kind","id","version"}, borrowed for the call.
 */
typedef void registry_put_f(void *arg, const json_t *versions, const struct ssf_err *err);
ssf_nodiscard int registry_put_start(struct registry *r, json_t *batch, registry_put_f *f,
				     void *arg, struct registry_put **out, struct ssf_err *err);
/* The change may still be made; its owner is not told. */
void registry_put_cancel(struct registry_put *p);
