/* SPDX-License-Identifier: Apache-2.0 */
/* Prints, and asks nobody. */
#include "hub/cli/deadletters.h"

#include "lib/ssf/catalog.h"

static const char *text(const json_t *letter, const char *key)
{
	const char *value = json_string_value(json_object_get(letter, key));

	return value != NULL ? value : "-";
}

static long long seq_of(const json_t *letter)
{
	return json_integer_value(json_object_get(letter, "seq"));
}

/* The short name, if it is one of the catalogue. */
static const char *type_text(const json_t *letter)
{
	const char *type = text(letter, "type");
	const struct ssf_event_type *known = ssf_event_by_uri(type);

	return known != NULL ? known->name : type;
}

void deadletters_print(const json_t *letters, bool head, FILE *to)
{
	const json_t *letter;
	size_t i;

	if (head)
		fprintf(to, "%-24s %8s %-19s %-30s %-24s %s %s\n", "STREAM", "SEQ", "AT", "TYPE", "REASON", "TXN",
			"JTI");
	json_array_foreach(letters, i, letter)
		fprintf(to, "%-24s %8lld %-19.19s %-30s %-24s %s %s\n", text(letter, "stream"), seq_of(letter),
			text(letter, "at"), type_text(letter), text(letter, "reason"), text(letter, "txn"),
			text(letter, "jti"));
}

void deadletters_after(const json_t *last, bool one_stream, char out[DEADLETTERS_AFTER_MAX])
{
	if (last == NULL)
		snprintf(out, DEADLETTERS_AFTER_MAX, "after=%s", one_stream ? "0" : "/0");
	else if (one_stream)
		snprintf(out, DEADLETTERS_AFTER_MAX, "after=%lld", seq_of(last));
	else
		snprintf(out, DEADLETTERS_AFTER_MAX, "after=%s/%lld", text(last, "stream"), seq_of(last));
}
