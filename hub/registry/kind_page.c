/* SPDX-License-Identifier: Apache-2.0 */
/* Writes Markdown. The page changes only with the descriptions. */
#include "hub/registry/kind_page.h"

#include "lib/ssf/attr.h"

#include <string.h>

#define INTRODUCTION                                                                                                  \
	"# Resources\n\n"                                                                                             \
	"Generated from `hub/registry/kinds` by `cmake --build build --target docs`; do not edit it here.\n\n"         \
	"A resource is what an operator sets up: a JSON object with `kind`, `id` (1 to 128 of `A-Z a-z 0-9 . _ : @ -`)\n" \
	"and the members of its kind. `ssfhub apply FILE` writes resources, `ssfhub get KIND [ID]` shows them, `ssfhub delete\n" \
	"KIND ID` removes one; the HTTP interface is in [api.md](api.md#resources).\n\n"                               \
	"- **Secrets** that the hub has to use are sealed under the master key before they are stored, and shown as\n"  \
	"  `\"(sealed)\"`; writing `\"(sealed)\"` keeps what is stored. Secrets that the hub only has to recognize are\n" \
	"  stored as their SHA-256.\n"                                                                                  \
	"- **References** must exist, in the database or in the same request. A resource that others refer to cannot be\n" \
	"  deleted.\n"                                                                                                  \
	"- **Unique** members have different values in all resources of the kind.\n"                                    \
	"- A member that is `null` is absent. Members that are not listed here are refused.\n"                         \
	"- `version` counts the changes of a resource ([versions](api.md#versions)).\n\n"

static void write_values(const char *const *values, struct ssf_buf *out)
{
	for (; *values != NULL; values++)
		ssf_buf_addf(out, "`%s`%s", *values, values[1] != NULL ? ", " : "");
}

static void write_choice(const struct kind_member *m, struct ssf_buf *out)
{
	ssf_buf_adds(out, "one of ");
	if (m->values != NULL) {
		write_values(m->values, out);
		return;
	}
	for (const struct kind_variant *v = m->variants(); v->value != NULL; v++)
		ssf_buf_addf(out, "`%s`%s", v->value, v[1].value != NULL ? ", " : "");
}

static void write_texts(const struct kind_member *m, struct ssf_buf *out)
{
	ssf_buf_addf(out, "list of %s%lld strings", m->min > 0 ? "1 to " : "up to ",
		     (long long)(m->max > 0 ? m->max : KIND_LIST_MAX));
	if (m->values != NULL) {
		ssf_buf_adds(out, " out of ");
		write_values(m->values, out);
	}
}

void kind_page_type(const struct kind_member *m, struct ssf_buf *out)
{
	long long min = m->min > 0 ? (long long)m->min : KIND_SECRET_MIN;

	switch (m->type) {
	case KIND_TEXT:
		ssf_buf_addf(out, "string of 1 to %d bytes", KIND_TEXT_MAX);
		break;
	case KIND_STRING:
		ssf_buf_adds(out, "string");
		break;
	case KIND_CHOICE:
		write_choice(m, out);
		break;
	case KIND_BOOL:
		ssf_buf_adds(out, "`true` or `false`");
		break;
	case KIND_INTEGER:
		ssf_buf_addf(out, "integer from %lld to %lld", (long long)m->min, (long long)m->max);
		break;
	case KIND_TEXTS:
		write_texts(m, out);
		break;
	case KIND_MAP:
		ssf_buf_adds(out, "object with any members");
		break;
	case KIND_OBJECT:
		ssf_buf_adds(out, "object");
		break;
	case KIND_REFERENCE:
		ssf_buf_addf(out, "id of a resource of kind `%s`", kind_name(m->target));
		break;
	case KIND_URL:
		ssf_buf_adds(out, "https URL, or http to a loopback address");
		break;
	case KIND_PUSH_URL:
		ssf_buf_adds(out, "URL that the settings push_allow and push_allow_http permit");
		break;
	case KIND_JWKS:
		ssf_buf_adds(out, "public keys (RFC 7517)");
		break;
	case KIND_SHA256:
		ssf_buf_adds(out, "64 hex digits");
		break;
	case KIND_HASHED:
		ssf_buf_addf(out, "secret of %lld to %d bytes, stored as `%s`", min, KIND_SECRET_MAX, m->into);
		break;
	case KIND_SEALED_SECRET:
		ssf_buf_addf(out, "secret of %lld to %d bytes, stored sealed", min, KIND_SECRET_MAX);
		break;
	case KIND_MADE:
		ssf_buf_adds(out, "made by the hub");
		break;
	}
}

static size_t count_names(const struct kind_rule *rule)
{
	size_t n = 0;

	while (n < SSF_ARRAY_SIZE(rule->names) && rule->names[n] != NULL)
		n++;
	return n;
}

void kind_page_rule(const struct kind_rule *rule, struct ssf_buf *out)
{
	static const char *const begin[] = {
		[KIND_EXACTLY_ONE] = "Exactly one of ",
		[KIND_AT_MOST_ONE] = "At most one of ",
		[KIND_AT_LEAST_ONE] = "At least one of ",
		[KIND_TOGETHER] = "Together or not at all: ",
	};
	size_t n = count_names(rule);

	ssf_buf_adds(out, begin[rule->type]);
	for (size_t i = 0; i < n; i++)
		ssf_buf_addf(out, "`%s`%s", rule->names[i], i + 2 < n ? ", " : i + 1 < n ? " and " : ".");
}

/* --- the page -------------------------------------------------------------------------------------------------- */

static void write_row(const char *prefix, const struct kind_member *m, struct ssf_buf *out)
{
	ssf_buf_addf(out, "| `%s%s` | ", prefix, m->name);
	kind_page_type(m, out);
	if ((m->flags & KIND_REQUIRED) != 0)
		ssf_buf_adds(out, "; required");
	if ((m->flags & KIND_UNIQUE) != 0 && m->within != NULL)
		ssf_buf_addf(out, "; unique for one `%s`", m->within);
	else if ((m->flags & KIND_UNIQUE) != 0)
		ssf_buf_adds(out, "; unique");
	if ((m->flags & KIND_IMMUTABLE) != 0)
		ssf_buf_adds(out, "; cannot be changed");
	ssf_buf_addf(out, " | %s%s%s |\n", m->help != NULL ? m->help : "", m->absent != NULL ? " Absent: " : "",
		     m->absent != NULL ? m->absent : "");
}

static void write_rows(const char *prefix, const struct kind_object *o, struct ssf_buf *out)
{
	for (const struct kind_member *m = o->members; m->name != NULL; m++) {
		ssf_auto_buf inner = SSF_BUF(256);
		write_row(prefix, m, out);
		ssf_buf_addf(&inner, "%s%s.", prefix, m->name);
		if (m->type == KIND_OBJECT)
			write_rows(inner.ptr, m->object, out);
	}
}

static void write_table(const char *prefix, const struct kind_object *o, struct ssf_buf *out)
{
	ssf_buf_adds(out, "| member | value | what |\n| --- | --- | --- |\n");
	write_rows(prefix, o, out);
	ssf_buf_adds(out, "\n");
	for (const struct kind_rule *r = o->rules; r != NULL && r->type != 0; r++) {
		ssf_buf_adds(out, "- ");
		kind_page_rule(r, out);
		ssf_buf_adds(out, r[1].type != 0 ? "\n" : "\n\n");
	}
}

/* Members that a choice adds, wherever in the resource it is. */
static void write_variants(const char *prefix, const struct kind_object *o, struct ssf_buf *out)
{
	for (const struct kind_member *m = o->members; m->name != NULL; m++) {
		ssf_auto_buf inner = SSF_BUF(256);
		ssf_buf_addf(&inner, "%s%s.", prefix, m->name);
		if (m->type == KIND_OBJECT)
			write_variants(inner.ptr, m->object, out);
		for (const struct kind_variant *v = m->variants != NULL ? m->variants() : NULL;
		     v != NULL && v->value != NULL; v++) {
			ssf_buf_addf(out, "With `%s%s` `%s` (%s)%s\n\n", prefix, m->name, v->value, v->help,
				     v->object != NULL ? ":" : " there are no further members.");
			if (v->object != NULL)
				write_table(prefix, v->object, out);
		}
	}
}

static void write_kind(const struct kind_info *k, struct ssf_buf *out)
{
	ssf_buf_addf(out, "## %s\n\n%s\n\n", k->name, k->help);
	write_table("", &k->object, out);
	write_variants("", &k->object, out);
	ssf_buf_addf(out, "```json\n%s\n```\n", k->example);
}

void kind_page_write(struct ssf_buf *out)
{
	ssf_buf_adds(out, INTRODUCTION "| kind | what |\n| --- | --- |\n");
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct kind_info *k = kind_of((enum kind)i);
		ssf_buf_addf(out, "| [%s](#%s) | %s |\n", k->name, k->name, k->help);
	}
	for (size_t i = 0; i < KIND_COUNT; i++) {
		ssf_buf_adds(out, "\n");
		write_kind(kind_of((enum kind)i), out);
	}
}
