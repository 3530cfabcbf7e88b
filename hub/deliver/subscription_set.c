/* SPDX-License-Identifier: Apache-2.0 */
/* Owns no subscription. */
#include "hub/deliver/subscription_set.h"

static struct ssf_str id_of(const void *entry)
{
	const struct subscription *const *s = entry;

	return ssf_str_c((*s)->id);
}

static const struct hashmap_type by_id = { .size = sizeof(struct subscription *), .key = id_of };

void subscription_set_init(struct subscription_set *set)
{
	set->by_id = HASHMAP(&by_id);
	for (int i = 0; i < OWNER_SHARDS; i++)
		LIST_INIT(&set->shards[i]);
}

void subscription_set_done(struct subscription_set *set)
{
	hashmap_done(&set->by_id);
}

int subscription_set_add(struct subscription_set *set, struct subscription *s)
{
	bool is_new;
	struct subscription **at = hashmap_put(&set->by_id, ssf_str_c(s->id), &is_new);

	if (at == NULL)
		return -1;
	*at = s;
	LIST_INSERT_HEAD(&set->shards[s->shard], s, link);
	return 0;
}

void subscription_set_remove(struct subscription_set *set, struct subscription *s)
{
	hashmap_remove(&set->by_id, hashmap_find(&set->by_id, ssf_str_c(s->id)));
	LIST_REMOVE(s, link);
}

struct subscription *subscription_set_find(const struct subscription_set *set, const char *id)
{
	struct subscription **at = hashmap_find(&set->by_id, ssf_str_c(id));

	return at != NULL ? *at : NULL;
}

struct subscription *subscription_set_next(const struct subscription_set *set, const struct subscription *s)
{
	struct subscription *next = s != NULL ? LIST_NEXT(s, link) : NULL;

	for (int i = s != NULL ? s->shard + 1 : 0; next == NULL && i < OWNER_SHARDS; i++)
		next = LIST_FIRST(&set->shards[i]);
	return next;
}
