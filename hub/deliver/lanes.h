/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events of a push stream may go out: of each subject the oldest, the others wait behind it in
 * a lane of their own. Every step costs the same however many wait. Private to hub/deliver; entries
 * stay their outlet's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct entry;

/* Zeroed memory with lanes_init() is empty. */
struct lanes {
	TAILQ_HEAD(lanes_ready, entry) ready; /* oldest of their subjects, and not begun */
	struct entry **buckets;               /* by subject: the last entry of each lane */
	size_t bucket_count;                  /* a power of two, or 0 */
	size_t lane_count;
};

void lanes_init(struct lanes *l);
void lanes_clear(struct lanes *l); /* all entries are out, whatever order they are freed in */
void lanes_done(struct lanes *l); /* all entries must be out */

/* An unsettled event, which goes after all of its subject that are in. -1: out of memory. */
int lanes_add(struct lanes *l, struct entry *e);
/* It is settled, or dropped, wherever in its lane: if it was the first the next may go. */
void lanes_remove(struct lanes *l, struct entry *e);
/* It begins; and it does not after all, and is to be begun again (when it is the first, if it is not). */
void lanes_take(struct lanes *l, struct entry *e);
void lanes_give_back(struct lanes *l, struct entry *e);
