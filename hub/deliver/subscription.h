/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscription is one stream as delivered by this process: its window over the log, what is read into it, and the
 * sender that brings it to the receiver. It alone settles events.
 *
 *   LOADING -------> CATCHING_UP <------> LIVE
 *      ^                 |                  |
 *      +--- rewound -----+------------------+
 *
 *   LOADING       its position (positions.h) or its subject filter is not known yet
 *   CATCHING_UP   it reads the log by itself, from its read position, while its window has room
 *   LIVE          it has read everything that was dispatched (dispatch.h), and is offered each new event; its cursor
 *                 moves with the dispatcher's without a touch. Without room or memory for an event, or when its stream
 *                 is changed, it reads by itself again
 *
 * Beside that it may be *stopping*: its shard is being handed over, or the hub drains. Then nothing begins; what is in
 * flight ends, and is saved.
 *
 * The struct is open for reading to positions.c and status.c; only subscription.c changes it.
 */
#pragma once

#include <sys/queue.h>

#include "hub/deliver/activity.h"
#include "hub/deliver/backlog.h"
#include "hub/deliver/control_events.h"
#include "hub/deliver/dead_letter.h"
#include "hub/deliver/delivery_waiter.h"
#include "hub/deliver/due_queue.h"
#include "hub/deliver/delivery_health.h"
#include "hub/deliver/redelivery_feed.h"
#include "hub/deliver/sender.h"
#include "hub/deliver/subject_filter.h"
#include "hub/deliver/window.h"
#include "hub/deliver/work_list.h"

/* How far events were offered to subscriptions. */
struct dispatch_position {
	int64_t done;     /* all events up to here were */
	int64_t offering; /* the event that is being offered, or as done */
	bool known;       /* false at first: nothing is read before */
};

/* Where subscriptions stand in line. Each list holds those for which something is due, and no other. */
struct subscription_lists {
	struct work_list to_load;    /* their position is to be loaded */
	struct work_list unsaved;    /* their position is to be saved */
	struct work_list retry;      /* something has failed: subscription_advance(), later */
	struct work_list followers;  /* not LIVE, and have read the whole log: subscription_advance() when it grows */
	struct due_queue activity;   /* activity.h */
};

/* Settings; of each stream where it has its own. */
struct subscription_conf {
	int64_t max_age_ms;    /* older events that still fail become dead letters */
	int64_t heartbeat_s;   /* 0: none */
	int64_t inactivity_s;  /* 0: no timeout */
	int64_t backlog_limit; /* events that may wait before a stream is paused; 0: no limit */
};

/* All borrowed, the same for all subscriptions of a process. */
struct subscription_deps {
	struct subscription_conf conf;
	struct loop *loop;
	struct db *db;
	struct event_log *log;
	struct interest_index *index;
	struct dead_letter_deps dead_letters;
	const struct dispatch_position *dispatched;
	struct subscription_lists *lists;
	sender_make_f *make_sender;
	void *make_sender_arg;
	bool (*may_act)(void *arg, int shard); /* this process owns the shard, and does not hand it over */
	loop_f *idle;                          /* perhaps nothing is in flight any more for a subscription */
	void *arg;
};

enum subscription_state { SUBSCRIPTION_LOADING, SUBSCRIPTION_CATCHING_UP, SUBSCRIPTION_LIVE };

struct subscription {
	LIST_ENTRY(subscription) link; /* in subscription_set.h */
	const struct subscription_deps *deps;
	char *id;
	int shard;
	struct stream *stream;
	enum subscription_state state;
	bool stopping;
	bool position_known;
	bool was_known;          /* once, and so what is not part of the position is newer here than what is stored */
	bool indexed;            /* new events find it */
	int64_t rewound;         /* state of the stream: what is done for another one has no effect */
	int64_t again_at_ms;     /* of the last redrive or rewind, since 1970; 0: never */
	int64_t dead_letters;
	int64_t saved_cursor;
	struct window window;
	struct event_log_read *read;
	struct subject_filter filter;
	struct redelivery_feed redelivery;
	struct control_events control;
	struct dead_letter_list giving_up;
	struct backlog backlog;
	struct sender *sender;   /* NULL: there was no memory to make it */
	struct subscription_report {
		struct delivery_health health;
		struct activity activity;
		struct delivery_waiter_list waiters;
	} report;
	struct subscription_nodes {
		struct work_node load, unsaved, saving, retry, follow, overdue, offered;
		struct due_node activity;
	} nodes;
};

/* Takes stream, also when it fails. NULL: out of memory. */
struct subscription *subscription_new(const struct subscription_deps *deps, struct stream *stream);
/* Stops what is under way. outcome: of those who wait for one. */
void subscription_free(struct subscription *s, enum delivery_outcome outcome);

/* What is stored of a stream; texts are borrowed. Times are ms since 1970; 0: never. */
struct subscription_position {
	int64_t rewound;
	int64_t cursor;
	const char *settled;       /* above the cursor: int8multirange */
	const char *redeliveries;  /* int8multirange */
	int64_t dead_letters;
	int64_t again_at_ms;
	int64_t backlog, backlog_base;
	bool has_filter;           /* subjects are stored */
	bool failing;
	int64_t delivered;
	int64_t success_at_ms, error_at_ms;
	const char *error;         /* or NULL */
	int64_t active_at_ms;
	int64_t heartbeat_at_ms, heartbeat_seq;
};
void subscription_load(struct subscription *s, const struct subscription_position *p);
/* Reads everything that is stored again, and stops what is under way: the stream was rewound. */
void subscription_reload(struct subscription *s);
/* The stream has changed. Takes stream. */
void subscription_reconfigure(struct subscription *s, struct stream *stream);

/* Goes on with what may go on: loading, reading, making what there was no memory for. */
void subscription_advance(struct subscription *s);
/* A new event, which is the one after the last that was dispatched. */
void subscription_offer(struct subscription *s, struct event *e);
/* From now on it reads by itself, from where it is. */
void subscription_lag(struct subscription *s);
/* There may be something to send: this process owns the stream again. */
void subscription_wake(struct subscription *s);

/* Nothing begins any more; long polls and waiters end. */
void subscription_stop(struct subscription *s);
/* It may go on, after all. */
void subscription_resume(struct subscription *s);
/* Nothing is in flight, and no dead letter is being written. */
bool subscription_is_idle(const struct subscription *s);

/* Puts it into lists.unsaved if anything is not saved; whether it is in there. */
bool subscription_mark_unsaved(struct subscription *s);
/* Its cursor is so far ahead of what is stored that it should be saved. */
bool subscription_is_stale(const struct subscription *s);
/* Its position is in a checkpoint from now on; then: whether that has succeeded. */
void subscription_saving(struct subscription *s);
void subscription_saved(struct subscription *s, bool saved);

/* More may have been redriven than is known. */
void subscription_redriven(struct subscription *s);
/* The receiver was active then. */
void subscription_active(struct subscription *s, int64_t at_ms);
/* A heartbeat was appended. */
void subscription_heartbeat(struct subscription *s, int64_t at_ms, int64_t seq);
/* NULL: out of memory. What waits for its next attempt is tried at once. */
struct delivery_waiter *subscription_wait(struct subscription *s, const struct delivery_waiter_spec *spec,
					  delivery_waiter_f *f, void *arg);

int64_t subscription_inactivity_s(const struct subscription *s); /* 0: no timeout */
int64_t subscription_heartbeat_s(const struct subscription *s);  /* 0: none */
int64_t subscription_backlog_limit(const struct subscription *s); /* 0: none */
int64_t subscription_backlog(const struct subscription *s); /* events that wait, as far as they were counted */
int64_t subscription_backlog_to_save(const struct subscription *s);
bool subscription_backlog_is_exceeded(const struct subscription *s); /* the stream is to be paused */
/* When a heartbeat, the inactivity timeout or the backlog limit is due, in ms since 1970; or DUE_NEVER. */
int64_t subscription_due_ms(const struct subscription *s, int64_t now_ms);
/* Puts it into lists.activity, after it was taken from there. */
void subscription_schedule_activity(struct subscription *s);
void subscription_sender_status(const struct subscription *s, struct sender_status *out);
