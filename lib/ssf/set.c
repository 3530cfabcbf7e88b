/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security event tokens: what a recipient accepts, and what we send. Nothing
 * of the payload is looked at before the signature holds, but for the issuer
 * that ssf_set_peek_issuer() hands out to choose the key by.
 */
#include "lib/ssf/set.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"

#include <string.h>

#define JTI_MAX 256
#define AUD_MAX 64

static const struct ssf_json_limits claims_limits = { .max_bytes = SSF_JWS_MAX, .max_depth = 32 };

static int parse_claims(const struct ssf_jws *jws, json_t **out, struct ssf_err *err)
{
	json_auto_t *claims = json_incref(jws->claims);

	if (claims == NULL && ssf_json_parse(ssf_buf_str(&jws->payload), &claims_limits, &claims, err) < 0)
		return ssf_fail_prefix(err, "claims");
	if (!json_is_object(claims))
		return ssf_fail(err, SSF_E_MALFORMED, "claims: not an object");
	*out = SSF_STEAL(claims);
	return 0;
}

int ssf_set_peek_issuer(struct ssf_jws *jws, char *out, size_t out_len, struct ssf_err *err)
{
	const char *iss;

	if ((jws->claims == NULL && parse_claims(jws, &jws->claims, err) < 0) ||
	    ssf_json_get_str(jws->claims, "iss", &iss, err) < 0)
		return -1;
	size_t len = strlen(iss);
	if (len == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "iss: empty");
	if (len >= out_len)
		return ssf_fail(err, SSF_E_LIMIT, "iss: too long");
	memcpy(out, iss, len + 1);
	return 0;
}

/* RFC 7515 section 4.1.9: "application/" may be left out, case does not matter. */
static int check_typ(const struct ssf_jws *jws, struct ssf_err *err)
{
	struct ssf_str typ = ssf_str_c(jws->typ);

	if (!ssf_str_ieq_c(typ, SSF_SET_TYP) && !ssf_str_ieq_c(typ, SSF_SET_MEDIA_TYPE))
		return ssf_fail(err, SSF_E_MALFORMED, "typ: not " SSF_SET_TYP);
	return 0;
}

static int check_issuer(const json_t *claims, const struct ssf_set_policy *policy,
			struct ssf_set *set, struct ssf_err *err)
{
	if (ssf_json_get_str(claims, "iss", &set->iss, err) < 0)
		return -1;
	if (strcmp(set->iss, policy->issuer) != 0)
		return ssf_fail(err, SSF_E_ISSUER, "iss: not the expected issuer");
	return 0;
}

static bool is_ours(const char *audience, const struct ssf_set_policy *policy)
{
	for (size_t i = 0; policy->audience[i] != NULL; i++) {
		if (strcmp(audience, policy->audience[i]) == 0)
			return true;
	}
	return false;
}

static int check_audience(const json_t *claims, const struct ssf_set_policy *policy,
			  struct ssf_err *err)
{
	const json_t *aud = json_object_get(claims, "aud");
	const json_t *list = NULL;
	bool ours = false;

	if (json_is_string(aud)) {
		ours = is_ours(json_string_value(aud), policy);
	} else {
		if (ssf_json_opt_strings(claims, "aud", AUD_MAX, &list, err) < 0)
			return -1;
		for (size_t i = 0; i < json_array_size(list); i++)
			ours |= is_ours(json_string_value(json_array_get(list, i)), policy);
	}
	if (!ours)
		return ssf_fail(err, SSF_E_AUDIENCE, "aud: not addressed to this recipient");
	return 0;
}

/* A NumericDate of RFC 7519 may have a fraction. */
static int check_iat(const json_t *claims, const struct ssf_set_policy *policy,
		     struct ssf_set *set, struct ssf_err *err)
{
	const json_t *iat = json_object_get(claims, "iat");

	if (!json_is_number(iat))
		return ssf_fail(err, SSF_E_MALFORMED, "iat: missing or not a number");
	/* compared as double: casting one that does not fit an int64_t is undefined */
	double seconds = json_number_value(iat);
	if (seconds < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "iat: before 1970");
	if (seconds > (double)policy->now + (double)policy->max_skew)
		return ssf_fail(err, SSF_E_MALFORMED, "iat: in the future");
	set->iat = json_is_integer(iat) ? json_integer_value(iat) : (int64_t)seconds;
	return 0;
}

static int check_names(const json_t *claims, struct ssf_set *set, struct ssf_err *err)
{
	if (ssf_json_get_str(claims, "jti", &set->jti, err) < 0)
		return -1;
	if (set->jti[0] == '\0' || strlen(set->jti) > JTI_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "jti: not 1 to %d bytes", JTI_MAX);
	if (ssf_json_opt_str(claims, "txn", &set->txn, err) < 0)
		return -1;
	/* SSF 1.0 sections 4.1.2 and 4.1.7: these mark other kinds of JWT */
	if (json_object_get(claims, "exp") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "exp: not allowed");
	if (json_object_get(claims, "sub") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "sub: not allowed");
	return 0;
}

static bool only_control_events(const json_t *events)
{
	json_t *members = (json_t *)events; /* only iterated over */
	const char *uri;
	json_t *claims;

	json_object_foreach(members, uri, claims) {
		const struct ssf_event_type *type = ssf_event_by_uri(uri);
		if (type == NULL || !type->control)
			return false;
	}
	return json_object_size(events) > 0;
}

static int check_subject(const json_t *claims, struct ssf_set *set, struct ssf_err *err)
{
	set->sub_id = json_object_get(claims, "sub_id");
	if (set->sub_id == NULL) {
		if (only_control_events(json_object_get(claims, "events")))
			return 0;
		return ssf_fail(err, SSF_E_MALFORMED, "sub_id: missing");
	}
	if (ssf_subject_check(set->sub_id, err) < 0)
		return ssf_fail_prefix(err, "sub_id");
	return 0;
}

static int check_events(const json_t *claims, struct ssf_set *set, struct ssf_err *err)
{
	json_t *events = json_object_get(claims, "events");
	const char *uri;
	json_t *event;

	if (json_object_size(events) == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "events: not an object or empty");
	if (json_object_size(events) > SSF_SET_MAX_EVENTS)
		return ssf_fail(err, SSF_E_LIMIT, "events: more than %d", SSF_SET_MAX_EVENTS);
	json_object_foreach(events, uri, event) {
		if (ssf_event_check(ssf_event_by_uri(uri), event, err) < 0)
			return ssf_fail_prefix(err, "events");
	}
	set->events = events;
	return 0;
}

int ssf_set_verify(const struct ssf_jws *jws, const struct ssf_key *key,
		   const struct ssf_set_policy *policy, struct ssf_set *out, struct ssf_err *err)
{
	json_auto_t *claims = NULL;
	struct ssf_set set = { 0 };

	if (check_typ(jws, err) < 0 || ssf_jws_verify(jws, key, err) < 0 ||
	    parse_claims(jws, &claims, err) < 0 || check_issuer(claims, policy, &set, err) < 0 ||
	    check_audience(claims, policy, err) < 0 || check_iat(claims, policy, &set, err) < 0 ||
	    check_names(claims, &set, err) < 0 || check_subject(claims, &set, err) < 0 ||
	    check_events(claims, &set, err) < 0)
		return -1;
	set.claims = SSF_STEAL(claims);
	*out = set;
	return 0;
}

void ssf_set_done(struct ssf_set *set)
{
	json_decref(set->claims);
	*set = (struct ssf_set){ 0 };
}

static int check_text(const char *name, const char *value, struct ssf_err *err)
{
	if (value == NULL || !ssf_utf8_valid(ssf_str_c(value)))
		return ssf_fail(err, SSF_E_MALFORMED, "%s: missing or not UTF-8", name);
	return 0;
}

int ssf_set_compose_shared(const struct ssf_set_spec *spec, struct ssf_buf *out, struct ssf_err *err)
{
	if (check_text("iss", spec->iss, err) < 0 || check_text("txn", spec->txn, err) < 0 ||
	    check_text("event", spec->event_uri, err) < 0)
		return -1;
	if (spec->sub_id == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "sub_id: missing");

	json_auto_t *event = ssf_event_outgoing(ssf_event_by_uri(spec->event_uri), spec->event_claims);
	/* packing counts a reference to each, and gives it back before we return */
	json_t *sub_id = (json_t *)spec->sub_id;
	json_auto_t *claims = json_pack("{s:s, s:s, s:I, s:O, s:{s:O}}", "iss", spec->iss, "txn",
					spec->txn, "iat", (json_int_t)spec->iat, "sub_id", sub_id,
					"events", spec->event_uri, event);
	ssf_auto_free char *text = claims == NULL ? NULL : ssf_json_canonical(claims);
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "claims: out of memory");
	return ssf_buf_append(out, ssf_str_c(text), err);
}

int ssf_set_compose_for(struct ssf_str shared, const char *aud, const char *jti, struct ssf_buf *out,
			struct ssf_err *err)
{
	if (check_text("aud", aud, err) < 0 || check_text("jti", jti, err) < 0)
		return -1;

	json_auto_t *own = json_pack("{s:s, s:s}", "aud", aud, "jti", jti);
	ssf_auto_free char *text = own == NULL ? NULL : ssf_json_canonical(own);
	if (text == NULL || shared.len == 0)
		return ssf_fail(err, SSF_E_NOMEM, "claims: out of memory");
	/* two objects become one: "{own" "," "shared}" */
	if (ssf_buf_append(out, (struct ssf_str){ text, strlen(text) - 1 }, err) < 0 ||
	    ssf_buf_append(out, SSF_STR(","), err) < 0)
		return -1;
	return ssf_buf_append(out, (struct ssf_str){ shared.ptr + 1, shared.len - 1 }, err);
}

int ssf_set_compose(const struct ssf_set_spec *spec, struct ssf_buf *out, struct ssf_err *err)
{
	ssf_auto_buf shared = SSF_BUF(out->max);

	if (ssf_set_compose_shared(spec, &shared, err) < 0)
		return -1;
	return ssf_set_compose_for(ssf_buf_str(&shared), spec->aud, spec->jti, out, err);
}
