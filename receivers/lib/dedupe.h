/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SETs that have been acted on: their (iss, jti), for a window of time and up to a maximum.
 * The oldest is forgotten first.
 *
 * They are kept in memory only. Sinks may act on a SET twice, so a SET that was forgotten
 * (restart, overflow) and comes again is acted on again, with the same result. This module only
 * saves the work.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/err.h"

struct dedupe;

ssf_nodiscard int dedupe_new(size_t max, int64_t window_ms, struct dedupe **out,
			     struct ssf_err *err);
void dedupe_free(struct dedupe *d);
SSF_DEFINE_AUTO(dedupe)

bool dedupe_seen(struct dedupe *d, const char *iss, const char *jti, int64_t now_ms);
/* Without memory the SET is not remembered, which is no error. now_ms never goes back. */
void dedupe_add(struct dedupe *d, const char *iss, const char *jti, int64_t now_ms);
size_t dedupe_count(const struct dedupe *d);
