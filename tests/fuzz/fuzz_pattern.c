/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern and a document, each on a line of its own. */
#include "hub/rules/match.h"

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

static bool matches(const struct pattern *p, const json_t *document)
{
	bool matched;

	if (match_pattern(p, document, &matched, NULL, NULL) < 0)
		abort();
	return matched;
}

static void match(const json_t *source, const json_t *document)
{
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	struct ssf_diagnostic diag = { .line = 0 };
	struct pattern *p = NULL;

	if (pattern_compile(source, &whole, &diag, &p) < 0) {
		if (!ssf_utf8_valid(ssf_str_c(diag.err.msg)) || !ssf_utf8_valid(ssf_str_c(diag.path)))
			abort();
		return;
	}
	/* an array of one object is matched like that object */
	json_t *array = json_pack("[O]", document);
	if (array == NULL ||
	    (json_is_object(document) && matches(p, array) != matches(p, document)))
		abort();
	json_decref(array);
	pattern_free(p);
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
