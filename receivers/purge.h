/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries out one plan, in this order: watermarks, so that what is cached again
 * meanwhile is already judged by them; single keys; index sets; patterns. Every
 * command may be repeated with the same outcome, so a purge that failed half-way
 * is simply done again.
 *
 *   keys        UNLINK
 *   index sets  SSCAN; then in one script UNLINK of the members found and SREM of
 *               the same members. A member added meanwhile stays in the set (only
 *               what was unlinked is removed from it), and a member that was unlinked
 *               and cached anew cannot fall out of it (both happen at once). In
 *               pieces, so a large set does not hold up Redis as one script would.
 *   patterns    SCAN MATCH over all keys, UNLINK of what is found
 *   watermarks  a script that keeps the larger value and the longer life
 */
#pragma once

#include "lib/ssf/err.h"
#include "receivers/plan.h"
#include "receivers/redis.h"

struct purge;

/* removed: keys that were there. On failure every code means: try again. */
typedef void purge_done_f(void *arg, int64_t removed, const struct ssf_err *err);

/* Takes the plan's contents over when it succeeds; the plan must have n_rules > 0. */
ssf_nodiscard int purge_start(struct redis *redis, struct plan *plan, purge_done_f *done, void *arg,
			      struct purge **out, struct ssf_err *err);
void purge_cancel(struct purge *p);
