/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions: what a rule does when it matches. An action is one constant struct action_type in a
 * file of its own, listed in actions.def. It is compiled from its JSON object once, and run for
 * every match.
 *
 * Actions are pure. What they lead to goes out through struct action_sink: events to append and
 * revocations to record. Adding an action adds a file and a line; something that is neither an
 * event nor a revocation needs a member of the sink, too.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/diagnostic.h"

struct action_type;

struct action {
	const struct action_type *type;
	void *compiled; /* of the type; strings in it are borrowed from the JSON value */
};

/* Compiles one member of "actions". Call action_done() in any case. */
ssf_nodiscard int action_compile(const json_t *value, const struct ssf_json_path *at,
				 struct ssf_diagnostic *diag, struct action *out);
void action_done(struct action *a); /* no-op on zeroed memory */

/* The match that an action is run for; all borrowed. */
struct action_context {
	const char *rule_id, *rule_title;
	const json_t *document; /* that matched */
	const char *issuer;     /* the hub's: of subjects that stand for agents */
	const char *agent_id;   /* of the event, or NULL */
	int64_t at_ms;          /* of the event */
};

struct action_revocation {
	const char *effect;      /* "revoke" or "suspend" */
	const char *target_kind; /* "agent", "token", "credential" */
	const char *target, *reason;
	int64_t until_s;         /* from the time of the event; 0: for ever */
};

/* Where results go. All is borrowed for the call, JSON values may be kept by reference. */
struct action_sink {
	int (*event)(void *arg, const char *uri, json_t *subject, json_t *claims,
		     struct ssf_err *err);
	int (*revocation)(void *arg, const struct action_revocation *r, struct ssf_err *err);
	void *arg;
};

/*
 * Runs an action. record: an object that gets what it does, in words that people read when they
 * ask what a rule did; also as far as it came before an error. Errors: SSF_E_NOMEM, or a
 * template that cannot be filled from this document.
 */
ssf_nodiscard int action_run(const struct action *a, const struct action_context *c,
			     const struct action_sink *sink, json_t *record, struct ssf_err *err);

/* --- for the types ------------------------------------------------------------------------- */

struct action_type {
	const char *name; /* the text of actions.def */
	/* *out is freed with free(). */
	int (*compile)(const json_t *value, const struct ssf_json_path *at,
		       struct ssf_diagnostic *diag, void **out);
	int (*run)(const void *compiled, const struct action_context *c,
		   const struct action_sink *sink, json_t *record, struct ssf_err *err);
};

#define ACTION(id, name) extern const struct action_type id##_action;
#include "hub/rules/actions/actions.def"
#undef ACTION

/* A member that is a template and not empty; _opt: *out stays as it was if it is absent. */
ssf_nodiscard int action_get_template(const json_t *value, const char *key,
				      const struct ssf_json_path *at, struct ssf_diagnostic *diag,
				      const char **out);
ssf_nodiscard int action_opt_template(const json_t *value, const char *key,
				      const struct ssf_json_path *at, struct ssf_diagnostic *diag,
				      const char **out);

/* A revocation whose target and reason are still templates. reason NULL: the rule's title. */
ssf_nodiscard int action_run_revocation(const struct action_revocation *templates,
					const struct action_context *c,
					const struct action_sink *sink, json_t *record,
					struct ssf_err *err);
