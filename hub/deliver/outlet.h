/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far one stream has come: the window of events that match it and are not settled, over the
 * log. Nothing of it is a row: what has to survive is the cursor and what is settled above it.
 * Private to hub/deliver; deliver.c owns outlets, push.c and poll.c settle their entries.
 */
#pragma once

#include <sys/queue.h>

#include "hub/deliver/deliver.h"
#include "hub/deliver/lanes.h"
#include "hub/deliver/owed.h"
#include "hub/streams/stream.h"
#include "hub/streams/subjects.h"

#define OUTLET_WINDOW 256 /* unsettled events held in memory, the rest stays in the log */
#define OUTLET_SPAN 2048  /* with those settled after the first that is not */

struct delivery;
struct poll_wait;

struct entry {
	TAILQ_ENTRY(entry) link;
	struct event *event;
	bool settled;
	bool burying;             /* its dead letter is being written */
	bool owed;                /* is not of the window, and says nothing of the cursor: owed.h, */
	bool early;               /* or early.c: then the window has still to come to it */
	struct delivery *delivery; /* push: under way or waiting for its next attempt */

	/* push: lanes.c */
	bool ready;               /* in the outlet's list of those that may begin */
	TAILQ_ENTRY(entry) ready_link;
	struct entry *lane_prev;  /* of its subject, for which it waits */
	struct entry *lane_next;  /* the next one, which waits for this one */
	struct entry *bucket_next; /* of the last ones of their subjects */
	bool lane_last;
};

/* Settled events above the cursor, as loaded: [from, to). */
struct range {
	int64_t from, to;
};

struct outlet {
	LIST_ENTRY(outlet) link;
	LIST_ENTRY(outlet) shard_link;
	struct deliver *deliver;
	struct stream *stream;
	int shard;
	bool loaded;              /* cursor and acked are known */
	bool known;               /* were, and so the rest of what is stored: it is newer here */
	int64_t rewound;          /* how often; what is done for an earlier state has no effect */
	bool indexed;             /* in deliver->index */
	bool live;                /* sees every new event when it comes, up to deliver->live */
	int64_t scan;             /* events up to here are in the window, settled, or not wanted: outlet_scan */
	int64_t saved_scan;       /* the cursor of the last checkpoint */
	struct range *acked;
	size_t acked_count;
	TAILQ_HEAD(, entry) entries; /* what is owed, then the window: by seq, the first unsettled */
	struct entry *first;      /* of the window, or NULL */
	size_t entry_count;
	size_t owed_entries;      /* of the entries, those that are not of the window */
	size_t early_entries;     /* of these */
	size_t settled_count;     /* of the entries */
	struct event_log_read *read;
	TAILQ_ENTRY(outlet) load_link;
	enum { LOAD_NONE, LOAD_WANTED, LOAD_ASKED } load; /* in which list of deliver's: load.c */
	struct subjects *subjects; /* NULL until they are loaded */
	struct db_op *load_subjects;
	bool subjects_stale;      /* changed while they were being loaded: to be loaded again */

	struct owed owed;
	struct db_op *early_look;
	bool early_known;         /* all that may go early was looked at, */
	int64_t early_after;      /* and all up to here */
	int64_t dead_letters;
	int64_t again_at_ms;      /* of the last redrive or rewind, since 1970; 0: never */

	/* Events that were offered while it is behind, and were not read yet: backlog.c. */
	int64_t behind;
	int64_t counted;          /* seq of the last of them */
	int64_t backlog_saved;
	int64_t backlog_base;     /* backlog when it was last enabled, if that was above the limit */

	/* What checkpoints save, with the cursor. */
	bool dirty;
	int64_t delivered;        /* in all */
	int64_t success_at_ms;    /* since 1970; 0: never */
	int64_t error_at_ms;
	char error[160];          /* the last one, also when the stream is well again */

	LIST_HEAD(, deliver_watch) watches;

	/* Upkeep; saved, too. Times are ms since 1970. */
	int64_t active_at_ms;
	int64_t active_saved_ms;  /* what of it is stored */
	int64_t heartbeat_at_ms;
	int64_t heartbeat_seq;

	/* Push. */
	struct lanes lanes;
	struct endpoint *endpoint; /* while the method is push */
	TAILQ_ENTRY(outlet) endpoint_link;
	size_t in_flight;
	size_t waiting_retries;   /* deliveries that wait for their next attempt */
	unsigned failures;        /* in a row */
	unsigned push_window;     /* how many may be in flight */
	int64_t not_before;       /* ms, monotonic: nothing is sent until then (Retry-After) */
	struct loop_defer *push;

	/* Poll. */
	TAILQ_HEAD(, poll_wait) waiting;
	size_t waiting_count;
	struct loop_defer *wake;
};

/* Events up to here are in the window, settled, or not wanted. */
int64_t outlet_scan(const struct outlet *o);
/* All matching events at or below it are settled. */
int64_t outlet_cursor(const struct outlet *o);
size_t outlet_backlog(const struct outlet *o); /* unsettled in the window */
/* Reads all that is stored anew, and stops what is under way: it was rewound. */
void outlet_reload(struct outlet *o);
/* Whether an entry may go out now: not settled nor on its way out, and the stream is enabled or it is a control event. */
bool outlet_may_send(const struct outlet *o, const struct entry *e);
bool outlet_is_settled(const struct outlet *o, int64_t seq); /* of an event that it takes */
struct entry *outlet_find(struct outlet *o, int64_t seq); /* unsettled, or NULL */

/* The receiver has it, or it is given up: entry is gone afterwards. */
void outlet_settle(struct outlet *o, struct entry *e, bool delivered);
/*
 * Gives an event up: a dead letter is committed first, then the entry is settled. Until then, and
 * if it fails, the event stays. Returns false if that could not be started.
 */
bool outlet_bury(struct outlet *o, struct entry *e, const char *reason);
#define OUTLET_GONE "not in the log any more"
/* The same of what is owed and not in the window; txn is for the log. */
bool outlet_bury_seq(struct outlet *o, int64_t seq, const char *txn, const char *reason);
int outlet_take_owed(struct outlet *o, struct event *event); /* -1: no memory */
int outlet_take_early(struct outlet *o, struct event *event); /* the same of a control event behind the window */
bool outlet_was_acked(const struct outlet *o, int64_t seq); /* settled before it was read into the window */
/* Why a receiver has refused a SET, of its {"err"}: only what looks like a code is taken from it. */
#define OUTLET_REASON_MAX 96
void outlet_refusal(const json_t *error, char out[OUTLET_REASON_MAX]);
void outlet_active(struct outlet *o); /* its receiver is, now */
int64_t outlet_inactivity_s(const struct outlet *o); /* 0: no timeout */
void outlet_error(struct outlet *o, const char *what); /* for the stream's health */

/* early.c */
void early_fill(struct outlet *o);             /* the window is full of what may not go out */
void early_offered(struct outlet *o);          /* there is a control event behind the window */
void early_stop(struct outlet *o);             /* the window is about to be dropped, and read anew */

/* backlog.c */
int64_t backlog_count(const struct outlet *o); /* events that wait, as far as they were counted */
int64_t backlog_limit(const struct outlet *o); /* 0: none */
bool backlog_passed(const struct outlet *o);   /* the stream is to be paused */
void backlog_settled(struct outlet *o);        /* there is one less */
void backlog_offered(struct outlet *o, const struct event *e); /* wanted, and there is no room for it now */
void backlog_taken(struct outlet *o, const struct event *e); /* read into the window */
void backlog_again(struct outlet *o);          /* the window is about to be dropped, and read anew */
void backlog_up_to_date(struct outlet *o);
void backlog_enabled(struct outlet *o);        /* the stream was not, and is */
int64_t backlog_to_save(const struct outlet *o); /* then o->backlog_saved */

/* push.c */
/* Full jitter: anywhere between 0 and the doubling cap. */
int64_t push_backoff_ms(const struct deliver_conf *conf, unsigned attempts);
void push_start(struct outlet *o);           /* nothing is known of the receiver yet */
void push_kick(struct outlet *o);            /* start what may be started */
void push_hurry(struct outlet *o);           /* what waits for its next attempt need not */
void push_stop(struct outlet *o);            /* cancel all; entries stay unsettled */
void push_again(struct outlet *o);           /* sign and send anew what is under way */
void push_cancel(struct entry *e);           /* its delivery, if there is one */
/* poll.c */
void poll_wake(struct outlet *o);
void poll_stop(struct outlet *o);            /* answer all who wait */
void poll_loaded(struct outlet *o);          /* the cursor is known */
