/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often somebody may do something: a token bucket a name (an address, a client), in a table
 * of fixed size. Who is not in it any more begins with a full bucket, so the table forgets those
 * first whose buckets have been left alone for longest.
 */
#pragma once

#include <stdint.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/err.h"

struct rate;

/* per_second: in the long run; twice that at once. 0: everything is allowed. NULL: no memory. */
struct rate *rate_new(int64_t per_second);
void rate_free(struct rate *r);
SSF_DEFINE_AUTO(rate)

/* Takes one of name's. 0: allowed; otherwise the milliseconds until the next one is. now: monotonic. */
int64_t rate_take(struct rate *r, const char *name, int64_t now_ms);
/* The same without taking it, and without making room for name. */
int64_t rate_look(const struct rate *r, const char *name, int64_t now_ms);
