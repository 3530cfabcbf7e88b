/* SPDX-License-Identifier: Apache-2.0 */
/* Turns matches into outcomes. It decides nothing: the rule did. */
#include "hub/rules/act.h"

#include "hub/eventlog/draft.h"
#include "lib/kit/loop.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"
#include "lib/ssf/timestamp.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096
#define TARGET_MAX 1024 /* is in an index */

/* One action of one match. */
struct act {
	const struct rule_file *file;
	const char *file_id;
	const struct rule *rule;
	const struct rule_action *action;
	size_t index;
	const struct event *event;
	const json_t *document;
	const char *issuer;
};

int outcome_init(struct outcome *o, struct ssf_err *err)
{
	o->events = drafts_new();
	o->hits = json_array();
	o->revocations = json_array();
	if (o->events != NULL && o->hits != NULL && o->revocations != NULL)
		return 0;
	outcome_done(o);
	return ssf_fail(err, SSF_E_NOMEM, "rules");
}

void outcome_done(struct outcome *o)
{
	drafts_free(o->events);
	json_decref(o->hits);
	json_decref(o->revocations);
	*o = (struct outcome){ NULL, NULL, NULL };
}

/* The same match does the same action under the same id, however often it is tried. */
static void action_id(const struct act *a, char out[SSF_SHA256_HEX])
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%lld/%s/%s/%zu", (long long)a->event->seq, a->file_id,
			 a->rule->id, a->index);

	ssf_sha256_hex((struct ssf_str){ text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1 },
		       out);
}

/* --- emit ------------------------------------------------------------------------------------ */

static int emit_subject(const struct act *a, json_t **out, struct ssf_err *err)
{
	const struct ssf_event_type *type = ssf_event_by_uri(a->action->event_uri);

	if (json_is_string(a->action->subject)) { /* "agent" */
		if (a->event->agent_id == NULL)
			return ssf_fail(err, SSF_E_NOT_FOUND, "subject: the event has no agent");
		*out = ssf_subject_iss_sub(a->issuer, a->event->agent_id);
		return *out != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "subject");
	}
	json_auto_t *subject = NULL;
	if (rule_fill_json(a->action->subject, a->document, &subject, err) < 0 ||
	    ssf_subject_check(subject, err) < 0 || ssf_event_check_subject(type, subject, err) < 0)
		return ssf_fail_prefix(err, "subject");
	*out = SSF_STEAL(subject);
	return 0;
}

/* The rule's claims, and what every event of ours says: when, by what, why. */
static int emit_claims(const struct act *a, json_t **out, struct ssf_err *err)
{
	json_auto_t *claims = NULL;
	char why[512];

	if (a->action->claims != NULL) {
		if (rule_fill_json(a->action->claims, a->document, &claims, err) < 0)
			return -1;
	} else {
		claims = json_object();
	}
	if (json_object_get(claims, "event_timestamp") == NULL)
		json_object_set_new(claims, "event_timestamp", json_integer(a->event->at_ms / 1000));
	if (strncmp(a->action->event_uri, "https://schemas.openid.net/secevent/caep/", 41) == 0 &&
	    json_object_get(claims, "initiating_entity") == NULL)
		json_object_set_new(claims, "initiating_entity", json_string("policy"));
	if (json_object_get(claims, "reason_admin") == NULL) {
		snprintf(why, sizeof(why), "%s (rule %s)", a->rule->title, a->rule->id);
		json_object_set_new(claims, "reason_admin", json_pack("{s:s}", "en", why));
	}
	if (ssf_event_check(ssf_event_by_uri(a->action->event_uri), claims, err) < 0)
		return -1;
	*out = SSF_STEAL(claims);
	return 0;
}

static int act_emit(const struct act *a, struct outcome *o, bool enforce, json_t *record,
		    struct ssf_err *err)
{
	json_auto_t *subject = NULL, *claims = NULL;
	char id[SSF_SHA256_HEX];

	json_object_set_new(record, "emit", json_string(a->action->event_uri));
	if (emit_subject(a, &subject, err) < 0 || emit_claims(a, &claims, err) < 0)
		return -1;
	json_object_set(record, "subject", subject);
	if (!enforce)
		return 0;
	action_id(a, id);
	struct draft d = {
		.origin = EVENT_ORIGIN_RULES,
		.origin_id = id,
		.type = a->action->event_uri,
		.txn = a->event->txn,
		.cause = a->event->seq,
		.agent_id = a->event->agent_id,
		.trace = a->event->trace,
		.sub_id = subject,
		.body = claims,
	};
	return draft_add(o->events, &d, err);
}

/* --- revoke, suspend ------------------------------------------------------------------------- */

static int act_revoke(const struct act *a, struct outcome *o, bool enforce, json_t *record,
		      struct ssf_err *err)
{
	static const char *const kinds[] = {
		[RULE_TARGET_AGENT] = "agent",
		[RULE_TARGET_TOKEN] = "token",
		[RULE_TARGET_CREDENTIAL] = "credential",
	};
	const char *effect = a->action->kind == RULE_SUSPEND ? "suspend" : "revoke";
	const char *kind = a->action->kind == RULE_SUSPEND ? "agent" : kinds[a->action->what];
	char not_before[SSF_TIMESTAMP_LEN], until[SSF_TIMESTAMP_LEN];
	ssf_auto_buf reason = SSF_BUF(TEXT_MAX);
	ssf_auto_buf target = SSF_BUF(TARGET_MAX);
	json_t *revocation;

	json_object_set_new(record, effect, json_string(kind));
	if (rule_fill(a->action->target, a->document, &target, err) < 0)
		return ssf_fail_prefix(err, "target");
	if (target.len == 0)
		return ssf_fail(err, SSF_E_NOT_FOUND, "target: empty");
	if (a->action->reason == NULL || rule_fill(a->action->reason, a->document, &reason, NULL) < 0) {
		ssf_buf_reset(&reason); /* a reason that cannot be told never stops a revocation */
		ssf_buf_adds(&reason, a->rule->title);
	}
	json_object_set_new(record, "target", json_string(target.ptr));
	json_object_set_new(record, "reason", json_string(reason.ptr));
	if (!enforce)
		return 0;
	ssf_timestamp_text(a->event->at_ms, not_before);
	ssf_timestamp_text(a->event->at_ms + a->action->until_s * 1000, until);
	revocation = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:s, s:I, s:s}", "effect", effect,
			       "target_kind", kind, "target", target.ptr, "not_before", not_before,
			       "until", a->action->until_s > 0 ? until : NULL, "reason", reason.ptr,
			       "rule_id", a->rule->id, "seq", (json_int_t)a->event->seq, "txn",
			       a->event->txn);
	if (revocation == NULL || json_array_append_new(o->revocations, revocation) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "revocation");
	return 0;
}

/* --- all ------------------------------------------------------------------------------------- */

/* Does one action and records it. Only running out of memory stops the rest. */
static int act_run(const struct act *a, struct outcome *o, bool enforce, json_t *records,
		   struct ssf_err *err)
{
	json_t *record = json_object();
	int r;

	if (record == NULL || json_array_append_new(records, record) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	if (a->action->kind == RULE_EMIT)
		r = act_emit(a, o, enforce, record, err);
	else
		r = act_revoke(a, o, enforce, record, err);
	if (r == 0)
		return 0;
	if (err->code == SSF_E_NOMEM)
		return -1;
	json_object_set_new(record, "error", json_string(err->msg));
	return 0;
}

int outcome_add(struct outcome *o, const struct rule_file *file, const char *file_id, size_t i,
		const struct event *e, const json_t *document, json_t *trace, const char *issuer,
		struct ssf_err *err)
{
	const struct rule *rule = rule_file_at(file, i);
	bool enforce = rule->mode == RULE_ENFORCE;
	json_auto_t *records = json_array();
	json_t *hit;

	if (records == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	for (size_t n = 0; n < rule->action_count; n++) {
		struct act a = { file, file_id, rule, &rule->actions[n], n, e, document, issuer };
		if (act_run(&a, o, enforce, records, err) < 0)
			return -1;
	}
	hit = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:O, s:O}", "seq", (json_int_t)e->seq,
			"rule_id", rule->id, "file_id", file_id, "digest", rule_file_digest(file),
			"mode", enforce ? "enforce" : "dry-run", "severity", rule->severity, "trace",
			trace, "actions", records);
	if (hit == NULL || json_array_append_new(o->hits, hit) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	return 0;
}

int outcome_poison(struct outcome *o, const char *name, const struct event *e, struct ssf_err *err)
{
	json_t *hit = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:[], s:[{s:s}]}", "seq",
				(json_int_t)e->seq, "rule_id", name, "file_id", name, "digest", "", "mode",
				"error", "severity", "critical", "trace", "actions", "error",
				"the outcome of the rules could not be stored; see the hub's log");

	if (hit == NULL || json_array_append_new(o->hits, hit) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	return 0;
}
