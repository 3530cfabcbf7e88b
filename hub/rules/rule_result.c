/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the actions of a match and collects what they lead to. */
#include "hub/rules/rule_result.h"

#include "lib/ssf/timestamp.h"

#include <stdio.h>

/* One action of one match: where its results go. */
struct collecting {
	struct rule_result *result;
	const struct rule_result_match *match;
	size_t index; /* of the action */
};

int rule_result_init(struct rule_result *r, struct ssf_err *err)
{
	r->events = drafts_new();
	r->matches = json_array();
	r->revocations = json_array();
	if (r->events != NULL && r->matches != NULL && r->revocations != NULL)
		return 0;
	rule_result_done(r);
	return ssf_fail(err, SSF_E_NOMEM, "rules");
}

void rule_result_done(struct rule_result *r)
{
	drafts_free(r->events);
	json_decref(r->matches);
	json_decref(r->revocations);
	*r = (struct rule_result){ NULL, NULL, NULL };
}

/* The same action of the same match has the same id, however often it is run. */
static void action_id(const struct collecting *c, char out[SSF_SHA256_HEX])
{
	const struct rule_result_match *m = c->match;
	char text[512];
	int n = snprintf(text, sizeof(text), "%lld/%s/%s/%zu", (long long)m->event->seq, m->file_id,
			 m->rule->id, c->index);
	size_t len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;

	ssf_sha256_hex((struct ssf_str){ text, len }, out);
}

static int collect_event(void *arg, const char *uri, json_t *subject, json_t *claims,
			 struct ssf_err *err)
{
	const struct collecting *c = arg;
	const struct event *e = c->match->event;
	char id[SSF_SHA256_HEX];

	action_id(c, id);
	struct draft d = {
		.origin = EVENT_ORIGIN_RULES,
		.origin_id = id,
		.type = uri,
		.txn = e->txn,
		.cause = e->seq,
		.agent_id = e->agent_id,
		.trace = e->trace,
		.sub_id = subject,
		.body = claims,
	};
	return draft_add(c->result->events, &d, err);
}

static int collect_revocation(void *arg, const struct action_revocation *r, struct ssf_err *err)
{
	const struct collecting *c = arg;
	const struct event *e = c->match->event;
	char not_before[SSF_TIMESTAMP_LEN], until[SSF_TIMESTAMP_LEN];
	json_t *revocation;

	ssf_timestamp_text(e->at_ms, not_before);
	ssf_timestamp_text(e->at_ms + r->until_s * 1000, until);
	revocation = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:s, s:I, s:s}", "effect",
			       r->effect, "target_kind", r->target_kind, "target", r->target,
			       "not_before", not_before, "until", r->until_s > 0 ? until : NULL,
			       "reason", r->reason, "rule_id", c->match->rule->id, "seq",
			       (json_int_t)e->seq, "txn", e->txn);
	if (revocation == NULL || json_array_append_new(c->result->revocations, revocation) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "revocation");
	return 0;
}

static int ignore_event(void *arg, const char *uri, json_t *subject, json_t *claims,
			struct ssf_err *err)
{
	(void)arg, (void)uri, (void)subject, (void)claims, (void)err;
	return 0;
}

static int ignore_revocation(void *arg, const struct action_revocation *r, struct ssf_err *err)
{
	(void)arg, (void)r, (void)err;
	return 0;
}

/* Runs one action and records it. Only lack of memory stops the others. */
static int add_action(struct collecting *c, const struct action_context *context, json_t *records,
		      struct ssf_err *err)
{
	bool enforce = c->match->rule->mode == RULE_ENFORCE;
	const struct action_sink sink = { enforce ? collect_event : ignore_event,
					  enforce ? collect_revocation : ignore_revocation, c };
	json_t *record = json_object();

	if (record == NULL || json_array_append_new(records, record) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	if (action_run(&c->match->rule->actions[c->index], context, &sink, record, err) == 0)
		return 0;
	if (err->code == SSF_E_NOMEM)
		return -1;
	json_object_set_new(record, "error", json_string(err->msg));
	return 0;
}

int rule_result_add(struct rule_result *r, const struct rule_result_match *m, struct ssf_err *err)
{
	const struct action_context context = { .rule_id = m->rule->id,
						.rule_title = m->rule->title,
						.document = m->document,
						.issuer = m->issuer,
						.agent_id = m->event->agent_id,
						.at_ms = m->event->at_ms };
	json_auto_t *records = json_array();
	json_t *match;

	if (records == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	for (size_t i = 0; i < m->rule->action_count; i++) {
		struct collecting c = { r, m, i };

		if (add_action(&c, &context, records, err) < 0)
			return -1;
	}
	match = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:O, s:O}", "seq",
			  (json_int_t)m->event->seq, "rule_id", m->rule->id, "file_id", m->file_id,
			  "digest", rule_file_digest(m->file), "mode",
			  rule_mode_name(m->rule->mode), "severity", m->rule->severity, "trace",
			  m->trace, "actions", records);
	if (match == NULL || json_array_append_new(r->matches, match) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	return 0;
}

int rule_result_add_poison(struct rule_result *r, const char *name, const struct event *e,
			   struct ssf_err *err)
{
	json_t *match = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:[], s:[{s:s}]}", "seq",
				  (json_int_t)e->seq, "rule_id", name, "file_id", name, "digest",
				  "", "mode", "error", "severity", "critical", "trace", "actions",
				  "error",
				  "the result of the rules could not be stored; see the hub's log");

	if (match == NULL || json_array_append_new(r->matches, match) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	return 0;
}
