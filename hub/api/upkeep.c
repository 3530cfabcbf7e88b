/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at all streams a few times a second and starts what is due: one job a stream, a bounded
 * number at once. What it decides by is stored (stream_state), so a restart changes nothing: the same
 * heartbeat has the same id, and is appended once.
 */
#include "hub/api/upkeep.h"

#include "hub/api/put.h"
#include "hub/api/ssf.h"
#include "hub/streams/stream.h"
#include "lib/kit/log.h"

#include <sys/queue.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 250
#define JOBS_MAX 64
#define GRACE_MAX_MS 60000
#define INACTIVITY "inactivity"
#define BACKLOG "backlog"

struct job {
	LIST_ENTRY(job) link;
	struct upkeep *upkeep;
	char *stream;
	int64_t at_ms;
	int64_t active_at_ms;        /* as we know; of a pause for inactivity */
	struct batch_append *append; /* of a heartbeat; NULL: a pause, and */
	const char *reason;
};

struct upkeep {
	struct api *api;
	struct loop_tick *tick;
	int64_t since_ms; /* when the hub was ready, since 1970; 0: not yet */
	int64_t now_ms;   /* of this tick */
	LIST_HEAD(, job) jobs;
	size_t job_count;
};

/* --- decisions ---------------------------------------------------------------------------------------- */

bool upkeep_is_inactive(const struct deliver_life *life, int64_t since_ms, int64_t now_ms)
{
	int64_t timeout = life->inactivity_s * 1000;
	int64_t grace = timeout / 10 < GRACE_MAX_MS ? timeout / 10 : GRACE_MAX_MS;

	return timeout > 0 && now_ms - life->active_at_ms >= timeout && now_ms - since_ms >= grace;
}

bool upkeep_heartbeat_due(const struct deliver_life *life, int64_t now_ms)
{
	int64_t waited = now_ms - life->heartbeat_at_ms;

	return life->heartbeat_s > 0 && life->heartbeat_settled &&
	       (waited >= life->heartbeat_s * 1000 || waited < 0);
}

/* --- jobs --------------------------------------------------------------------------------------------- */

static bool has_job(const struct upkeep *u, const char *stream)
{
	const struct job *j;

	LIST_FOREACH(j, &u->jobs, link) {
		if (strcmp(j->stream, stream) == 0)
			return true;
	}
	return false;
}

static struct job *job_new(struct upkeep *u, const char *stream)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL || (j->stream = strdup(stream)) == NULL) {
		free(j);
		return NULL;
	}
	j->upkeep = u;
	j->at_ms = u->now_ms;
	LIST_INSERT_HEAD(&u->jobs, j, link);
	u->job_count++;
	return j;
}

static void job_free(struct job *j)
{
	LIST_REMOVE(j, link);
	j->upkeep->job_count--;
	free(j->stream);
	free(j);
}

/* The next tick tries again. */
static void job_fail(struct job *j, const struct ssf_err *err)
{
	log_warn("upkeep.failed", log_str("stream", j->stream), log_why(err));
	job_free(j);
}

/* --- heartbeats --------------------------------------------------------------------------------------- */

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct job *j = arg;

	if (err != NULL) {
		job_fail(j, err);
		return;
	}
	log_debug("upkeep.heartbeat", log_str("stream", j->stream), log_int("seq", first->seq));
	deliver_heartbeat(j->upkeep->api->deliver, j->stream, j->at_ms, first->seq);
	job_free(j);
}

/* Its id is the time of the one before: after a crash in between the same one is appended again, once. */
static void heartbeat(struct upkeep *u, const struct deliver_life *life)
{
	ssf_auto(drafts) drafts = drafts_new();
	struct job *j = drafts != NULL ? job_new(u, life->stream) : NULL;
	struct ssf_err err;
	char once[48];

	if (j == NULL)
		return; /* no memory: the next tick tries again */
	snprintf(once, sizeof(once), "heartbeat.%lld", (long long)life->heartbeat_at_ms);
	if (ssf_api_verification(life->stream, NULL, once, drafts, &err) < 0 ||
	    batch_append_start(u->api->batch, drafts, on_appended, j, &j->append, &err) < 0)
		job_fail(j, &err);
}

/* --- pauses ------------------------------------------------------------------------------------------- */

static void on_paused(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct job *j = arg;

	(void)versions;
	if (err == NULL)
		log_info("upkeep.paused", log_str("stream", j->stream), log_str("reason", j->reason));
	else if (err->code != SSF_E_CONFLICT) { /* somebody has changed it: its time begins again */
		job_fail(j, err);
		return;
	}
	job_free(j);
}

/* The stored resource with another status: as when an operator pauses it, if nobody changes it before. */
static int pause_start(struct job *j, struct ssf_err *err)
{
	struct api *api = j->upkeep->api;
	json_auto_t *spec = json_copy((json_t *)registry_get(api->registry, KIND_STREAM, j->stream));
	struct put_limits limit = { .check = PUT_VERSION,
				    .version = registry_version(api->registry, KIND_STREAM, j->stream) };
	struct put *put = put_new(api, "hub");

	if (spec == NULL || put == NULL ||
	    json_object_set_new(spec, "status", json_string(stream_status_name(STREAM_PAUSED))) < 0 ||
	    json_object_set_new(spec, "status_reason", json_string(j->reason)) < 0) {
		put_free(put);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	if (put_add(put, KIND_STREAM, j->stream, json_incref(spec), limit, err) < 0) {
		put_free(put);
		return -1;
	}
	return put_start(put, on_paused, j, err);
}

static void pause_now(struct job *j)
{
	struct ssf_err err;

	if (pause_start(j, &err) < 0)
		job_fail(j, &err);
}

/* What its receiver has asked of other processes is in the database alone. */
static void on_active_at(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct job *j = arg;
	int64_t at_ms = err == NULL && db_rows(r) > 0 ? db_int(r, 0, 0) : 0;

	if (err != NULL) {
		job_fail(j, err);
	} else if (at_ms > j->active_at_ms) {
		deliver_active_at(j->upkeep->api->deliver, j->stream, at_ms);
		job_free(j);
	} else {
		pause_now(j);
	}
}

static void pause_full(struct upkeep *u, const struct deliver_life *life)
{
	struct job *j = job_new(u, life->stream);

	if (j == NULL)
		return; /* no memory: the next tick tries again */
	j->reason = BACKLOG;
	pause_now(j);
}

static void pause_inactive(struct upkeep *u, const struct deliver_life *life)
{
	struct job *j = job_new(u, life->stream);
	const char *params[] = { life->stream };
	struct ssf_err err;

	if (j == NULL)
		return; /* no memory: the next tick tries again */
	j->reason = INACTIVITY;
	j->active_at_ms = life->active_at_ms;
	if (db_exec(u->api->db, STMT_stream_active_at, params, on_active_at, j, NULL, &err) < 0)
		job_fail(j, &err);
}

/* --- what is due -------------------------------------------------------------------------------------- */

static void on_life(void *arg, const struct deliver_life *life)
{
	struct upkeep *u = arg;
	bool inactive = upkeep_is_inactive(life, u->since_ms, u->now_ms);

	if ((!inactive && !life->backlog_passed && !upkeep_heartbeat_due(life, u->now_ms)) || u->job_count >= JOBS_MAX ||
	    has_job(u, life->stream))
		return;
	if (life->backlog_passed)
		pause_full(u, life);
	else if (inactive)
		pause_inactive(u, life);
	else
		heartbeat(u, life);
}

static void on_tick(void *arg)
{
	struct upkeep *u = arg;
	struct api *api = u->api;

	if (!api->ready || api->draining || !db_is_up(api->db) || !owner_is_up(api->owner))
		return;
	u->now_ms = wall_now_ms();
	if (u->since_ms == 0)
		u->since_ms = u->now_ms;
	deliver_lives(api->deliver, on_life, u);
}

int upkeep_new(struct loop *loop, struct api *api, struct upkeep **out, struct ssf_err *err)
{
	struct upkeep *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "upkeep");
	u->api = api;
	LIST_INIT(&u->jobs);
	u->tick = loop_tick_start(loop, TICK_MS, on_tick, u);
	if (u->tick == NULL) {
		free(u);
		return ssf_fail(err, SSF_E_NOMEM, "upkeep");
	}
	*out = u;
	return 0;
}

void upkeep_free(struct upkeep *u)
{
	struct job *j;

	if (u == NULL)
		return;
	loop_tick_cancel(u->tick);
	while ((j = LIST_FIRST(&u->jobs)) != NULL) {
		assert(j->append != NULL);
		batch_append_cancel(j->append);
		job_free(j);
	}
	free(u);
}
