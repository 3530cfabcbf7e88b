/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redelivery of one stream: dead letters that an operator has redriven, which the stream is to get though
 * its cursor is past them. The database has them (stream_state.owed) from the transaction of the redrive
 * until a checkpoint after they were settled, so that a crash in between forgets none. Pure.
 *
 *   pending -> held (in the window, or a dead letter again in a moment) -> redelivered -> saved
 *
 * Only a few are held at once, so that new events get their turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/deliver/seq_set.h"

#define REDELIVERY_MAX 1000    /* of a stream; more stay dead letters until there is room */
#define REDELIVERY_HELD_MAX 16 /* below WINDOW_AHEAD_MAX */

struct redelivery_item {
	int64_t seq;
	bool held;
};

/* Zeroed memory has nothing to redeliver. */
struct redelivery {
	struct redelivery_item *items; /* by seq */
	size_t count, held;
	struct seq_set redelivered; /* and in no checkpoint yet */
	struct seq_set saving;      /* and in the checkpoint under way */
};

void redelivery_done(struct redelivery *r); /* nothing is to be redelivered afterwards */

/*
 * Takes what is stored, an int8multirange; what was redelivered and is not saved yet does not count, and what
 * is held stays so. -1: out of memory or not such a text; nothing has changed.
 */
int redelivery_load(struct redelivery *r, struct ssf_str text);
bool redelivery_has(const struct redelivery *r, int64_t seq);

/* The first that is pending and not below from; NULL: none, or as many are held as may be. */
struct redelivery_item *redelivery_next(const struct redelivery *r, int64_t from);
/* How many seqs of the log, from that of an item, hold this and the next pending ones; at most max. */
size_t redelivery_span(const struct redelivery *r, const struct redelivery_item *item, size_t max);
void redelivery_hold(struct redelivery *r, struct redelivery_item *item);
void redelivery_release(struct redelivery *r, int64_t seq); /* it was not settled: it is pending again */
void redelivery_release_all(struct redelivery *r);
/* delivered: it has to be saved; otherwise it is a dead letter again, and the database knows. */
void redelivery_settle(struct redelivery *r, int64_t seq, bool delivered);

/*
 * For checkpoints. What was redelivered and is not saved, as an int8multirange; -1: as after ssf_buf_add.
 * redelivery_saving(): it is being saved; then redelivery_saved(), when the outcome is known.
 */
bool redelivery_is_unsaved(const struct redelivery *r);
int redelivery_text(const struct redelivery *r, struct ssf_buf *out);
void redelivery_saving(struct redelivery *r);
void redelivery_saved(struct redelivery *r, bool saved);
