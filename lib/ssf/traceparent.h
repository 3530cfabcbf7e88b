/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traceparent header of W3C Trace Context (Recommendation of 2021-11-23, section 3.2): which trace a
 * request belongs to. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/ssf/buf.h"

#define SSF_TRACEPARENT_LEN 56 /* of version 00, with NUL */

/*
 * Takes the value of the header; gives it in version 00, whatever version it came in: of a later one
 * only the fields that version 00 has, and of those only what it says of them. False when it is not
 * valid: then it counts as absent (section 4.3), which is no error of the request.
 */
bool ssf_traceparent_parse(struct ssf_str value, char out[SSF_TRACEPARENT_LEN]);

/*
 * The value for a request that this one leads to: the same trace and flags, and a parent-id of its own (any
 * but 0). in is what ssf_traceparent_parse() gave.
 */
void ssf_traceparent_child(const char *in, uint64_t parent_id, char out[SSF_TRACEPARENT_LEN]);
