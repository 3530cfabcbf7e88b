/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as programs write it: objects, arrays, strings of ASCII without escapes, integers, literals. It is read
 * several times as fast as jansson reads it; all else is left to jansson.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/buf.h"

/*
 * The value that jansson would give (with JSON_REJECT_DUPLICATES) for one object or array; new reference.
 * NULL: it is not plain, or not JSON, or nested deeper than max_depth, or memory is out: nobody knows.
 */
json_t *ssf_json_plain(struct ssf_str text, unsigned max_depth);
