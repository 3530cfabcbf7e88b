/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: text with ${path} and ${path|default}. A path is keys with dots between them; a
 * backslash takes the character behind it literally. No expressions, no code.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/diagnostic.h"

/* Checks the syntax of every string in value, which stands at this path. */
ssf_nodiscard int template_check(const json_t *value, const struct ssf_json_path *at,
				 struct ssf_diagnostic *diag);

/* Whether a string in value has a ${path}, so that only an event tells what it will be. */
bool template_has_path(const json_t *value);

/*
 * Fills a template from the document. Missing path without default: SSF_E_NOT_FOUND naming it.
 * Numbers and booleans show as in JSON; objects and arrays are SSF_E_MALFORMED.
 */
ssf_nodiscard int template_fill(const char *text, const json_t *document, struct ssf_buf *out,
				struct ssf_err *err);
/*
 * The same for every string of a JSON value; members whose path is missing are left out. A
 * string that is one path and nothing else takes a number or boolean over with its type.
 */
ssf_nodiscard int template_fill_json(const json_t *value, const json_t *document, json_t **out,
				     struct ssf_err *err);
