/* SPDX-License-Identifier: Apache-2.0 */
/* The subscriptions of a process, by id and by shard. */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/deliver/subscription.h"
#include "lib/kit/hashmap.h"

struct subscription_set {
	struct hashmap by_id;
	LIST_HEAD(, subscription) shards[OWNER_SHARDS];
};

void subscription_set_init(struct subscription_set *set);
void subscription_set_done(struct subscription_set *set); /* must be empty */
ssf_nodiscard int subscription_set_add(struct subscription_set *set, struct subscription *s); /* -1: out of memory */
void subscription_set_remove(struct subscription_set *set, struct subscription *s);
struct subscription *subscription_set_find(const struct subscription_set *set, const char *id); /* or NULL */
/* The one after s, which is in the set; the first one if s is NULL. NULL: there is none. */
struct subscription *subscription_set_next(const struct subscription_set *set, const struct subscription *s);
