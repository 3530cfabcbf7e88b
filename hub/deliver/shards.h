/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which streams this process delivers: those of the shards that it owns (hub/cluster/owner.h). There is a subscription
 * for each of them and for no other.
 *
 *   free -> acquired -> (revoke) releasing -> free
 *                    -> suspended (the session broke) -> retained, or lost -> free
 *
 * Handing a shard over: nothing begins any more, what is in flight ends, the positions of its streams are saved, and
 * only then it is given back. So nothing is sent twice, and nothing is missed.
 */
#pragma once

#include "hub/deliver/positions.h"

#define SHARDS_RELEASE_MAX_MS 10000 /* then a shard is released although something could not be saved: it is sent again */

struct shards_deps {
	struct loop *loop;
	struct owner *owner;
	struct subscription_set *set;
	struct positions *positions;
	loop_f *fill; /* subscriptions are to be made for the streams of shards_has() */
	void *arg;
};

struct shards {
	struct shards_deps deps;
	struct shard {
		bool held;      /* owned, or it was when the session broke: there are subscriptions */
		bool releasing;
		int64_t releasing_since_ms;
	} shard[OWNER_SHARDS];
	int releasing;          /* how many are */
	struct loop_defer *fill, *step;
	struct loop_timer *retry;
};

void shards_init(struct shards *s, const struct shards_deps *deps);
void shards_done(struct shards *s);
bool shards_has(const struct shards *s, int shard);
/* Whether something may begin for the streams of a shard now. */
bool shards_may_act(const struct shards *s, int shard);
/* Shards were acquired whose subscriptions are not made yet. */
bool shards_are_filling(const struct shards *s);
/* Something has ended, or was saved: perhaps that was all that a release waited for. */
void shards_step_soon(struct shards *s);
/* A checkpoint has failed: another one, in a while, if a release waits for it. */
void shards_retry(struct shards *s);
