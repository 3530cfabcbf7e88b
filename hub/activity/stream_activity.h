/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub does to streams by itself: it sends heartbeats, which are verification events that nobody
 * requested (SSF 1.0 section 8.1.4.2), and pauses streams whose receiver is inactive (section 8.1.1) or
 * whose backlog is over its limit. Looks only at the streams that this process owns.
 */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/deliver/deliver.h"
#include "hub/ingest/batch.h"
#include "hub/registry/resource_writer.h"

struct stream_activity;

/* All borrowed. */
struct stream_activity_deps {
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct registry *registry;
	struct resource_writer *writer;
	struct batch *batch;
	struct deliver *deliver;
};

ssf_nodiscard int stream_activity_new(const struct stream_activity_deps *deps, struct stream_activity **out,
			       struct ssf_err *err);
void stream_activity_start(struct stream_activity *a); /* the hub is ready; before, nothing is done */
void stream_activity_stop(struct stream_activity *a);  /* the hub drains: nothing is started any more */
/*
 * After db_stop() and registry_stop(), which end the jobs that wait for a statement or a resource write.
 * NULL is fine.
 */
void stream_activity_free(struct stream_activity *a);

/*
 * Notes that the stream's receiver was active: in memory if this process owns the stream, else in the
 * database, where its owner reads it before it pauses the stream.
 */
void stream_activity_note(struct stream_activity *a, const char *stream);

/*
 * Whether a stream was inactive for its timeout. While the hub was down nobody could be active: after
 * since_ms, when the hub became ready, receivers get a tenth of the timeout, at most a minute, to return.
 */
bool stream_activity_is_inactive(const struct deliver_activity *stream, int64_t since_ms, int64_t now_ms);

/*
 * Whether the next heartbeat is due. It waits until the receiver has the previous one; missed ones are not
 * made up for. If the clock was set back, the heartbeat is due at once.
 */
bool stream_activity_heartbeat_is_due(const struct deliver_activity *stream, int64_t now_ms);
