/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subject identifiers: one table of formats, one recursive check at most two
 * levels deep, and how two subjects compare.
 */
#include "lib/ssf/subject.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"

#include <arpa/inet.h>
#include <string.h>

#define SUBJECT_MAX_BYTES (8 * 1024)
#define SUBJECT_MAX_ALIASES 32

/* Formats whose members are all strings. */
struct format {
	const char *name;
	const char *members[3]; /* required, NULL-terminated */
	const char *scheme;     /* what the first member starts with, or NULL */
};

static const struct format formats[] = {
	{ "account", { "uri" }, "acct:" },
	{ "did", { "url" }, "did:" },
	{ "email", { "email" }, NULL },
	{ "iss_sub", { "iss", "sub" }, NULL },
	{ "jwt_id", { "iss", "jti" }, NULL },
	{ "opaque", { "id" }, NULL },
	{ "phone_number", { "phone_number" }, NULL },
	{ "saml_assertion_id", { "issuer", "assertion_id" }, NULL },
	{ "uri", { "uri" }, NULL },
};

/* What may stand inside: complex at the top only, aliases not inside themselves. */
enum nesting {
	ALLOW_ALL,
	ALLOW_NO_COMPLEX,
	ALLOW_NO_ALIASES,
};

static int check(const json_t *subject, enum nesting allowed, struct ssf_err *err);

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	}
	return NULL;
}

static int check_known(const json_t *subject, const struct format *format, struct ssf_err *err)
{
	for (size_t i = 0; format->members[i] != NULL; i++) {
		const char *value;
		if (ssf_json_get_str(subject, format->members[i], &value, err) < 0)
			return -1;
		if (value[0] == '\0')
			return ssf_fail(err, SSF_E_MALFORMED, "%s: empty", format->members[i]);
		if (i == 0 && format->scheme != NULL &&
		    !ssf_str_has_prefix(ssf_str_c(value), format->scheme))
			return ssf_fail(err, SSF_E_MALFORMED, "%s: does not start with %s",
					format->members[i], format->scheme);
	}
	return 0;
}

static int check_unknown(const json_t *subject, struct ssf_err *err)
{
	json_t *members = (json_t *)subject; /* only iterated over */
	const char *name;
	json_t *value;

	json_object_foreach(members, name, value) {
		if (!json_is_string(value))
			return ssf_fail(err, SSF_E_MALFORMED, "%.64s: not a string", name);
	}
	return 0;
}

static int check_addresses(const json_t *subject, struct ssf_err *err)
{
	static const char name[] = "ip-addresses";
	const json_t *list;

	if (ssf_json_opt_strings(subject, name, SUBJECT_MAX_ALIASES, &list, err) < 0)
		return -1;
	if (json_array_size(list) == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: missing or empty", name);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		unsigned char address[sizeof(struct in6_addr)];
		if (inet_pton(AF_INET, text, address) != 1 &&
		    inet_pton(AF_INET6, text, address) != 1)
			return ssf_fail(err, SSF_E_MALFORMED, "%s[%zu]: not an address", name, i);
	}
	return 0;
}

static int check_aliases(const json_t *subject, struct ssf_err *err)
{
	const json_t *list = json_object_get(subject, "identifiers");

	if (!json_is_array(list) || json_array_size(list) == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "identifiers: not an array or empty");
	if (json_array_size(list) > SUBJECT_MAX_ALIASES)
		return ssf_fail(err, SSF_E_LIMIT, "identifiers: more than %d", SUBJECT_MAX_ALIASES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (check(json_array_get(list, i), ALLOW_NO_ALIASES, err) < 0)
			return ssf_fail_prefix(err, "identifiers[%zu]", i);
	}
	return 0;
}

static int check_complex(const json_t *subject, struct ssf_err *err)
{
	json_t *members = (json_t *)subject; /* only iterated over */
	const char *name;
	json_t *value;

	if (json_object_size(subject) < 2)
		return ssf_fail(err, SSF_E_MALFORMED, "complex: without members");
	if (json_object_size(subject) - 1 > SSF_SUBJECT_MAX_MEMBERS)
		return ssf_fail(err, SSF_E_LIMIT, "complex: more than %d members",
				SSF_SUBJECT_MAX_MEMBERS);
	json_object_foreach(members, name, value) {
		if (strcmp(name, "format") != 0 && check(value, ALLOW_NO_COMPLEX, err) < 0)
			return ssf_fail_prefix(err, "%.64s", name);
	}
	return 0;
}

static int check(const json_t *subject, enum nesting allowed, struct ssf_err *err)
{
	const char *name;

	if (!json_is_object(subject))
		return ssf_fail(err, SSF_E_MALFORMED, "not an object");
	if (ssf_json_get_str(subject, "format", &name, err) < 0)
		return -1;
	const struct format *format = find_format(name);
	if (format != NULL)
		return check_known(subject, format, err);
	if (strcmp(name, "ip-addresses") == 0)
		return check_addresses(subject, err);
	if (strcmp(name, "complex") == 0) {
		if (allowed != ALLOW_ALL)
			return ssf_fail(err, SSF_E_MALFORMED, "format: complex not allowed here");
		return check_complex(subject, err);
	}
	if (strcmp(name, "aliases") == 0) {
		if (allowed == ALLOW_NO_ALIASES)
			return ssf_fail(err, SSF_E_MALFORMED, "format: aliases not allowed here");
		return check_aliases(subject, err);
	}
	if (name[0] == '\0')
		return ssf_fail(err, SSF_E_MALFORMED, "format: empty");
	return check_unknown(subject, err);
}

int ssf_subject_check(const json_t *subject, struct ssf_err *err)
{
	if (ssf_json_longer(subject, SUBJECT_MAX_BYTES))
		return ssf_fail(err, SSF_E_LIMIT, "subject: larger than %d bytes",
				SUBJECT_MAX_BYTES);
	return check(subject, ALLOW_ALL, err);
}

int ssf_subject_key(const json_t *subject, uint8_t out[SSF_SHA256_LEN])
{
	ssf_auto_free char *text = ssf_json_canonical(subject);

	if (text == NULL)
		return -1;
	ssf_sha256(ssf_str_c(text), out);
	return 0;
}

bool ssf_subject_has_format(const json_t *subject, const char *format)
{
	const char *name = json_string_value(json_object_get(subject, "format"));

	return name != NULL && strcmp(name, format) == 0;
}

/* What b lacks is no difference, unless b needs all of a's fields. */
static bool fields_match(const json_t *a, const json_t *b, bool needs_all)
{
	json_t *fields = (json_t *)a; /* only iterated over */
	const char *name;
	json_t *value;

	json_object_foreach(fields, name, value) {
		const json_t *other = json_object_get(b, name);
		if (other == NULL ? needs_all : !json_equal(value, other))
			return false;
	}
	return true;
}

/* Neither is complex. */
static bool identifiers_match(const json_t *a, const json_t *b)
{
	if (ssf_subject_has_format(a, "aliases")) {
		const json_t *list = json_object_get(a, "identifiers");
		for (size_t i = 0; i < json_array_size(list); i++) {
			if (identifiers_match(json_array_get(list, i), b))
				return true;
		}
		return false;
	}
	if (ssf_subject_has_format(b, "aliases"))
		return identifiers_match(b, a);
	return json_equal(a, b);
}

static bool match(const json_t *a, const json_t *b, bool needs_all)
{
	bool complex = ssf_subject_has_format(a, "complex");

	if (complex != ssf_subject_has_format(b, "complex"))
		return false;
	return complex ? fields_match(a, b, needs_all) : identifiers_match(a, b);
}

bool ssf_subject_matches(const json_t *a, const json_t *b)
{
	return match(a, b, false);
}

bool ssf_subject_covers(const json_t *outer, const json_t *inner)
{
	return match(outer, inner, true);
}

json_t *ssf_subject_iss_sub(const char *iss, const char *sub)
{
	return json_pack("{s:s, s:s, s:s}", "format", "iss_sub", "iss", iss, "sub", sub);
}

json_t *ssf_subject_opaque(const char *id)
{
	return json_pack("{s:s, s:s}", "format", "opaque", "id", id);
}
