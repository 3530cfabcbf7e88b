/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template in the first line, and after it a JSON object with sub_id and event to fill it from.
 * Values must fit, and be escaped in a pattern.
 */
#include "receivers/sinks/redis/key_template.h"

#include "lib/ssf/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(const struct key_template *t, const struct key_template_values *values)
{
	ssf_auto_buf plain;
	ssf_auto_buf glob;
	struct ssf_err err;

	ssf_buf_init(&plain, KEY_TEMPLATE_FILLED_MAX);
	ssf_buf_init(&glob, KEY_TEMPLATE_FILLED_MAX);
	int a = key_template_fill(t, values, KEY_TEMPLATE_PLAIN, &plain, &err);
	int b = key_template_fill(t, values, KEY_TEMPLATE_GLOB, &glob, &err);
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
	ssf_auto(key_template) t = NULL;
	struct ssf_err err;

	if (key_template_parse((struct ssf_str){ text, len }, &t, &err) < 0 ||
	    ssf_json_parse(rest, &ssf_json_default, &doc, &err) < 0)
		return 0;
	fill(t, &(const struct key_template_values){ .sub_id = json_object_get(doc, "sub_id"),
						 .event = json_object_get(doc, "event"),
						 .jti = "jti",
						 .iat = 1 });
	return 0;
}
