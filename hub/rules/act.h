/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a matching rule leads to, as data: the arrays that rules_commit() takes. Pure.
 */
#pragma once

#include <jansson.h>

#include "hub/rules/rules.h"
#include "hub/eventlog/event.h"

struct outcome {
	struct drafts *events;
	json_t *hits;
	json_t *revocations;
};

ssf_nodiscard int outcome_init(struct outcome *o, struct ssf_err *err);
void outcome_done(struct outcome *o);

/*
 * Adds what rule i of the file does about event e, whose document matched with this trace.
 * In dry-run only the hit is added, with the actions as they would have been. An action
 * whose templates cannot be filled is recorded with its error and not done; a revocation without a
 * reason takes the rule's title.
 */
ssf_nodiscard int outcome_add(struct outcome *o, const struct rule_file *file, const char *file_id,
			      size_t i, const struct event *e, const json_t *document,
			      json_t *trace, const char *issuer, struct ssf_err *err);

/* Adds a hit that says only that what followed from e could not be stored. */
ssf_nodiscard int outcome_poison(struct outcome *o, const char *name, const struct event *e,
				 struct ssf_err *err);
