/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that an operator sets up, in memory and in step with the database. It changes only through the
 * database: what is in here is committed. Empty until the first load succeeds.
 */
#pragma once

#include <jansson.h>

#include "hub/cluster/owner.h"
#include "hub/db/db.h"
#include "hub/registry/kinds/kind.h"
#include "lib/kit/loop.h"

struct registry;

/* ready is called once, when the first load has succeeded. */
ssf_nodiscard int registry_new(struct loop *loop, struct db *db, loop_f *ready, void *arg,
			       struct registry **out, struct ssf_err *err);
/* For the end: answers every write that is left with SSF_E_UNAVAILABLE, and reads no more. NULL is fine. */
void registry_stop(struct registry *r);
void registry_free(struct registry *r); /* after registry_stop(); NULL is fine */
/* The other processes of the hub; borrowed. Without it this is the only process. */
void registry_share(struct registry *r, struct owner *owner);
/*
 * Reads everything, or what others have changed since, in the order of the changes: to be called when the database
 * has come up, and when another process has changed something. Retries until it succeeds.
 */
void registry_load(struct registry *r);
bool registry_is_ready(const struct registry *r);

/* f is called after each change, with spec NULL when the resource was deleted. SSF_E_NOMEM. */
typedef void registry_f(void *arg, enum kind kind, const char *id, const json_t *spec);
ssf_nodiscard int registry_listen(struct registry *r, registry_f *f, void *arg, struct ssf_err *err);

/* Borrowed until the next change; NULL if there is none. */
const json_t *registry_get(const struct registry *r, enum kind kind, const char *id);
const json_t *registry_all(const struct registry *r, enum kind kind); /* object: id to spec */
int64_t registry_version(const struct registry *r, enum kind kind, const char *id); /* 0: none */

/* The id of the resource that has this value in a KIND_UNIQUE member (resource_set_find()); borrowed, or NULL. */
const char *registry_find(const struct registry *r, enum kind kind, const char *member, const char *value);
const char *registry_find_within(const struct registry *r, enum kind kind, const char *member,
				 const char *within, const char *value);

/*
 * Stores a batch, all or nothing, then changes the memory and calls the listeners. f is called when every process
 * has done so, or has stopped acting (owner_settle_start()).
 * batch: array of {"kind","id","spec" (null deletes),"actor","expected" (version, 0: not stored; optional)}; a
 * reference is kept. SSF_E_CONFLICT when a version is not as expected. An error after the commit is
 * SSF_E_UNAVAILABLE: the outcome is unknown to the caller.
 * versions: array of {"kind","id","version"}, borrowed for the call.
 * There is no handle to cancel: a write that was sent may be committed, and the memory has to follow. f is called
 * in any case, at the latest by registry_stop().
 */
typedef void registry_write_f(void *arg, const json_t *versions, const struct ssf_err *err);
ssf_nodiscard int registry_write_start(struct registry *r, json_t *batch, registry_write_f *f, void *arg,
				       struct ssf_err *err);
