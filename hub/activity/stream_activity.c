/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the streams a few times a second and starts what is due: at most one job a stream and JOBS_MAX
 * in all. Decisions depend only on stored state (stream_state), so that a restart changes nothing: the
 * same heartbeat has the same origin_id and is appended once. A job is a machine:
 *
 *   heartbeat: append -> noted
 *   pause for inactivity: read active_at from the database -> pause -> done
 *   pause for backlog: pause -> done
 *
 * A failed job ends; the next tick tries again.
 */
#include "hub/activity/stream_activity.h"

#include "hub/streams/verification.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define TICK_MS 250
#define JOBS_MAX 64
#define GRACE_MAX_MS 60000
#define REASON_INACTIVITY "inactivity"
#define REASON_BACKLOG "backlog"

struct activity_job {
	LIST_ENTRY(activity_job) link;
	struct stream_activity *activity;
	char *stream;
	int64_t at_ms;               /* when the job was started */
	int64_t active_at_ms;        /* last activity that this process knows of */
	struct batch_append *append; /* of a heartbeat */
	const char *reason;          /* of a pause */
};

struct stream_activity {
	struct stream_activity_deps deps;
	struct loop_tick *tick;
	bool running;
	int64_t since_ms; /* when the hub became ready, since 1970 */
	int64_t now_ms;   /* of the current tick */
	LIST_HEAD(, activity_job) jobs;
	size_t job_count;
};

/* --- decisions ---------------------------------------------------------------------------------------- */

bool stream_activity_is_inactive(const struct deliver_activity *stream, int64_t since_ms, int64_t now_ms)
{
	int64_t timeout = stream->inactivity_s * 1000;
	int64_t grace = timeout / 10 < GRACE_MAX_MS ? timeout / 10 : GRACE_MAX_MS;

	return timeout > 0 && now_ms - stream->active_at_ms >= timeout && now_ms - since_ms >= grace;
}

bool stream_activity_heartbeat_is_due(const struct deliver_activity *stream, int64_t now_ms)
{
	int64_t waited = now_ms - stream->heartbeat_at_ms;

	return stream->heartbeat_s > 0 && stream->heartbeat_settled &&
	       (waited >= stream->heartbeat_s * 1000 || waited < 0);
}

/* --- jobs --------------------------------------------------------------------------------------------- */

static bool has_job(const struct stream_activity *a, const char *stream)
{
	const struct activity_job *j;

	LIST_FOREACH(j, &a->jobs, link) {
		if (strcmp(j->stream, stream) == 0)
			return true;
	}
	return false;
}

/* NULL when out of memory: the next tick tries again. */
static struct activity_job *job_new(struct stream_activity *a, const char *stream)
{
	struct activity_job *j = calloc(1, sizeof(*j));

	if (j == NULL || (j->stream = strdup(stream)) == NULL) {
		free(j);
		return NULL;
	}
	j->activity = a;
	j->at_ms = a->now_ms;
	LIST_INSERT_HEAD(&a->jobs, j, link);
	a->job_count++;
	return j;
}

static void job_free(struct activity_job *j)
{
	LIST_REMOVE(j, link);
	j->activity->job_count--;
	free(j->stream);
	free(j);
}

static void job_fail(struct activity_job *j, const struct ssf_err *err)
{
	log_warn("activity.failed", log_str("stream", j->stream), log_why(err));
	job_free(j);
}

/* --- heartbeats --------------------------------------------------------------------------------------- */

static void on_heartbeat_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct activity_job *j = arg;

	j->append = NULL;
	if (err != NULL) {
		job_fail(j, err);
		return;
	}
	log_debug("activity.heartbeat.appended", log_str("stream", j->stream), log_int("seq", first->seq));
	deliver_heartbeat(j->activity->deps.deliver, j->stream, j->at_ms, first->seq);
	job_free(j);
}

/* The origin_id is the time of the previous heartbeat: after a crash the same one is appended again, once. */
static void send_heartbeat(struct stream_activity *a, const struct deliver_activity *stream)
{
	ssf_auto(drafts) drafts = drafts_new();
	struct activity_job *j = drafts != NULL ? job_new(a, stream->stream) : NULL;
	struct ssf_err err;
	char once[48];

	if (j == NULL)
		return;
	snprintf(once, sizeof(once), "heartbeat.%lld", (long long)stream->heartbeat_at_ms);
	if (verification_add(drafts, stream->stream, NULL, once, &err) < 0 ||
	    batch_append_start(a->deps.batch, drafts, on_heartbeat_appended, j, &j->append, &err) < 0)
		job_fail(j, &err);
}

/* --- pauses ------------------------------------------------------------------------------------------- */

static void on_paused(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct activity_job *j = arg;

	(void)versions;
	if (err == NULL)
		log_info("stream.paused", log_str("stream", j->stream), log_str("reason", j->reason));
	else if (err->code != SSF_E_CONFLICT) { /* a conflict: somebody changed the stream, its time starts again */
		job_fail(j, err);
		return;
	}
	job_free(j);
}

/* Stores the resource with another status, as an operator would, unless somebody changes it first. */
static int write_pause(struct activity_job *j, struct ssf_err *err)
{
	const struct stream_activity_deps *d = &j->activity->deps;
	json_auto_t *spec = json_copy((json_t *)registry_get(d->registry, KIND_STREAM, j->stream));
	struct resource_condition unchanged = {
		.check = RESOURCE_VERSION, .version = registry_version(d->registry, KIND_STREAM, j->stream)
	};
	struct resource_txn *txn = resource_writer_begin(d->writer, "hub");

	if (spec == NULL || txn == NULL ||
	    json_object_set_new(spec, "status", json_string(stream_status_name(STREAM_PAUSED))) < 0 ||
	    json_object_set_new(spec, "status_reason", json_string(j->reason)) < 0) {
		resource_writer_discard(txn);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	if (resource_writer_add(txn, KIND_STREAM, j->stream, json_incref(spec), unchanged, err) < 0) {
		resource_writer_discard(txn);
		return -1;
	}
	return resource_writer_commit(txn, on_paused, j, err);
}

static void pause_stream(struct activity_job *j)
{
	struct ssf_err err;

	if (write_pause(j, &err) < 0)
		job_fail(j, &err);
}

/* Requests to other processes are noted in the database only. */
static void on_active_at(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct activity_job *j = arg;
	int64_t at_ms = err == NULL && db_rows(r) > 0 ? db_int(r, 0, 0) : 0;

	if (err != NULL) {
		job_fail(j, err);
	} else if (at_ms > j->active_at_ms) {
		deliver_active_at(j->activity->deps.deliver, j->stream, at_ms);
		job_free(j);
	} else {
		pause_stream(j);
	}
}

static void pause_full(struct stream_activity *a, const struct deliver_activity *stream)
{
	struct activity_job *j = job_new(a, stream->stream);

	if (j == NULL)
		return;
	j->reason = REASON_BACKLOG;
	pause_stream(j);
}

static void pause_inactive(struct stream_activity *a, const struct deliver_activity *stream)
{
	struct activity_job *j = job_new(a, stream->stream);
	struct ssf_err err;

	if (j == NULL)
		return;
	j->reason = REASON_INACTIVITY;
	j->active_at_ms = stream->active_at_ms;
	if (db_exec_detached(a->deps.db, STMT_stream_active_at, DB_PARAMS(db_param_text(j->stream)), on_active_at,
			     j, &err) < 0)
		job_fail(j, &err);
}

/* --- the tick ----------------------------------------------------------------------------------------- */

static void on_stream(void *arg, const struct deliver_activity *stream)
{
	struct stream_activity *a = arg;
	bool inactive = stream_activity_is_inactive(stream, a->since_ms, a->now_ms);
	bool heartbeat = stream_activity_heartbeat_is_due(stream, a->now_ms);

	if ((!inactive && !stream->backlog_exceeded && !heartbeat) || a->job_count >= JOBS_MAX ||
	    has_job(a, stream->stream))
		return;
	if (stream->backlog_exceeded)
		pause_full(a, stream);
	else if (inactive)
		pause_inactive(a, stream);
	else
		send_heartbeat(a, stream);
}

static void on_tick(void *arg)
{
	struct stream_activity *a = arg;

	if (!a->running || !db_is_up(a->deps.db) || !owner_is_up(a->deps.owner))
		return;
	a->now_ms = wall_now_ms();
	if (a->since_ms == 0)
		a->since_ms = a->now_ms;
	deliver_each_due(a->deps.deliver, on_stream, a);
}

int stream_activity_new(const struct stream_activity_deps *deps, struct stream_activity **out, struct ssf_err *err)
{
	struct stream_activity *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "activity");
	a->deps = *deps;
	LIST_INIT(&a->jobs);
	a->tick = loop_tick_start(deps->loop, TICK_MS, on_tick, a);
	if (a->tick == NULL) {
		free(a);
		return ssf_fail(err, SSF_E_NOMEM, "activity");
	}
	*out = a;
	return 0;
}

void stream_activity_start(struct stream_activity *a)
{
	a->running = true;
}

void stream_activity_stop(struct stream_activity *a)
{
	a->running = false;
}

/* Only heartbeats are left here: an append is cancelled, everything else was called back. */
void stream_activity_free(struct stream_activity *a)
{
	struct activity_job *j;

	if (a == NULL)
		return;
	loop_tick_cancel(a->tick);
	while ((j = LIST_FIRST(&a->jobs)) != NULL) {
		batch_append_cancel(j->append);
		job_free(j);
	}
	free(a);
}

/* --- the receiver ----------------------------------------------------------------------------------------- */

void stream_activity_note(struct stream_activity *a, const char *stream)
{
	if (owner_acts(a->deps.owner, owner_shard(stream)))
		deliver_active(a->deps.deliver, stream);
	else if (db_exec_detached(a->deps.db, STMT_stream_active, DB_PARAMS(db_param_text(stream)), NULL, NULL,
				  NULL) < 0)
		log_debug("activity.note.lost", log_str("stream", stream)); /* one request less that counts */
}
