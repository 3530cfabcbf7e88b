/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which SETs have been dealt with: (iss, jti) of those whose purge Redis has
 * confirmed, for a window of time and up to a maximum, the oldest forgotten
 * first.
 *
 * Memory is enough, and nothing is written to Redis: purging is idempotent, so
 * a SET that is forgotten (restart, overflow) and comes again is purged again,
 * with the same outcome. This only saves the work.
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
/* Out of memory is not an error here: the SET is then not remembered. now_ms never goes back. */
void dedupe_add(struct dedupe *d, const char *iss, const char *jti, int64_t now_ms);
size_t dedupe_count(const struct dedupe *d);
