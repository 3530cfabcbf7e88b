/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {"emit":"caep:session-revoked", "subject":"agent"|SUBJECT, "claims"}: an event of the hub's
 * own.
 */
#include "hub/rules/actions/action.h"

#include "hub/rules/language.h"
#include "hub/rules/template.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAEP "https://schemas.openid.net/secevent/caep/"

struct emit {
	const struct ssf_event_type *type;
	const json_t *subject; /* "agent", or a subject identifier of templates */
	const json_t *claims;  /* object of templates, or NULL */
};

/* --- compile ------------------------------------------------------------------------------- */

static int compile_event(const json_t *value, const struct ssf_json_path *at,
			 struct ssf_diagnostic *diag, const struct ssf_event_type **out)
{
	const char *name = json_string_value(json_object_get(value, "emit"));
	const struct ssf_event_type *type = name == NULL ? NULL : ssf_event_by_name(name);

	if (type == NULL)
		return ssf_diagnose_member(diag, at, "emit",
					   "unknown event name: take one like "
					   "\"caep:session-revoked\"");
	if (type->control)
		return ssf_diagnose_member(diag, at, "emit", "\"%s\" is the stream's own event",
					   type->name);
	*out = type;
	return 0;
}

/* Checks the parts that are no templates now, not when the rule fires. */
static int check_subject_identifier(const json_t *subject, const struct ssf_event_type *type,
				    const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	struct ssf_err why;

	if (template_check(subject, at, diag) < 0)
		return -1;
	if (!template_has_path(subject) && ssf_subject_check(subject, &why) < 0)
		return ssf_diagnose_err(diag, at, &why);
	if (!template_has_path(json_object_get(subject, "format")) &&
	    ssf_event_check_subject(type, subject, &why) < 0)
		return ssf_diagnose_err(diag, at, &why);
	return 0;
}

static int compile_subject(const json_t *subject, const struct ssf_event_type *type,
			   const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	const struct ssf_json_path *here = SSF_JSON_MEMBER(at, "subject");
	const char *text = json_string_value(subject);
	struct ssf_err why;

	if (subject == NULL)
		return ssf_diagnose(diag, at, "the action needs \"subject\"");
	if (text != NULL && strcmp(text, "agent") == 0) /* becomes a subject of format iss_sub */
		return ssf_event_check_subject(type, NULL, &why) == 0 ?
			       0 :
			       ssf_diagnose_err(diag, here, &why);
	if (text != NULL && (strcmp(text, "token") == 0 || strcmp(text, "owner") == 0))
		return ssf_diagnose(diag, here, "\"%s\" is not supported by this version", text);
	if (!json_is_object(subject))
		return ssf_diagnose(diag, here,
				    "\"subject\" takes \"agent\" or a subject identifier");
	if (json_string_length(json_object_get(subject, "format")) == 0)
		return ssf_diagnose_member(diag, here, "format",
					   "a subject identifier needs \"format\"");
	return check_subject_identifier(subject, type, here, diag);
}

/* Required members must be written; values are checked as far as they are not templates. */
static int compile_claims(const json_t *claims, const struct ssf_event_type *type,
			  const struct ssf_json_path *at, struct ssf_diagnostic *diag)
{
	const struct ssf_json_path *here = SSF_JSON_MEMBER(at, "claims");
	const struct ssf_event_type values = { .uri = type->uri, .name = type->name };
	struct ssf_err why;
	const char *key;
	json_t *value;
	void *next;

	if (claims != NULL && !json_is_object(claims))
		return ssf_diagnose(diag, here, "\"claims\" takes an object");
	for (size_t i = 0; type->required[i] != NULL; i++) {
		if (json_object_get(claims, type->required[i]) == NULL)
			return ssf_diagnose(diag, claims == NULL ? at : here,
					    "%s needs \"%s\" in \"claims\"", type->name,
					    type->required[i]);
	}
	if (claims == NULL)
		return 0;
	if (template_check(claims, here, diag) < 0)
		return -1;

	json_auto_t *fixed = json_copy((json_t *)claims);
	if (fixed == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	json_object_foreach_safe(fixed, next, key, value) {
		if (template_has_path(value))
			json_object_del(fixed, key);
	}
	if (ssf_event_check(&values, fixed, &why) < 0)
		return ssf_diagnose_err(diag, here, &why);
	return 0;
}

static int emit_compile(const json_t *value, const struct ssf_json_path *at,
			struct ssf_diagnostic *diag, void **out)
{
	static const char *const names[] = { "emit", "subject", "claims", NULL };
	static const char *const later[] = { "streams", NULL };
	ssf_auto_free struct emit *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return ssf_fail(&diag->err, SSF_E_NOMEM, "rules");
	e->subject = json_object_get(value, "subject");
	e->claims = json_object_get(value, "claims");
	if (language_only_members(diag, at, value, names, later) < 0 ||
	    compile_event(value, at, diag, &e->type) < 0 ||
	    compile_subject(e->subject, e->type, at, diag) < 0 ||
	    compile_claims(e->claims, e->type, at, diag) < 0)
		return -1;
	*out = SSF_STEAL(e);
	return 0;
}

/* --- run ----------------------------------------------------------------------------------- */

static int fill_subject(const struct emit *e, const struct action_context *c, json_t **out,
			struct ssf_err *err)
{
	json_auto_t *subject = NULL;

	if (json_is_string(e->subject)) { /* "agent" */
		if (c->agent_id == NULL)
			return ssf_fail(err, SSF_E_NOT_FOUND, "subject: the event has no agent");
		*out = ssf_subject_iss_sub(c->issuer, c->agent_id);
		return *out != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "subject");
	}
	if (template_fill_json(e->subject, c->document, &subject, err) < 0 ||
	    ssf_subject_check(subject, err) < 0 ||
	    ssf_event_check_subject(e->type, subject, err) < 0)
		return ssf_fail_prefix(err, "subject");
	*out = SSF_STEAL(subject);
	return 0;
}

/* The rule's claims, and what every event of a rule says: when, by what, why. */
static int fill_claims(const struct emit *e, const struct action_context *c, json_t **out,
		       struct ssf_err *err)
{
	json_auto_t *claims = e->claims == NULL ? json_object() : NULL;
	char why[512];

	if (e->claims != NULL && template_fill_json(e->claims, c->document, &claims, err) < 0)
		return -1;
	if (json_object_get(claims, "event_timestamp") == NULL)
		json_object_set_new(claims, "event_timestamp", json_integer(c->at_ms / 1000));
	if (strncmp(e->type->uri, CAEP, strlen(CAEP)) == 0 &&
	    json_object_get(claims, "initiating_entity") == NULL)
		json_object_set_new(claims, "initiating_entity", json_string("policy"));
	if (json_object_get(claims, "reason_admin") == NULL) {
		snprintf(why, sizeof(why), "%s (rule %s)", c->rule_title, c->rule_id);
		json_object_set_new(claims, "reason_admin", json_pack("{s:s}", "en", why));
	}
	if (ssf_event_check(e->type, claims, err) < 0)
		return -1;
	*out = SSF_STEAL(claims);
	return 0;
}

static int emit_run(const void *compiled, const struct action_context *c,
		    const struct action_sink *sink, json_t *record, struct ssf_err *err)
{
	json_auto_t *subject = NULL, *claims = NULL;
	const struct emit *e = compiled;

	json_object_set_new(record, "emit", json_string(e->type->uri));
	if (fill_subject(e, c, &subject, err) < 0 || fill_claims(e, c, &claims, err) < 0)
		return -1;
	json_object_set(record, "subject", subject);
	return sink->event(sink->arg, e->type->uri, subject, claims, err);
}

const struct action_type emit_action = { "emit", emit_compile, emit_run };
