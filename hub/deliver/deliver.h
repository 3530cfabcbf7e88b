/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers events to streams: by push (RFC 8935) and poll (RFC 8936) from the event log, at least once, in order for each
 * subject. Positions of streams are saved in checkpoints; what was settled after the last one is sent again after a
 * crash, under the same jti.
 */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/deliver/delivery_waiter.h"
#include "hub/deliver/replay.h"
#include "hub/deliver/status.h"
#include "hub/deliver/subject_filter.h"
#include "hub/eventlog/event.h"
#include "hub/keys/set_signer.h"
#include "hub/registry/registry.h"
#include "hub/secrets/seal.h"
#include "lib/http/http_client.h"
#include "lib/http/http_server.h"

struct deliver;

struct deliver_conf {
	int64_t push_timeout_ms;
	int64_t retry_min_ms;  /* first backoff; doubles, with full jitter */
	int64_t retry_max_ms;
	int64_t max_age_ms;    /* older events that still fail become dead letters */
	int64_t poll_wait_ms;  /* how long a long poll is held */
	int64_t checkpoint_ms; /* between two checkpoints, at least */
	int64_t heartbeat_s;   /* of streams without their own; 0: none */
	int64_t inactivity_s;  /* the same of inactivity_timeout */
	int64_t backlog_limit; /* events that may wait before a stream is paused; 0: no limit */
	int64_t retention_ms;  /* how long events are kept in the log at least; 0: for ever */
};

/* All borrowed. client has the egress policy. Delivers the streams of the shards that this process owns. */
struct deliver_deps {
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	struct keyring *keyring;
	struct set_signer *signer;
	const struct master_key *master;
	struct http_client *client;
};
ssf_nodiscard int deliver_new(const struct deliver_deps *deps, const struct deliver_conf *conf, struct deliver **out,
			      struct ssf_err *err);
void deliver_free(struct deliver *d); /* NULL is fine */

/*
 * Starts nothing new, answers long polls, waits for pushes in flight and saves positions; done is called once, when
 * that is so or after ms.
 */
void deliver_drain(struct deliver *d, int64_t ms, loop_f *done, void *arg);

/* POST /streams/{id}/poll by an authenticated client: takes the request over and answers it. */
void deliver_poll(struct deliver *d, struct http_req *req, const char *stream, const char *client);

/*
 * A change of the subjects of a stream: before it is stored and after (subject_filter.h). A stream that is still being
 * loaded takes it from the database. SSF_E_NOT_FOUND, SSF_E_LIMIT, SSF_E_NOMEM.
 */
ssf_nodiscard int deliver_subject_before(struct deliver *d, const struct subject_change *c, struct ssf_err *err);
ssf_nodiscard int deliver_subject_after(struct deliver *d, const struct subject_change *c, struct ssf_err *err);

/* The activity of a stream. Times are ms since 1970. */
struct deliver_activity {
	const char *stream;
	int64_t inactivity_s;     /* inactivity_timeout; 0: none */
	int64_t active_at_ms;     /* the receiver's last eligible activity (SSF 1.0 section 8.1.1) */
	int64_t heartbeat_s;      /* 0: none */
	int64_t heartbeat_at_ms;  /* of the last one, or when the stream was made */
	bool heartbeat_settled;   /* or there was none */
	bool backlog_exceeded;    /* backlog_limit: the stream is to be paused */
};
typedef void deliver_activity_f(void *arg, const struct deliver_activity *a);
/*
 * Calls f for every enabled stream for which a heartbeat, the inactivity timeout or the backlog limit is due; again each
 * time until it is not. Costs nothing for all others. Borrowed for the call, in which no stream may change.
 */
void deliver_each_due(struct deliver *d, deliver_activity_f *f, void *arg);
/* The stream's receiver is active now. Polls are known here. Saved with the position, not every time. */
void deliver_active(struct deliver *d, const char *stream);
/* It was active then, elsewhere. */
void deliver_active_at(struct deliver *d, const char *stream, int64_t at_ms);
/* A heartbeat of the stream was appended. */
void deliver_heartbeat(struct deliver *d, const char *stream, int64_t at_ms, int64_t seq);

/*
 * Reports once what becomes of an event that a stream's receiver is to get: seq is of an event that this stream
 * takes. Waits for at most ms; the wait ends with the stream, and when the hub drains. A stream that waits for its next
 * attempt tries at once. SSF_E_NOT_FOUND (no such stream), SSF_E_BUSY (too many), SSF_E_UNAVAILABLE (draining), SSF_E_NOMEM.
 */
#define DELIVER_WAITERS_MAX 64
ssf_nodiscard int deliver_wait_start(struct deliver *d, const char *stream, int64_t seq, int64_t ms,
				     delivery_waiter_f *f, void *arg, struct delivery_waiter **out, struct ssf_err *err);

/* How far behind each stream is; borrowed for the call. */
typedef void deliver_lag_f(void *arg, const struct stream_lag *lag);
void deliver_lags(const struct deliver *d, deliver_lag_f *f, void *arg);
/* Hosts that are pushed to, by the state of their circuits (push/endpoint.h). */
struct deliver_circuits {
	int64_t closed, open, half_open;
};
struct deliver_circuits deliver_circuits(const struct deliver *d);

/* replay.h */
ssf_nodiscard int deliver_redrive(struct deliver *d, const char *stream, int64_t seq, replay_redrive_f *f, void *arg,
				  struct ssf_err *err);
ssf_nodiscard int deliver_rewind(struct deliver *d, const char *stream, struct replay_point to, replay_rewind_f *f,
				 void *arg, struct ssf_err *err);

/* For status (docs/reference/api.md): how each stream is; new reference. */
json_t *deliver_status(const struct deliver *d);
/* The same of one; NULL when there is none. */
json_t *deliver_stream_status(const struct deliver *d, const char *stream);
