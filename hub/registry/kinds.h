/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each kind of resource may look like (docs/reference/api.md): checks what an operator sends, and makes of
 * it what is stored: secrets sealed, tokens and leaked-credential fingerprints hashed.
 */
#pragma once

#include <jansson.h>

#include "hub/secrets/seal.h"
#include "hub/registry/registry.h"
#include "lib/http/egress_policy.h"

/* Shown instead of a sealed secret, and taken back as "leave it as it is". */
#define KIND_SEALED "(sealed)"

struct kinds {
	const struct registry *registry;
	const struct master_key *master;
	const struct egress_policy *guard;
	const json_t *pending[KIND_COUNT]; /* id to resource as sent: the rest of the same batch; may be NULL */
	json_t *claimed[KIND_COUNT];       /* what the batch has taken so far of what is unique: value to id */
};

/* The id of a resource: 1 to 128 of A-Z a-z 0-9 . _ : @ - */
bool kind_id_valid(const char *id);

/*
 * in: the resource with "kind", "id" and maybe "version", which are the caller's to check.
 * *spec: new reference. Errors name the member.
 */
ssf_nodiscard int kind_check(const struct kinds *k, enum kind kind, const char *id,
			     const json_t *in, json_t **spec, struct ssf_err *err);

/* The resource as it is shown; new reference, or NULL when out of memory. */
json_t *kind_show(enum kind kind, const char *id, const json_t *spec);

/* SSF_E_CONFLICT naming what still refers to it. */
ssf_nodiscard int kind_check_delete(const struct registry *r, enum kind kind, const char *id,
				    struct ssf_err *err);
