/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores resources on behalf of a request or of the hub itself. A transaction is all or nothing. Before it
 * is stored, the addresses that its streams push to are resolved, in threads of their own, so that a
 * name that leads somewhere forbidden is refused. What a resource may look like is checked before
 * (resource_check.h).
 */
#pragma once

#include "hub/eventlog/event.h"
#include "hub/registry/registry.h"
#include "lib/http/egress_policy.h"
#include "lib/kit/pool.h"

#define RESOURCE_TXN_URLS_MAX 64 /* push addresses to resolve in one transaction */

struct resource_writer;
struct resource_txn;

/* All borrowed. */
struct resource_writer_deps {
	struct registry *registry;
	struct event_log *log;
	struct pool *resolver; /* does nothing else: a name server may be slow */
	const struct egress_policy *policy;
};

ssf_nodiscard int resource_writer_new(const struct resource_writer_deps *deps,
				      struct resource_writer **out, struct ssf_err *err);
/* After pool_free(resolver) and registry_free(), which end what is under way. NULL is fine. */
void resource_writer_free(struct resource_writer *w);

/* Begins a transaction. actor is who asks: "admin", "client:ID", "hub". NULL when out of memory. */
struct resource_txn *resource_writer_begin(struct resource_writer *w, const char *actor);
/* Ends a transaction that was not committed. NULL is fine. */
void resource_writer_discard(struct resource_txn *t);

enum resource_expect {
	RESOURCE_ANY_VERSION,
	RESOURCE_VERSION,  /* the stored version must be "version", or SSF_E_CONFLICT */
	RESOURCE_IF_MATCH, /* the same as a precondition of the request: any conflict is SSF_E_PRECONDITION */
};

/* What must hold when the resource is stored; all zero: nothing. */
struct resource_condition {
	enum resource_expect check;
	int64_t version;        /* 0: not stored yet */
	int64_t max_per_client; /* resources of this kind that the client may have, with this one, or SSF_E_CONFLICT; 0: any */
};

/* Adds one write; takes spec over, NULL deletes. */
ssf_nodiscard int resource_writer_add(struct resource_txn *t, enum kind kind, const char *id,
				      json_t *spec, struct resource_condition condition,
				      struct ssf_err *err);

/*
 * Commits and takes t over, also on failure. SSF_E_BUSY (also while another address of the same client
 * is being resolved), SSF_E_UNAVAILABLE, SSF_E_NOMEM.
 * There is no handle to cancel: a write that was sent cannot be taken back, and done is always called,
 * at shutdown with SSF_E_UNAVAILABLE.
 * versions: array of {"kind","id","version"}, borrowed for the call; NULL with err.
 */
typedef void resource_done_f(void *arg, const json_t *versions, const struct ssf_err *err);
ssf_nodiscard int resource_writer_commit(struct resource_txn *t, resource_done_f *done, void *arg,
					 struct ssf_err *err);
