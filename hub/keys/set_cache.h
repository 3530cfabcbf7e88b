/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest signed SETs, so that a retry, another poll or a second stream of the same audience does not
 * sign again. A fixed number of slots by hash: a newer SET may replace another one. It must never return
 * a SET that another key signed than the one asked for.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/jwk.h"

#define SET_CACHE_SLOTS 4096 /* about 1 KiB each */

struct set_cache;

struct set_cache *set_cache_new(void); /* NULL: no memory */
void set_cache_free(struct set_cache *c); /* NULL is fine */

/* An empty view if there is none. Borrowed until the next put. */
struct ssf_str set_cache_find(const struct set_cache *c, int64_t seq, const char *audience,
			      const struct ssf_key *key);
/* Does nothing when out of memory. */
void set_cache_put(struct set_cache *c, int64_t seq, const char *audience, struct ssf_key *key,
		   struct ssf_str set);
