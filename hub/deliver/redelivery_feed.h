/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the redelivery of one stream: reads from the database what is to be redelivered (redelivery.h), and from the log
 * the events themselves, a few at a time.
 */
#pragma once

#include "hub/db/db.h"
#include "hub/deliver/redelivery.h"
#include "hub/eventlog/event.h"

/* What a redelivery_load() of stored text comes with. */
struct redelivery_stored {
	int64_t dead_letters; /* of the stream */
	int64_t again_at_ms;  /* of the last redrive or rewind, since 1970; 0: never */
};

struct redelivery_feed_events {
	/* An event to be redelivered. -1: no room, or no memory: it is fed again later. */
	int (*take)(void *arg, struct event *e);
	/* An event that cannot be redelivered is given up. -1: that could not be started: as above. */
	int (*give_up)(void *arg, int64_t seq, const char *reason);
	void (*loaded)(void *arg, const struct redelivery_stored *stored);
	/* Something was fed, or may be: redelivery_feed_advance() is to be called again. */
	void (*fed)(void *arg);
	/* Something has failed: the same, later. */
	void (*retry)(void *arg);
};

struct redelivery_feed {
	struct redelivery set;
	const char *stream; /* borrowed */
	struct db *db;
	struct event_log *log;
	const struct redelivery_feed_events *events;
	void *arg;
	struct event_log_read *read;
	int64_t read_from;  /* seq that the read under way begins at */
	struct db_op *load;
	bool stale;         /* more may be stored than is known */
};

void redelivery_feed_init(struct redelivery_feed *f, const char *stream, struct db *db, struct event_log *log,
			  const struct redelivery_feed_events *events, void *arg);
/* Stops, and forgets everything. */
void redelivery_feed_clear(struct redelivery_feed *f);
/* The window is dropped: what it had is fed again. */
void redelivery_feed_stop(struct redelivery_feed *f);
/* More may be stored than is known: the next redelivery_feed_advance() looks. */
void redelivery_feed_changed(struct redelivery_feed *f);
/* Feeds what there is room for. disabled: the stream keeps nothing, and what is pending is given up. */
void redelivery_feed_advance(struct redelivery_feed *f, bool disabled);
/* The set was settled or saved; what is being loaded may be from before. */
void redelivery_feed_settle(struct redelivery_feed *f, int64_t seq, bool delivered);
void redelivery_feed_saved(struct redelivery_feed *f, bool saved);
