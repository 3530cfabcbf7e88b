/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for control events behind the full window of a stream that is not enabled. They are sent ahead of the window:
 * otherwise the receiver would never learn that its stream is paused, as the window is full of what must not be
 * sent meanwhile.
 */
#pragma once

#include "hub/db/db.h"
#include "hub/eventlog/event.h"

/*
 * Takes events that stand behind the window, in order; gives how many it could take, or need not. err: the log could not
 * be read, and count is 0.
 */
typedef size_t control_events_f(void *arg, struct event *const *events, size_t count, const struct ssf_err *err);

struct control_events {
	const char *stream; /* borrowed */
	struct db *db;
	control_events_f *take;
	void *arg;
	struct db_op *look;
	bool known;    /* there are none behind after */
	int64_t after; /* up to here they were taken */
};

void control_events_init(struct control_events *c, const char *stream, struct db *db, control_events_f *take,
			 void *arg);
/* Looks behind the read position, unless it is known that there are none or a look is under way. -1: to be tried again. */
int control_events_look(struct control_events *c, int64_t read_position);
/* A control event of the stream has been appended. */
void control_events_offered(struct control_events *c);
/* Stops and forgets: the window is about to be dropped. */
void control_events_stop(struct control_events *c);
