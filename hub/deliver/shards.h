/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which streams this process delivers: those of the shards that it owns (hub/cluster/owner.h). There is
 * an outlet for each of them and for no other. Private to hub/deliver.
 */
#pragma once

#include <sys/queue.h>

#include "hub/cluster/owner.h"

struct deliver;
struct outlet;

struct shard {
	LIST_HEAD(, outlet) outlets;
	bool held;        /* ours, or was ours when the session broke: there are outlets */
	bool yielding;    /* nothing begins any more, it is to be handed over */
};

/* Attends to the shards. */
void shards_init(struct deliver *d);
/* Whether a stream is one that this process has an outlet for. */
bool shards_have(const struct deliver *d, int shard);
/* Whether something may begin for the outlet now. */
bool shards_act(const struct outlet *o);
/* Something has ended, or was saved: perhaps that was all that a shard waited for. */
void shards_kick(struct deliver *d);
/* It could not be saved: to be tried again, in a while. */
void shards_retry(struct deliver *d);
void shards_stop(struct deliver *d);
