/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a resource as it was sent to the one that is stored, and back to the one that is shown, by the description of
 * its kind (kinds/kind.h): secrets are sealed or hashed, references and unique values are checked against what is
 * stored and against the rest of the same request.
 */
#pragma once

#include "hub/registry/registry.h"
#include "hub/secrets/seal.h"

/* All borrowed. */
struct resource_checker {
	const struct registry *registry;
	const struct master_key *master;
	const struct egress_policy *policy;
};

/*
 * The resources of one request, so that they may refer to each other in any order. Zeroed memory with
 * resource_peers_init(); NULL in calls for a single resource.
 */
struct resource_peers {
	json_t *pending[KIND_COUNT]; /* id to resource as sent */
	json_t *claimed[KIND_COUNT]; /* unique values taken so far: index and value to id */
};

ssf_nodiscard int resource_peers_init(struct resource_peers *p, struct ssf_err *err);
void resource_peers_done(struct resource_peers *p); /* no-op on zeroed memory */

/* in: a resource with a valid "kind" and "id", and maybe "version", which are the caller's to check. at: its place. */
struct resource_input {
	enum kind kind;
	const char *id;
	const json_t *in;
	const struct ssf_json_path *at;
};

/* *spec: new reference. Messages begin with the member's name; d->path is its place. */
ssf_nodiscard int resource_check(const struct resource_checker *c, const struct resource_peers *peers,
				 const struct resource_input *input, json_t **spec, struct ssf_diagnostic *d);

/* The resource as it is shown, without its version; new reference, or NULL when out of memory. */
json_t *resource_show(enum kind kind, const char *id, const json_t *spec);

/* SSF_E_CONFLICT naming a resource that refers to it. */
ssf_nodiscard int resource_check_delete(const struct registry *r, enum kind kind, const char *id,
					struct ssf_err *err);

/*
 * Calls f with each address that receivers chose (KIND_PUSH_URL) and that is not stored already; old may be NULL.
 * Stops at the first -1 of f and returns it.
 */
typedef int resource_url_f(void *arg, const char *url, struct ssf_err *err);
ssf_nodiscard int resource_new_urls(enum kind kind, const json_t *spec, const json_t *old,
				    resource_url_f *f, void *arg, struct ssf_err *err);
