/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far one stream has come in the event log: a cursor, what is settled above it, and the events that are
 * not settled yet, in memory. An event is settled when the stream needs it no more: the receiver has it, or it
 * is a dead letter. Pure: nothing is read, sent or stored here. tests/model/cursor.pml is the protocol around it.
 *
 *   log:     1 2 3 4 5 6 7 8 9 10
 *   cursor:    ^                    every event that the stream wants, up to here, is settled
 *   slots:       3 . 5              3 and 5 are open; 4 was settled out of order: its slot is kept until
 *                                   the cursor is past it, as a checkpoint has to name it
 *   read position:     ^            up to here events are settled, in a slot, or not wanted
 *   settled:                 8      known to be settled before the window has come to it
 *
 * Beside the slots the window holds a few entries *ahead* of it, which are sent before all others and do not
 * move the cursor: redelivered dead letters, whose seqs the cursor has passed, and control events that stand
 * behind a full window.
 *
 * The cursor never passes an open event. An event that was settled is never open again, also not in a
 * window that begins with the checkpoint of another, but for what did not fit into memory: that is sent again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/deliver/seq_set.h"
#include "hub/deliver/subject_queue.h"
#include "hub/eventlog/event.h"

#define WINDOW_OPEN_MAX 256  /* open events; the rest stays in the log */
#define WINDOW_SLOTS_MAX 2048 /* with those that were settled out of order */
#define WINDOW_AHEAD_MAX 32

enum window_place { WINDOW_SLOT, WINDOW_REDELIVERY, WINDOW_CONTROL };

/* An open event. Valid until it is settled or the window is cleared. */
struct window_entry {
	struct event *event; /* a reference */
	enum window_place place;
	bool dead_letter_pending; /* its dead letter is being written: it must not be sent */
	struct subject_node node; /* for a sender that keeps the order of subjects */
	void *sender_data;        /* for the sender; NULL at first */
};

struct window_slot {
	int64_t seq;
	struct window_entry *entry; /* NULL: settled */
};

/* window_init() makes an empty window of any memory. */
struct window {
	int64_t read_position;
	const int64_t *followed;    /* see window_follow(); or NULL */
	struct seq_set settled;     /* not in slots; seqs at or below the cursor mean nothing */
	struct window_slot *slots;  /* ring; the first one is open */
	size_t first, count, room;  /* room: a power of two, or 0 */
	size_t open;                /* slots that are */
	struct window_entry *ahead[WINDOW_AHEAD_MAX];
	size_t ahead_count, control_count; /* control_count: how many of ahead are control events */
};

void window_init(struct window *w);
void window_done(struct window *w); /* drops all entries */

/*
 * Begins at a checkpoint: an empty window at cursor, with what text (an int8multirange) says is settled above
 * it. -1: not all of text could be taken; the rest will be open again.
 */
int window_load(struct window *w, int64_t cursor, struct ssf_str text);
/* Drops all entries and begins again at the cursor; what is settled above it stays so. */
void window_restart(struct window *w);

/*
 * Someone else looks at new events for this window, and position says up to where: all events up to there
 * that the stream wants have been offered. Borrowed. window_lag() ends that.
 */
void window_follow(struct window *w, const int64_t *position);
void window_lag(struct window *w);
int64_t window_read_position(const struct window *w);
int64_t window_cursor(const struct window *w);

/* Whether another event fits. unbounded: WINDOW_OPEN_MAX does not count. */
bool window_has_room(const struct window *w, bool unbounded);
/*
 * Takes the next event of the log that the stream wants; its seq is above the read position, which moves
 * there. settled: it is settled, whatever the window knows. *out is its entry if it was opened or adopted.
 */
enum window_offered {
	WINDOW_NO_MEMORY, /* nothing has changed */
	WINDOW_SETTLED,   /* it was settled before */
	WINDOW_OPENED,
	WINDOW_ADOPTED,   /* a control event that was ahead has its slot now */
};
enum window_offered window_offer(struct window *w, struct event *e, bool settled, struct window_entry **out);
/* The stream does not want the events up to seq: the read position moves there. */
void window_pass(struct window *w, int64_t seq);
/* The same, but what it wants later must not bring them back: they are settled. */
void window_drop(struct window *w, int64_t seq);
/* Adds an entry ahead of the window. NULL: out of memory, or WINDOW_AHEAD_MAX. */
struct window_entry *window_add_ahead(struct window *w, struct event *e, enum window_place place);

/* Settles an open event; its entry is freed. */
void window_settle(struct window *w, struct window_entry *e);
/* Settles an event that has no entry: one in the log above the cursor. */
void window_settle_seq(struct window *w, int64_t seq);
/* Frees all entries ahead of the window; they are as if they had not been added. */
void window_drop_ahead(struct window *w);

struct window_entry *window_find(const struct window *w, int64_t seq); /* open; or NULL */
/* Of an event that the stream wants. */
bool window_is_settled(const struct window *w, int64_t seq);
/* Open entries in the order in which they are to be sent; *at is 0 at first. NULL: no more. */
struct window_entry *window_next(const struct window *w, size_t *at);
/* Open entries, those ahead of the window included. */
size_t window_open_count(const struct window *w);
/* The oldest event that is not settled, but for control events ahead of the window; NULL: none is in memory. */
const struct event *window_oldest(const struct window *w);

bool window_has_settled(const struct window *w); /* something above the cursor */
/* Appends what is settled above the cursor, as an int8multirange. -1: as after ssf_buf_add. */
int window_settled_text(const struct window *w, struct ssf_buf *out);
