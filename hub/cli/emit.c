/* SPDX-License-Identifier: Apache-2.0 */
/* One table of the subjects that have a short form: those with one member (RFC 9493 section 3.2). */
#include "hub/cli/emit.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"

#include <string.h>

static const struct {
	const char *format;
	const char *member;
	bool whole; /* the format's name belongs to the value, as in did:example:123 */
} short_forms[] = {
	{ "did", "url", true },
	{ "email", "email", false },
	{ "opaque", "id", false },
	{ "phone_number", "phone_number", false },
	{ "uri", "uri", false },
};

static json_t *short_subject(const char *text)
{
	size_t len = strcspn(text, ":");

	for (size_t i = 0; text[len] == ':' && i < SSF_ARRAY_SIZE(short_forms); i++) {
		if (ssf_str_eq_c((struct ssf_str){ text, len }, short_forms[i].format))
			return json_pack("{s:s, s:s}", "format", short_forms[i].format,
					 short_forms[i].member,
					 short_forms[i].whole ? text : text + len + 1);
	}
	return NULL;
}

static int json_option(const char *name, const char *text, json_t **out, struct ssf_err *err)
{
	return ssf_json_parse(ssf_str_c(text), &ssf_json_default, out, err) < 0 ?
		       ssf_fail_prefix(err, "--%s", name) :
		       0;
}

static int subject_of(const char *text, json_t **out, struct ssf_err *err)
{
	if (text == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "--subject: missing");
	if (text[0] == '{')
		return json_option("subject", text, out, err);
	*out = short_subject(text);
	return *out != NULL ? 0 :
			      ssf_fail(err, SSF_E_MALFORMED,
				       "--subject: neither a JSON object nor did:, email:, opaque:, "
				       "phone_number: or uri: with a UTF-8 value");
}

int emit_body(const struct emit_event *e, json_t **out, struct ssf_err *err)
{
	json_auto_t *subject = NULL, *claims = NULL;

	if (subject_of(e->subject, &subject, err) < 0 ||
	    (e->claims != NULL && json_option("claims", e->claims, &claims, err) < 0))
		return -1;
	*out = json_pack("{s:s, s:O, s:O*, s:s*, s:s*}", "type", e->type, "subject", subject, "claims",
			 claims, "txn", e->txn, "reason", e->reason);
	return *out != NULL ? 0 : ssf_fail(err, SSF_E_MALFORMED, "an argument is not UTF-8");
}
