/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What matching rules lead to, as data: what rules_commit() takes. Pure.
 */
#pragma once

#include <jansson.h>

#include "hub/eventlog/draft.h"
#include "hub/eventlog/event.h"
#include "hub/rules/rule_file.h"

struct rule_result {
	struct drafts *events;
	json_t *matches; /* which rule matched, why, and what it did */
	json_t *revocations;
};

ssf_nodiscard int rule_result_init(struct rule_result *r, struct ssf_err *err);
void rule_result_done(struct rule_result *r);

/* One match; all borrowed. */
struct rule_result_match {
	const struct rule_file *file;
	const char *file_id;
	const struct rule *rule;
	const struct event *event;
	const json_t *document; /* of the event */
	json_t *trace;          /* why it matched */
	const char *issuer;     /* of subjects that stand for agents */
};

/*
 * Adds what the rule does. In dry-run only the match is added, with the actions as they would have
 * been. An action whose templates cannot be filled is recorded with its error and not done.
 */
ssf_nodiscard int rule_result_add(struct rule_result *r, const struct rule_result_match *m,
				  struct ssf_err *err);

/* Adds a match that says only that the result for this event could not be stored. */
ssf_nodiscard int rule_result_add_poison(struct rule_result *r, const char *name,
					 const struct event *e, struct ssf_err *err);
