/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values as text, byte for byte as jansson writes them with JSON_COMPACT and JSON_ENCODE_ANY, but faster. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lib/ssf/buf.h"

/*
 * Appends the text; sorted: members in the order of the bytes of their names (JSON_SORT_KEYS). The value
 * must not contain itself. -1: out of memory or of the buffer's maximum, as after ssf_buf_add.
 */
int ssf_json_append(const json_t *value, bool sorted, struct ssf_buf *out);
/* Appends a text as a JSON string. The same errors. */
int ssf_json_append_string(struct ssf_str text, struct ssf_buf *out);
