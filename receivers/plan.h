/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one SET means for Redis: the rules of the configuration applied to its
 * subject and events. A rule counts as a whole: when one of its templates
 * cannot be filled, none of it is in the plan, and that is logged. Control
 * events of SSF (verification, stream-updated) are nobody's session and match no rule.
 */
#pragma once

#include "lib/ssf/err.h"
#include "lib/ssf/set.h"
#include "receivers/config.h"

struct plan_list {
	char **list;
	size_t n;
};

struct plan_mark {
	char *key;
	char *value; /* decimal digits */
	int64_t ttl_s;
};

struct plan {
	struct plan_list keys;
	struct plan_list index_sets;
	struct plan_list patterns;
	struct plan_mark *marks;
	size_t n_marks;
	size_t n_rules; /* that applied, counted once an event; 0: nothing is to be done */
};

/* SSF_E_NOMEM only. */
ssf_nodiscard int plan_make(const struct config *config, const struct ssf_set *set,
			    struct plan *out, struct ssf_err *err);
void plan_done(struct plan *p); /* no-op on zeroed memory */
