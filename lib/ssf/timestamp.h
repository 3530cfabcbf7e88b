/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as texts: RFC 3339 section 5.6, "2026-11-25T04:00:00Z", "...04:00:00.5+02:00". */
#pragma once

#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/*
 * Milliseconds since 1970, rounded down, of years 1970 to 9999. A leap second counts as the one
 * after. SSF_E_MALFORMED.
 */
ssf_nodiscard int ssf_timestamp_parse(struct ssf_str text, int64_t *ms, struct ssf_err *err);

#define SSF_TIMESTAMP_LEN 25 /* with the NUL */
/*
 * In UTC, to the second: "2026-11-25T04:00:00Z"; with _ms: "2026-11-25T04:00:00.500Z". "" for a time before 1970
 * or after 9999.
 */
void ssf_timestamp_text(int64_t ms, char out[SSF_TIMESTAMP_LEN]);
void ssf_timestamp_text_ms(int64_t ms, char out[SSF_TIMESTAMP_LEN]);
