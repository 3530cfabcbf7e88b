/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends again what was sent before: redriven dead letters, rewound streams. Each is one transaction of the database; the
 * subscription learns of it only afterwards. So nothing is sent again that a crash would forget, and a refusal changes
 * nothing.
 *
 * There is no handle: a replay that has begun takes effect whether or not somebody waits for its outcome. f is called
 * once, at the latest by db_stop(); arg and the deps have to outlive that.
 */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/db/db.h"

struct subscription_set;

struct replay_deps {
	struct db *db;
	struct owner *owner;
	struct subscription_set *set;
};

/*
 * Redrives dead letters of a stream, under the same jti: that of seq, or (0) as many as there is room for. From that
 * transaction on they are to be redelivered, whatever is killed. SSF_E_NOT_FOUND: no such stream or dead letter.
 * SSF_E_GONE: the log does not have the event any more. SSF_E_CONFLICT: the stream is disabled. SSF_E_BUSY: too many
 * are to be redelivered. SSF_E_UNAVAILABLE: another process owns the stream now.
 */
struct replay_redriven {
	int64_t redriven;
	int64_t gone;      /* stay dead letters: the log does not have them any more */
	int64_t remaining; /* stay dead letters: there is no room now */
};
typedef void replay_redrive_f(void *arg, const struct replay_redriven *r, const struct ssf_err *err);
ssf_nodiscard int replay_redrive(const struct replay_deps *deps, const char *stream, int64_t seq,
				 replay_redrive_f *f, void *arg, struct ssf_err *err);

/*
 * Reads a stream again from an event, or (seq 0) from the first one that was appended at a time; what is in flight
 * is stopped. Nothing is skipped: what it has not had yet it gets all the same. f gets the seq from which. When it
 * fails nothing has changed: SSF_E_NOT_FOUND: no such stream. SSF_E_MALFORMED: in the future. SSF_E_GONE: not everything
 * from there on is in the log. SSF_E_CONFLICT: the stream is disabled, and would keep nothing of it. SSF_E_UNAVAILABLE:
 * another process owns the stream now.
 */
struct replay_point {
	int64_t seq;
	int64_t at_ms; /* since 1970 */
};
typedef void replay_rewind_f(void *arg, int64_t first, const struct ssf_err *err);
ssf_nodiscard int replay_rewind(const struct replay_deps *deps, const char *stream, struct replay_point to,
				replay_rewind_f *f, void *arg, struct ssf_err *err);
