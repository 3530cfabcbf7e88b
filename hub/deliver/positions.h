/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads and saves where subscriptions are. All that are new are loaded by one statement. Checkpoints save those that
 * have changed (subscription_lists.unsaved), in one row of the process. What is in a checkpoint is composed in slices,
 * so that ten thousand streams do not hold up the loop.
 *
 * A checkpoint that failed is made again; until one succeeds, nothing counts as saved.
 */
#pragma once

#include "hub/deliver/subscription_set.h"

struct positions_deps {
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct subscription_set *set;
	struct subscription_lists *lists;
	const struct dispatch_position *dispatched;
	loop_f *ended;         /* a checkpoint has, whatever came of it; maybe from inside positions_checkpoint() */
	void *arg;
};

struct positions;

ssf_nodiscard int positions_new(const struct positions_deps *deps, struct positions **out, struct ssf_err *err);
void positions_free(struct positions *p); /* NULL is fine */

/* For lists.to_load: something came in. */
void positions_load_soon(void *arg);
/* A few times a second: tries again to load, and makes a checkpoint if it is time for one. */
void positions_tick(struct positions *p);
/* Makes a checkpoint now, if anything is unsaved and none is under way. */
void positions_checkpoint(struct positions *p);
/* Nothing is unsaved, and no checkpoint is under way. */
bool positions_are_saved(const struct positions *p);
bool positions_are_saving(const struct positions *p);
/* The last checkpoint has failed, and what it had is unsaved. */
bool positions_have_failed(const struct positions *p);

/* A stream was deleted: the next checkpoint drops what is saved of it. Or it exists again. */
void positions_stream_deleted(struct positions *p, const char *id);
void positions_stream_exists(struct positions *p, const char *id);

/* Where a subscription is, as an object of a checkpoint; redelivered: with what was redelivered and is not saved. */
int position_text(const struct subscription *s, bool redelivered, struct ssf_buf *out); /* -1: as after ssf_buf_add */
#define POSITION_TEXT_MAX (1024 * 1024)
