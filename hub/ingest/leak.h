/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From "a secret leaked" to "whose is it": the event secret.leaked, with the agent and the
 * credential that the registry knows by fingerprint, or the agent by repository.
 */
#pragma once

#include <jansson.h>

#include "hub/ingest/batch.h"
#include "hub/registry/registry.h"

#define LEAK_TYPE "secret.leaked"

/*
 * Adds the event to drafts. d: origin, origin_id, txn, cause, evidence, trace are taken; the rest is set
 * here. detail is extended by "fingerprint" (if there is one), "credential" and "attributed_by".
 * With a fingerprint only that counts: a secret that is known and not registered is not blamed
 * on the agent that the repository belongs to. *known says whether an agent was found.
 */
ssf_nodiscard int leak_add(struct drafts *drafts, struct draft *d, const struct registry *registry,
			   json_t *detail, const uint8_t *fingerprint, const char *repository,
			   bool *known, struct ssf_err *err);
