/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings events to streams: push (RFC 8935) and poll (RFC 8936) over the event log, at least
 * once, in order for each subject. Where each stream is gets saved in batches; after a crash
 * what was settled since is sent again under the same jti.
 */
#pragma once

#include "hub/keys/keys.h"
#include "hub/keys/seal.h"
#include "hub/registry/registry.h"
#include "hub/store/event.h"
#include "hub/store/owner.h"
#include "lib/kit/http_client.h"
#include "lib/kit/http_server.h"

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

/* What the upkeep of streams goes by (hub/api/upkeep.h). Times are ms since 1970. */
struct deliver_life {
	const char *stream;
	int64_t inactivity_s;      /* inactivity_timeout; 0: none */
	int64_t active_at_ms;      /* the receiver's last eligible activity (SSF 1.0 section 8.1.1) */
	int64_t heartbeat_s;       /* 0: none */
	int64_t heartbeat_at_ms;   /* of the last one, or when the stream was made */
	bool heartbeat_settled;    /* or there was none */
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

/* For status (docs/api.md): how each stream is; new reference. */
json_t *deliver_status(const struct deliver *d);
