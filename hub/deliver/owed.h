/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stream is to get though its cursor is past it: dead letters that were redriven. They are
 * stored (stream_state.owed) from the redrive until a checkpoint after they were settled, so that a
 * crash in between forgets none. In the window they stand before all others, few at once, so that
 * what is new gets its turn. Private to hub/deliver.
 */
#pragma once

#include "hub/deliver/deliver.h"

#define OWED_MAX 1000 /* of a stream; more stay dead letters until there is room */

struct entry;
struct outlet;

struct owed_item {
	int64_t seq;
	bool held; /* in the window, or it is being buried */
};

/* Zeroed memory owes nothing. */
struct owed {
	struct owed_item *items; /* by seq */
	size_t count;
	size_t held;
	int64_t *paid;           /* settled, and not saved yet */
	size_t paid_count;
	size_t paid_sent;        /* of them, with the checkpoint under way */
	struct event_log_read *read;
	int64_t read_from;       /* what the read under way began at */
	struct db_op *load;
	bool stale;              /* changed while it was being loaded: to be loaded again */
};

void owed_done(struct outlet *o);               /* forgets all, and stops what is under way */
void owed_loaded(struct outlet *o, const char *text); /* an int8multirange, as it is stored */
bool owed_has(const struct outlet *o, int64_t seq);
void owed_load(struct outlet *o);               /* more may be owed than is known: looks */
void owed_fill(struct outlet *o);               /* brings some into the window, if there is room */
void owed_stop(struct outlet *o);               /* the window is about to be dropped, and read anew */
void owed_settled(struct outlet *o, int64_t seq, bool delivered); /* its entry is, or (no entry) it is buried */
void owed_let_go(struct outlet *o, int64_t seq); /* it could not be buried: to be tried again */

/* For checkpoints: what was paid, as an int8multirange; then once the outcome is known. */
int owed_paid_text(const struct outlet *o, struct ssf_buf *out);
void owed_saving(struct outlet *o);
void owed_saved(struct outlet *o, bool saved);
