/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries out one plan, in this order: watermarks first, so that keys that are cached again
 * meanwhile are already judged by them; single keys; index sets; patterns. Every command may be
 * repeated with the same result, so a purge that failed half-way is simply done again.
 *
 *   keys        UNLINK
 *   index sets  SSCAN; then, in one script, UNLINK of the members found and SREM of the same
 *               members. A member that is added meanwhile stays in the set: only unlinked members
 *               leave it. A member that is unlinked and cached again cannot leave it: both happen
 *               at once. Done in pieces, so that a large set does not block Redis.
 *   patterns    SCAN MATCH over all keys, UNLINK of the keys found
 *   watermarks  a script that keeps the larger value and the longer life
 */
#pragma once

#include "lib/ssf/err.h"
#include "receivers/sinks/redis/purge_plan.h"
#include "receivers/sinks/redis/redis.h"

struct purge;

/* removed: how many keys existed. After an error, whatever its code, try again. */
typedef void purge_done_f(void *arg, int64_t removed, const struct ssf_err *err);

/* On success it takes over the contents of the plan, which must have rule_count > 0. */
ssf_nodiscard int purge_start(struct redis *redis, struct purge_plan *plan, purge_done_f *done,
			      void *arg, struct purge **out, struct ssf_err *err);
void purge_cancel(struct purge *p);
