/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern and a document, each on a line of its own. */
#include "hub/rules/rules.h"

#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *parse(const char *text, size_t len)
{
	json_t *value = NULL;

	if (ssf_json_parse((struct ssf_str){ text, len }, &ssf_json_default, &value, NULL) < 0)
		return NULL;
	return value;
}

static void match(const json_t *pattern, const json_t *document)
{
	struct rule_pattern *p = NULL;
	struct ssf_err err;

	if (rule_pattern_compile(pattern, &p, &err) < 0) {
		if (!ssf_utf8_valid(ssf_str_c(err.msg)))
			abort();
		return;
	}
	bool matched = rule_pattern_match(p, document);
	/* an array of one is matched like the one */
	json_t *array = json_pack("[O]", document);
	if (array == NULL || (json_is_object(document) && rule_pattern_match(p, array) != matched))
		abort();
	json_decref(array);
	rule_pattern_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size > 0 ? memchr(text, '\n', size) : NULL;

	if (end == NULL)
		return 0;
	json_t *pattern = parse(text, (size_t)(end - text));
	json_t *document = parse(end + 1, size - (size_t)(end + 1 - text));
	if (pattern != NULL && document != NULL)
		match(pattern, document);
	json_decref(pattern);
	json_decref(document);
	return 0;
}
