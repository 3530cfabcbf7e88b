/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template in the first line, and after it a JSON object with sub_id and event to fill it from.
 * What is filled in must fit, and as a pattern be escaped.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ssf/json.h"
#include "receivers/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(const struct template *t, const struct template_values *values)
{
	ssf_auto_buf plain;
	ssf_auto_buf glob;
	struct ssf_err err;

	ssf_buf_init(&plain, TEMPLATE_FILLED_MAX);
	ssf_buf_init(&glob, TEMPLATE_FILLED_MAX);
	int a = template_fill(t, values, TEMPLATE_PLAIN, &plain, &err);
	int b = template_fill(t, values, TEMPLATE_GLOB, &glob, &err);
	if (a != b || (a < 0 && err.code == SSF_E_NOMEM) || glob.len < plain.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
	size_t len = line != NULL ? (size_t)(line - text) : size;
	struct ssf_str rest = { text + len, size - len };
	json_auto_t *doc = NULL;
	ssf_auto(template) t = NULL;
	struct ssf_err err;

	if (template_parse((struct ssf_str){ text, len }, &t, &err) < 0 ||
	    ssf_json_parse(rest, &ssf_json_default, &doc, &err) < 0)
		return 0;
	fill(t, &(const struct template_values){ .sub_id = json_object_get(doc, "sub_id"),
						 .event = json_object_get(doc, "event"),
						 .jti = "jti",
						 .iat = 1 });
	return 0;
}
