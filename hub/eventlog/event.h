/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as they stand in the log, and the log's tail in memory.
 *
 * The log is followed by one reader: when somebody has appended (event_log_wake) or a second
 * has passed, it reads what is new, keeps the newest EVENT_RING events and tells its listeners.
 * Consumers read on from where they are with event_log_read, from memory where it can be.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "hub/eventlog/draft.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"

#define EVENT_RING 4096
#define EVENT_RING_BYTES (64 << 20) /* of their weights */
#define EVENT_PARTITION_SEQS 1000000000LL /* event_width() in sql/functions */
#define EVENT_ORIGIN_RULES "rules"
#define EVENT_ORIGIN_ATTRIBUTION "attribution"

/* Immutable once it has its number; reference counted, in the loop's thread only. */
struct event {
	unsigned refs;
	int64_t seq;
	int64_t at_ms;           /* when it was appended, since 1970 */
	const char *origin;
	const char *origin_id;
	const char *type;
	const char *txn;
	int64_t cause;           /* seq, or 0 */
	const char *agent_id;    /* or NULL */
	const char *trace;       /* traceparent (lib/ssf/traceparent.h) of the request that led to it, or NULL */
	json_t *sub_id;          /* or NULL: a signal, which no stream carries */
	json_t *body;
	uint8_t subject_key[SSF_SHA256_LEN]; /* of sub_id; zero without */
	bool control;            /* verification or stream-updated: about one stream, and for its receiver alone */
	char *text;              /* backs the strings */
	size_t weight;           /* about how many bytes of memory it takes */
};

/*
 * Copies the texts of like, which are borrowed, and takes over its body and sub_id, also on failure. Its weight,
 * subject_key and control are found out. NULL when out of memory.
 */
struct event *event_make(const struct event *like);
struct event *event_from_row(const struct db_result *r, size_t row); /* with the columns of event_after in stmt.def */
struct event *event_ref(struct event *e);
void event_free(struct event *e);
SSF_DEFINE_AUTO(event)

struct event_log;
struct event_log_read;

/* Called when there are events that were not there before; head is the newest seq. */
typedef void event_log_f(void *arg, int64_t head);

ssf_nodiscard int event_log_new(struct loop *loop, struct db *db, struct event_log **out,
				struct ssf_err *err);
void event_log_free(struct event_log *log);
/* At most 8 listeners, for the life of the log. */
void event_log_listen(struct event_log *log, event_log_f *f, void *arg);
/* This process has appended something: f is called for that; or another one has. */
void event_log_wake(struct event_log *log);
void event_log_on_wake(struct event_log *log, loop_f *f, void *arg);
void event_log_look(struct event_log *log);
/*
 * Tells of drafts that are committed, with what drafts_append() gave. What follows directly on what is in
 * memory is taken from them, as it would come from the database; the rest is read.
 */
void event_log_stored(struct event_log *log, const struct drafts *drafts, const struct db_result *r);
int64_t event_log_head(const struct event_log *log);
/*
 * When the first event after seq was appended, ms since 1970; 0: there is none. Of one that the tail
 * does not hold any more, the time of the oldest that it holds.
 */
int64_t event_log_next_at_ms(const struct event_log *log, int64_t seq);
/*
 * How many events there are after seq: head - seq would count the numbers that a partition leaves when
 * the next one begins. Numbers that a failed append has taken count too.
 */
int64_t event_log_count(const struct event_log *log, int64_t after);
/* Partitions have gone: what is counted is read anew. */
void event_log_recount(struct event_log *log);

/*
 * The events after seq that are in memory, in order, at most max; borrowed until the loop turns.
 * False if some of them are not there (any more), and then *count is 0.
 */
bool event_log_recent(const struct event_log *log, int64_t after, struct event **out, size_t max,
		      size_t *count);

/*
 * The events after seq, in order, at most max; borrowed for the call. None, though there are some,
 * only when the tail was moving: read again. err: as of db_exec.
 */
typedef void event_log_read_f(void *arg, struct event *const *events, size_t count,
			      const struct ssf_err *err);
#define EVENT_READ_MAX 256
ssf_nodiscard int event_log_read(struct event_log *log, int64_t after, size_t max,
				 event_log_read_f *f, void *arg, struct event_log_read **out,
				 struct ssf_err *err);
void event_log_cancel(struct event_log_read *r);
