/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many events wait for one stream. Those in its window are counted there. Those behind the window are
 * counted when they are offered (dispatch.h), and leave the count when they are read into the window: so an
 * event costs nothing for streams that it does not concern, and nothing looks at the log. What nobody offered
 * is missed: after a rewind, or what was appended while no process owned the stream. The window finds it.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zeroed memory: nothing waits. */
struct backlog {
	int64_t behind;  /* offered, and not read into the window */
	int64_t counted; /* seq of the last event that was counted */
	int64_t saved;   /* what is stored */
	int64_t base;    /* what waited when the stream was last enabled, if that was above the limit; else 0 */
};

/* in_window: open events of the window that are not redelivered. */
int64_t backlog_count(const struct backlog *b, int64_t in_window);
/* The event of this seq was offered, and the window has not taken it. */
void backlog_offered(struct backlog *b, int64_t seq);
/* The window has read the event of this seq. offered: the dispatcher had come to it. */
void backlog_read(struct backlog *b, bool offered);
/* The window has read everything that was offered. */
void backlog_caught_up(struct backlog *b);

/*
 * Whether the stream is to be paused; count: redelivered events among them; limit 0: there is none. A stream that was
 * enabled while more than its limit waited may have as many again on top.
 */
bool backlog_is_exceeded(const struct backlog *b, int64_t count, int64_t limit);
/* The stream was not enabled, and now is. */
void backlog_enabled(struct backlog *b, int64_t count, int64_t limit);
/* Fewer events wait. */
void backlog_reduced(struct backlog *b, int64_t count, int64_t limit);
/* Whether what is stored is so far off that it should be saved. */
bool backlog_is_stale(const struct backlog *b, int64_t in_window, int64_t limit);
