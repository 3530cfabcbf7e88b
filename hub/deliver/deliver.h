/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings events to streams: push (RFC 8935) and poll (RFC 8936) over the event log, at least
 * once, in order for each subject. Where each stream is gets saved in batches; after a crash
 * what was settled since is sent again under the same jti.
 */
#pragma once

#include "hub/keys/keys.h"
#include "hub/secrets/seal.h"
#include "hub/registry/registry.h"
#include "hub/eventlog/event.h"
#include "hub/cluster/owner.h"
#include "hub/streams/stream.h"
#include "lib/http/http_client.h"
#include "lib/http/http_server.h"

struct deliver;
struct deliver_watch;

struct deliver_conf {
	int64_t push_timeout_ms;
	int64_t retry_min_ms;     /* first backoff; doubles, with full jitter */
	int64_t retry_max_ms;
	int64_t max_age_ms;       /* older events that still fail become dead letters */
	int64_t poll_wait_ms;     /* how long a long poll is held */
	int64_t checkpoint_ms;    /* between two savings of cursors */
	int64_t heartbeat_s;      /* of streams that say nothing themselves; 0: none */
	int64_t inactivity_s;
	int64_t backlog_limit;    /* events that may wait before a stream is paused; 0: no limit */
	int64_t retention_ms;     /* how long events are kept in the log at least; 0: for ever */
};

/* All borrowed. client has the SSRF guard. Delivers the streams of the shards that this process owns. */
ssf_nodiscard int deliver_new(struct loop *loop, const struct deliver_conf *conf, struct db *db,
			      struct owner *owner, struct event_log *log, struct registry *registry,
			      struct keys *keys, const struct master_key *master,
			      struct http_client *client, struct deliver **out, struct ssf_err *err);
void deliver_free(struct deliver *d);

/*
 * Starts nothing new, answers long polls, waits for pushes under way and saves the cursors;
 * done is called once, when that is so or after ms.
 */
void deliver_drain(struct deliver *d, int64_t ms, loop_f *done, void *arg);

/* POST /streams/{id}/poll by an authenticated client: takes the request over and answers it. */
void deliver_poll(struct deliver *d, struct http_req *req, const char *stream, const char *client);

/*
 * A subject of a stream: to be called before it is stored (adding holds at once) and after
 * (removing holds from then on), so that at no time less flows than what is stored says. A stream
 * that is still being loaded takes it from the database. SSF_E_NOT_FOUND, SSF_E_LIMIT, SSF_E_NOMEM.
 */
struct subject_change {
	const char *stream;
	const json_t *subject;
	bool add;
	int64_t until; /* of a removal: when it stops flowing, seconds since 1970 */
};
ssf_nodiscard int deliver_subject_before(struct deliver *d, const struct subject_change *ch,
					 struct ssf_err *err);
ssf_nodiscard int deliver_subject_after(struct deliver *d, const struct subject_change *ch,
					struct ssf_err *err);

/* What the upkeep of streams goes by (hub/activity/stream_activity.h). Times are ms since 1970. */
struct deliver_life {
	const char *stream;
	int64_t inactivity_s;      /* inactivity_timeout; 0: none */
	int64_t active_at_ms;      /* the receiver's last eligible activity (SSF 1.0 section 8.1.1) */
	int64_t heartbeat_s;       /* 0: none */
	int64_t heartbeat_at_ms;   /* of the last one, or when the stream was made */
	bool heartbeat_settled;    /* or there was none */
	bool backlog_passed;       /* backlog_limit: it is to be paused */
};
typedef void deliver_life_f(void *arg, const struct deliver_life *life);
/* Of every stream that is enabled and loaded; borrowed for the call. */
void deliver_lives(struct deliver *d, deliver_life_f *f, void *arg);
/* The stream's receiver is active now. Polls are known here. Saved with the cursor, not every time. */
void deliver_active(struct deliver *d, const char *stream);
/* It was active then, elsewhere. */
void deliver_active_at(struct deliver *d, const char *stream, int64_t at_ms);
/* A heartbeat of the stream was appended. */
void deliver_heartbeat(struct deliver *d, const char *stream, int64_t at_ms, int64_t seq);

/*
 * Tells once what became of an event that a stream's receiver is to get: seq is of an event that
 * this stream takes. Waits at most ms; the watch ends with the stream, and when the hub drains. A
 * stream that waits for its next attempt tries at once.
 */
enum deliver_fate {
	DELIVER_TAKEN,   /* the receiver has it: 2xx, or acknowledged */
	DELIVER_BURIED,  /* a dead letter */
	DELIVER_LATE,    /* not settled within ms */
	DELIVER_GONE,    /* the stream is deleted */
	DELIVER_STOPPED, /* the hub shuts down */
};
struct deliver_seen {
	enum deliver_fate fate;
	const char *jti;
	const char *error; /* the stream's, if it fails now or failed since the watch began; or NULL */
};
typedef void deliver_watch_f(void *arg, const struct deliver_seen *seen); /* borrowed for the call */
#define DELIVER_WATCHES_MAX 64
/* SSF_E_NOT_FOUND (no such stream), SSF_E_BUSY (too many), SSF_E_UNAVAILABLE (draining), SSF_E_NOMEM. */
ssf_nodiscard int deliver_watch_start(struct deliver *d, const char *stream, int64_t seq, int64_t ms,
				      deliver_watch_f *f, void *arg, struct deliver_watch **out,
				      struct ssf_err *err);
void deliver_watch_cancel(struct deliver_watch *w);

/* How far behind each stream is, in constant time each; borrowed for the call. */
struct deliver_lag {
	const char *stream;
	enum stream_method method;
	enum stream_status status;
	bool failing;           /* push: the last attempt failed */
	size_t in_flight;       /* pushes under way */
	size_t waiting_retries; /* pushes that wait for their next attempt */
	size_t waiting_polls;   /* long polls that are held */
	int64_t waiting_events; /* not settled; redriven ones among them */
	int64_t dead_letters;
	int64_t unread_seqs;    /* of the log, not looked at yet */
	int64_t age_ms;         /* of the oldest event that may still have to be delivered; 0: there is none */
};
typedef void deliver_lag_f(void *arg, const struct deliver_lag *lag);
void deliver_lags(const struct deliver *d, deliver_lag_f *f, void *arg);
/* Hosts that are pushed to, by what their circuits are (hub/deliver/endpoint.h). */
struct deliver_circuits {
	int64_t closed, open, half_open;
};
struct deliver_circuits deliver_circuits(const struct deliver *d);

/*
 * Sends dead letters of a stream again, under the same jti: that of seq, or (0) as many as there is
 * room for. They are owed from the transaction that makes them no dead letters any more, whatever
 * is killed. SSF_E_NOT_FOUND: no such stream or dead letter. SSF_E_GONE: the log does not have the
 * event any more. SSF_E_CONFLICT: the stream is disabled. SSF_E_BUSY: too many are owed.
 */
struct deliver_redriven {
	int64_t redriven;
	int64_t gone;      /* stay dead letters: the log does not have them any more */
	int64_t remaining; /* stay dead letters: there is no room now */
};
typedef void deliver_redrive_f(void *arg, const struct deliver_redriven *r, const struct ssf_err *err);
ssf_nodiscard int deliver_redrive(struct deliver *d, const char *stream, int64_t seq,
				  deliver_redrive_f *f, void *arg, struct ssf_err *err);

/*
 * Reads a stream again from an event, or (seq 0) from the first one that was appended at a time; what is
 * under way of it is stopped. Nothing is skipped: what it has not had yet it gets all the same. f gets
 * the seq from which. When it fails nothing has changed: SSF_E_NOT_FOUND: no such stream.
 * SSF_E_MALFORMED: in the future. SSF_E_GONE: not all from there on is in the log.
 * SSF_E_CONFLICT: the stream is disabled, and would keep nothing of it.
 */
struct deliver_point {
	int64_t seq;
	int64_t at_ms; /* since 1970 */
};
typedef void deliver_rewind_f(void *arg, int64_t first, const struct ssf_err *err);
ssf_nodiscard int deliver_rewind(struct deliver *d, const char *stream, struct deliver_point to,
				 deliver_rewind_f *f, void *arg, struct ssf_err *err);

/* For status (docs/reference/api.md): how each stream is; new reference. */
json_t *deliver_status(const struct deliver *d);
/* The same of one; NULL when there is none. */
json_t *deliver_stream_status(const struct deliver *d, const char *stream);
