/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles the actions of rules. Doing them is hub/rules/act.c's. */
#include "hub/rules/compile.h"

#include "hub/rules/fill.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/subject.h"

#include <string.h>

#define UNTIL_DAYS_MAX 3650

/* A required template at a member of an action. */
static int get_template(const json_t *action, const char *key, const struct place *at,
			struct blame *b, const char **out)
{
	const json_t *value = json_object_get(action, key);
	struct place here = { at, key, 0 };

	if (value == NULL)
		return place_fail(b, at, SSF_E_MALFORMED, "the action needs \"%s\"", key);
	if (json_string_length(value) == 0)
		return place_fail(b, &here, SSF_E_MALFORMED, "\"%s\" takes a text", key);
	if (fill_check(value, &here, b) < 0)
		return -1;
	*out = json_string_value(value);
	return 0;
}

static int opt_template(const json_t *action, const char *key, const struct place *at,
			struct blame *b, const char **out)
{
	return json_object_get(action, key) == NULL ? 0 : get_template(action, key, at, b, out);
}

/* --- emit ------------------------------------------------------------------------------------ */

static int compile_event(const json_t *action, const struct place *at, struct blame *b,
			 const struct ssf_event_type **out)
{
	const char *name = json_string_value(json_object_get(action, "emit"));
	const struct ssf_event_type *type = name == NULL ? NULL : ssf_event_by_name(name);

	if (type == NULL)
		return place_fail_member(b, at, "emit",
					 "unknown event name: take one like \"caep:session-revoked\"");
	if (type->control)
		return place_fail_member(b, at, "emit", "\"%s\" is the stream's own event",
					 type->name);
	*out = type;
	return 0;
}

/* What is no template is checked now, not when the rule fires. */
static int check_constant(const json_t *subject, const struct ssf_event_type *type,
			  const struct place *at, struct blame *b)
{
	struct ssf_err why;

	if (fill_check(subject, at, b) < 0)
		return -1;
	if (!fill_is_open(subject) && ssf_subject_check(subject, &why) < 0)
		return place_fail(b, at, why.code, "%s", why.msg);
	if (!fill_is_open(json_object_get(subject, "format")) &&
	    ssf_event_check_subject(type, subject, &why) < 0)
		return place_fail(b, at, why.code, "%s", why.msg);
	return 0;
}

static int compile_subject(const json_t *subject, const struct ssf_event_type *type,
			   const struct place *at, struct blame *b)
{
	struct place here = { at, "subject", 0 };
	const char *text = json_string_value(subject);
	struct ssf_err why;

	if (subject == NULL)
		return place_fail(b, at, SSF_E_MALFORMED, "the action needs \"subject\"");
	if (text != NULL && strcmp(text, "agent") == 0) /* which is of the format iss_sub */
		return ssf_event_check_subject(type, NULL, &why) == 0 ?
			       0 :
			       place_fail(b, &here, why.code, "%s", why.msg);
	if (text != NULL && (strcmp(text, "token") == 0 || strcmp(text, "owner") == 0))
		return place_fail(b, &here, SSF_E_MALFORMED,
				  "\"%s\" is not supported by this version", text);
	if (!json_is_object(subject))
		return place_fail(b, &here, SSF_E_MALFORMED,
				  "\"subject\" takes \"agent\" or a subject identifier");
	if (json_string_length(json_object_get(subject, "format")) == 0)
		return place_fail_member(b, &here, "format", "a subject identifier needs \"format\"");
	return check_constant(subject, type, &here, b);
}

/* Required members must be written; values are checked as far as they are not templates. */
static int compile_claims(const json_t *claims, const struct ssf_event_type *type,
			  const struct place *at, struct blame *b)
{
	struct place here = { at, "claims", 0 };
	struct ssf_event_type values = { .uri = type->uri, .name = type->name };
	const char *key;
	json_t *value;
	void *next;

	if (claims != NULL && !json_is_object(claims))
		return place_fail(b, &here, SSF_E_MALFORMED, "\"claims\" takes an object");
	for (size_t i = 0; type->required[i] != NULL; i++) {
		if (json_object_get(claims, type->required[i]) == NULL)
			return place_fail(b, claims == NULL ? at : &here, SSF_E_MALFORMED,
					  "%s needs \"%s\" in \"claims\"", type->name,
					  type->required[i]);
	}
	if (claims == NULL)
		return 0;
	if (fill_check(claims, &here, b) < 0)
		return -1;

	json_auto_t *fixed = json_copy((json_t *)claims);
	if (fixed == NULL)
		return ssf_fail(b->err, SSF_E_NOMEM, "rules");
	json_object_foreach_safe(fixed, next, key, value) {
		if (fill_is_open(value))
			json_object_del(fixed, key);
	}
	struct ssf_err why;
	if (ssf_event_check(&values, fixed, &why) < 0)
		return place_fail(b, &here, why.code, "%s", why.msg);
	return 0;
}

static int compile_emit(const json_t *action, const struct place *at, struct blame *b,
			struct rule_action *out)
{
	static const char *const names[] = { "emit", "subject", "claims", NULL };
	static const char *const later[] = { "streams", NULL };
	const struct ssf_event_type *type = NULL;

	out->kind = RULE_EMIT;
	out->subject = json_object_get(action, "subject");
	out->claims = json_object_get(action, "claims");
	if (place_only(b, at, action, names, later) < 0 ||
	    compile_event(action, at, b, &type) < 0 ||
	    compile_subject(out->subject, type, at, b) < 0 ||
	    compile_claims(out->claims, type, at, b) < 0)
		return -1;
	out->event_uri = type->uri;
	return 0;
}

/* --- revoke, suspend ------------------------------------------------------------------------- */

/* "90s", "5m", "24h", "30d" */
static int parse_duration(const char *text, int64_t *out)
{
	static const struct {
		char unit;
		int32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t digits = strspn(text, "0123456789");
	int64_t n = 0;

	if (digits == 0 || digits > 9 || strlen(text) != digits + 1)
		return -1;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	for (size_t i = 0; i < SSF_ARRAY_SIZE(units); i++) {
		if (text[digits] == units[i].unit) {
			*out = n * units[i].seconds;
			return 0;
		}
	}
	return -1;
}

static int compile_until(const json_t *action, const struct place *at, struct blame *b,
			 int64_t *out)
{
	const json_t *value = json_object_get(action, "until");
	int64_t s;

	if (value == NULL)
		return 0;
	if (!json_is_string(value) || parse_duration(json_string_value(value), &s) < 0)
		return place_fail_member(b, at, "until",
					 "\"until\" takes a duration like \"90s\", \"5m\", \"24h\", \"30d\"");
	if (s == 0 || s > (int64_t)UNTIL_DAYS_MAX * 86400)
		return place_fail_member(b, at, "until", "\"until\" takes from \"1s\" to \"%dd\"",
					 UNTIL_DAYS_MAX);
	*out = s;
	return 0;
}

static int compile_target(const json_t *action, const struct place *at, struct blame *b,
			  enum rule_target *out)
{
	static const char *const targets[] = {
		[RULE_TARGET_AGENT] = "agent",
		[RULE_TARGET_TOKEN] = "token",
		[RULE_TARGET_CREDENTIAL] = "credential",
	};
	static const char *const later[] = { "tool", "owner-agents", NULL };
	const char *what = json_string_value(json_object_get(action, "revoke"));

	for (size_t i = 0; what != NULL && i < SSF_ARRAY_SIZE(targets); i++) {
		if (strcmp(what, targets[i]) == 0) {
			*out = (enum rule_target)i;
			return 0;
		}
	}
	if (what != NULL && place_listed(what, later))
		return place_fail_member(b, at, "revoke", "\"%s\" is not supported by this version",
					 what);
	return place_fail_member(b, at, "revoke",
				 "\"revoke\" takes \"agent\", \"token\" or \"credential\"");
}

static int compile_revoke(const json_t *action, const struct place *at, struct blame *b,
			  struct rule_action *out)
{
	static const char *const names[] = { "revoke", "target", "reason", "until", NULL };

	out->kind = RULE_REVOKE;
	if (place_only(b, at, action, names, NULL) < 0 ||
	    compile_target(action, at, b, &out->what) < 0 ||
	    get_template(action, "target", at, b, &out->target) < 0 ||
	    opt_template(action, "reason", at, b, &out->reason) < 0)
		return -1;
	return compile_until(action, at, b, &out->until_s);
}

static int compile_suspend(const json_t *action, const struct place *at, struct blame *b,
			   struct rule_action *out)
{
	static const char *const names[] = { "suspend", "reason", NULL };

	out->kind = RULE_SUSPEND;
	if (place_only(b, at, action, names, NULL) < 0)
		return -1;
	if (get_template(action, "suspend", at, b, &out->target) < 0)
		return -1;
	return opt_template(action, "reason", at, b, &out->reason);
}

int action_compile(const json_t *value, const struct place *at, struct blame *b,
		   struct rule_action *out)
{
	static const char *const later[] = { "reapproval", "risk", "throttle", "ttl_cap", "notify",
					     "alert", NULL };

	if (!json_is_object(value))
		return place_fail(b, at, SSF_E_MALFORMED, "an action is an object");
	if (json_object_get(value, "emit") != NULL)
		return compile_emit(value, at, b, out);
	if (json_object_get(value, "revoke") != NULL)
		return compile_revoke(value, at, b, out);
	if (json_object_get(value, "suspend") != NULL)
		return compile_suspend(value, at, b, out);
	for (size_t i = 0; later[i] != NULL; i++) {
		if (json_object_get(value, later[i]) != NULL)
			return place_fail_member(b, at, later[i],
						 "\"%s\" is not supported by this version", later[i]);
	}
	return place_fail(b, at, SSF_E_MALFORMED,
			  "an action has \"emit\", \"revoke\" or \"suspend\"");
}
