/* SPDX-License-Identifier: Apache-2.0 */
/* Owns which shards are held, and frees the subscriptions of those that are not any more. */
#include "hub/deliver/shards.h"

#include "lib/kit/log.h"

#define RETRY_MS 50

bool shards_has(const struct shards *s, int shard)
{
	return s->shard[shard].held;
}

bool shards_may_act(const struct shards *s, int shard)
{
	return !s->shard[shard].releasing && owner_acts(s->deps.owner, shard);
}

bool shards_are_filling(const struct shards *s)
{
	return s->fill != NULL;
}

static void set_releasing(struct shards *s, int shard, bool releasing)
{
	struct shard *sh = &s->shard[shard];

	if (sh->releasing != releasing)
		s->releasing += releasing ? 1 : -1;
	sh->releasing = releasing;
	sh->releasing_since_ms = loop_now_ms();
}

/* --- acquired --------------------------------------------------------------------------------- */

/* For all that were acquired in one turn of the loop. */
static void on_fill(void *arg)
{
	struct shards *s = arg;

	s->fill = NULL;
	s->deps.fill(s->deps.arg);
}

static void on_acquired(void *arg, int shard, bool retained)
{
	struct shards *s = arg;
	struct subscription *sub;

	s->shard[shard].held = true;
	if (retained) {
		LIST_FOREACH(sub, &s->deps.set->shards[shard], link)
			subscription_wake(sub);
	} else if (s->fill == NULL) {
		s->fill = loop_defer_start(s->deps.loop, on_fill, s);
	}
}

/* --- not ours any more ------------------------------------------------------------------------ */

/* What is in flight may end, and is remembered in case that the shard comes back. */
static void on_suspended(void *arg, int shard)
{
	struct shards *s = arg;
	struct subscription *sub;

	if (!s->shard[shard].releasing)
		return;
	set_releasing(s, shard, false);
	LIST_FOREACH(sub, &s->deps.set->shards[shard], link)
		subscription_resume(sub);
}

static void on_lost(void *arg, int shard)
{
	struct shards *s = arg;
	struct subscription *sub;

	set_releasing(s, shard, false);
	s->shard[shard].held = false;
	while ((sub = LIST_FIRST(&s->deps.set->shards[shard])) != NULL) {
		subscription_set_remove(s->deps.set, sub);
		subscription_free(sub, DELIVERY_STOPPED);
	}
}

/* --- handing over ----------------------------------------------------------------------------- */

static bool is_idle(const struct shards *s, int shard)
{
	const struct subscription *sub;

	LIST_FOREACH(sub, &s->deps.set->shards[shard], link) {
		if (!subscription_is_idle(sub))
			return false;
	}
	return true;
}

/* Marks what a checkpoint still has to save; whether there is anything. */
static bool has_unsaved(const struct shards *s, int shard)
{
	struct subscription *sub;
	bool any = false;

	LIST_FOREACH(sub, &s->deps.set->shards[shard], link)
		any = subscription_mark_unsaved(sub) || any;
	return any;
}

static void on_step(void *arg)
{
	struct shards *s = arg;
	bool wanted = false;

	s->step = NULL;
	for (int i = 0; i < OWNER_SHARDS; i++) {
		if (!s->shard[i].releasing || !is_idle(s, i))
			continue;
		if (has_unsaved(s, i) || positions_are_saving(s->deps.positions)) {
			if (loop_now_ms() - s->shard[i].releasing_since_ms < SHARDS_RELEASE_MAX_MS) {
				wanted = true;
				continue;
			}
			log_warn("deliver.release.unsaved", log_int("shard", i));
		}
		on_lost(s, i);
		owner_yielded(s->deps.owner, i);
	}
	if (!wanted)
		return;
	positions_checkpoint(s->deps.positions); /* shards_step_soon() is called when it has ended */
	if (!positions_are_saving(s->deps.positions))
		shards_retry(s);
}

void shards_step_soon(struct shards *s)
{
	if (s->step == NULL && s->releasing > 0)
		s->step = loop_defer_start(s->deps.loop, on_step, s);
}

static void on_retry(void *arg)
{
	struct shards *s = arg;

	s->retry = NULL;
	shards_step_soon(s);
}

void shards_retry(struct shards *s)
{
	if (s->retry == NULL && s->releasing > 0)
		s->retry = loop_timer_start(s->deps.loop, RETRY_MS, on_retry, s);
}

/* Long polls end: the client's next request is routed to the new owner. */
static void on_revoke(void *arg, int shard)
{
	struct shards *s = arg;
	struct subscription *sub;

	set_releasing(s, shard, true);
	LIST_FOREACH(sub, &s->deps.set->shards[shard], link)
		subscription_stop(sub);
	shards_step_soon(s);
}

static const struct owner_hooks hooks = { on_acquired, on_suspended, on_lost, on_revoke };

void shards_init(struct shards *s, const struct shards_deps *deps)
{
	*s = (struct shards){ .deps = *deps };
	owner_attend(deps->owner, 0, OWNER_SHARDS, &hooks, s);
}

void shards_done(struct shards *s)
{
	loop_defer_cancel(s->step);
	loop_timer_cancel(s->retry);
	loop_defer_cancel(s->fill);
	s->step = s->fill = NULL;
	s->retry = NULL;
}
