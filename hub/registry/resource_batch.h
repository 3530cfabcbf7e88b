/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of POST /v1/apply: one resource, an array of resources, {"resources": [...]}, or a rule file. People write
 * it, so comments and trailing commas are allowed, and errors have a line and a column.
 */
#pragma once

#include "hub/registry/resource_check.h"
#include "hub/registry/resource_writer.h"

#define RESOURCE_BATCH_MAX 1000 /* resources in one text */

/*
 * Checks everything and adds it to txn; on failure the transaction is to be discarded. rules_id: the id for a rule
 * file (an object with "hrl"), or NULL. SSF_E_MALFORMED, SSF_E_CONFLICT (a "version" is not the stored one, or a
 * unique value is taken), SSF_E_LIMIT, SSF_E_NOMEM.
 */
ssf_nodiscard int resource_batch_parse(const struct resource_checker *check, struct ssf_str text,
				       const char *rules_id, struct resource_txn *txn,
				       struct ssf_diagnostic *d);
