/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event secret.leaked: a secret leaked, and whose it is, as far as the registry knows. The
 * agent is found by the fingerprint of a registered credential, or by the repository that it is
 * registered on.
 */
#pragma once

#include <jansson.h>

#include "hub/eventlog/draft.h"
#include "hub/registry/registry.h"

#define LEAK_REPORT_TYPE "secret.leaked"

/*
 * Adds the event to drafts. d gives origin, origin_id, txn, cause, evidence and trace; the rest
 * is set here. detail becomes the event's body, with "fingerprint" (if known), "credential" and
 * "attributed_by" added. If a fingerprint is given, repository is ignored: a secret that is
 * known and not registered must not be blamed on the agent that the repository belongs to.
 * *known: an agent was found.
 */
ssf_nodiscard int leak_report_add(struct drafts *drafts, struct draft *d,
				  const struct registry *registry, json_t *detail,
				  const uint8_t *fingerprint, const char *repository, bool *known,
				  struct ssf_err *err);
