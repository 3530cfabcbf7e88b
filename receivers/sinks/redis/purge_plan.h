/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one SET means for Redis: the rules applied to its subject and events. A rule counts as a
 * whole: when one of its templates cannot be filled, none of it is in the plan, and a warning is
 * logged. Control events of SSF (verification, stream-updated) concern no session and match no
 * rule.
 */
#pragma once

#include "lib/ssf/err.h"
#include "lib/ssf/set.h"
#include "receivers/sinks/redis/purge_rules.h"

struct purge_plan_list {
	char **list;
	size_t count;
};

struct purge_plan_mark {
	char *key;
	char *value; /* decimal digits */
	int64_t ttl_s;
};

struct purge_plan {
	struct purge_plan_list keys;
	struct purge_plan_list index_sets;
	struct purge_plan_list patterns;
	struct purge_plan_mark *marks;
	size_t mark_count;
	size_t rule_count; /* rules that applied, each once an event; 0: nothing is to be done */
};

/* SSF_E_NOMEM only. */
ssf_nodiscard int purge_plan_make(const struct purge_rules *rules, const struct ssf_set *set,
				  struct purge_plan *out, struct ssf_err *err);
void purge_plan_done(struct purge_plan *p); /* no-op on zeroed memory */
