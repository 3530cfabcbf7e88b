/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the subscriptions and wires the parts of delivery to each other. It decides nothing about events. */
#include "hub/deliver/deliver.h"

#include "hub/deliver/dispatch.h"
#include "hub/deliver/poll/poll.h"
#include "hub/deliver/positions.h"
#include "hub/deliver/push/pusher.h"
#include "hub/deliver/shards.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>

#define DRAIN_TICK_MS 20

struct deliver {
	struct deliver_deps deps;
	struct deliver_conf conf;
	struct interest_index *index;
	struct subscription_set set;
	struct subscription_lists lists;
	struct subscription_deps subscriptions;
	struct run_queue runs;
	struct push push;
	struct poll_deps poll;
	struct dispatch dispatch;
	struct positions *positions;
	struct shards shards;
	struct work_list overdue; /* subscriptions whose activity is due */
	int64_t due_at_ms;        /* when that was looked at, since 1970 */
	size_t waiters;
	bool incomplete;          /* there was no memory for a subscription */
	struct loop_tick *tick;
	bool draining;
	loop_f *drained;
	void *drained_arg;
	struct loop_timer *drain_deadline;
};

static struct subscription *find(const struct deliver *d, const char *id)
{
	return subscription_set_find(&d->set, id);
}

/* --- what subscriptions ask for --------------------------------------------------------------- */

static struct sender *make_sender(void *arg, const struct sender_spec *spec)
{
	struct deliver *d = arg;

	if (spec->stream->method == STREAM_PUSH)
		return pusher_new(&d->push, spec);
	return poll_sender_new(&d->poll, spec);
}

static bool may_act(void *arg, int shard)
{
	const struct deliver *d = arg;

	return shards_may_act(&d->shards, shard);
}

static void on_idle(void *arg)
{
	struct deliver *d = arg;

	shards_step_soon(&d->shards);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void stream_deleted(struct deliver *d, const char *id)
{
	struct subscription *s = find(d, id);

	positions_stream_deleted(d->positions, id);
	if (s == NULL)
		return;
	subscription_set_remove(&d->set, s);
	subscription_free(s, DELIVERY_STREAM_GONE);
}

static void subscribe(struct deliver *d, struct stream *stream)
{
	const char *id = stream->id;
	struct subscription *s = find(d, id);

	if (s != NULL) {
		subscription_reconfigure(s, stream);
		return;
	}
	s = subscription_new(&d->subscriptions, stream);
	if (s == NULL || subscription_set_add(&d->set, s) < 0) {
		if (s != NULL)
			subscription_free(s, DELIVERY_STOPPED);
		log_error("deliver.stream.nomem");
		d->incomplete = true; /* the tick tries again */
		return;
	}
	if (d->draining)
		subscription_stop(s);
}

static void stream_changed(struct deliver *d, const char *id, const json_t *spec)
{
	const json_t *client;
	struct stream *stream;
	struct ssf_err err;

	if (!shards_has(&d->shards, owner_shard(id)))
		return;
	if (spec == NULL) {
		stream_deleted(d, id);
		return;
	}
	client = registry_get(d->deps.registry, KIND_CLIENT, json_string_value(json_object_get(spec, "client")));
	if (client == NULL)
		return; /* it comes later in the same request, and its streams with it */
	if (stream_parse(id, spec, client, &stream, &err) < 0) {
		log_error("deliver.stream.unusable", log_str("stream", id), log_why(&err));
		return;
	}
	positions_stream_exists(d->positions, id);
	subscribe(d, stream);
}

static void on_resource(void *arg, enum kind kind, const char *id, const json_t *spec)
{
	struct deliver *d = arg;
	const char *stream;
	json_t *stream_spec;

	if (!registry_is_ready(d->deps.registry))
		return;
	if (kind == KIND_STREAM)
		stream_changed(d, id, spec);
	if (kind != KIND_CLIENT || spec == NULL)
		return;
	/* a client's audience is that of its streams */
	json_object_foreach((json_t *)registry_all(d->deps.registry, KIND_STREAM), stream, stream_spec) {
		const char *client = json_string_value(json_object_get(stream_spec, "client"));
		if (strcmp(client, id) == 0)
			stream_changed(d, stream, stream_spec);
	}
}

/* Makes the subscriptions that are missing. */
static void on_fill(void *arg)
{
	struct deliver *d = arg;
	const char *id;
	json_t *spec;

	d->incomplete = false;
	json_object_foreach((json_t *)registry_all(d->deps.registry, KIND_STREAM), id, spec) {
		if (find(d, id) == NULL)
			stream_changed(d, id, spec);
	}
}

/* What is being sent may have been signed by a key that must not be used any more. */
static void on_key_removed(void *arg)
{
	struct deliver *d = arg;
	struct subscription *s = NULL;

	while ((s = subscription_set_next(&d->set, s)) != NULL) {
		if (s->sender != NULL)
			s->sender->ops->resend(s->sender);
	}
}

/* --- the tick --------------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
	struct deliver *d = arg;
	struct work_list *retry = &d->lists.retry;
	struct subscription *s;

	for (size_t left = retry->count; left > 0; left--) { /* one that fails again comes back into the list */
		if ((s = work_list_pop(retry)) != NULL) {
			subscription_advance(s);
			if (s->sender != NULL)
				s->sender->ops->wake(s->sender);
		}
	}
	if (d->incomplete)
		on_fill(d);
	if (dispatch_is_behind(&d->dispatch))
		dispatch_head(&d->dispatch, event_log_head(d->deps.log));
	positions_tick(d->positions);
}

/* --- drain ------------------------------------------------------------------------------------ */

static void drain_end(struct deliver *d)
{
	loop_f *f = d->drained;

	d->drained = NULL;
	loop_timer_cancel(d->drain_deadline);
	d->drain_deadline = NULL;
	if (f != NULL)
		f(d->drained_arg);
}

static void on_drain_deadline(void *arg)
{
	struct deliver *d = arg;

	d->drain_deadline = NULL;
	log_warn("deliver.drain.late");
	drain_end(d);
}

/* It ends when nothing is in flight and everything is saved, or the database is away. */
static void on_drain_tick(void *arg)
{
	struct deliver *d = arg;
	struct subscription *s = NULL;

	if (d->drained == NULL)
		return;
	while ((s = subscription_set_next(&d->set, s)) != NULL) {
		struct sender_status status;
		subscription_sender_status(s, &status);
		if (status.in_flight > 0)
			return;
		subscription_mark_unsaved(s);
	}
	positions_checkpoint(d->positions);
	if (!positions_are_saving(d->positions))
		drain_end(d);
}

void deliver_drain(struct deliver *d, int64_t ms, loop_f *done, void *arg)
{
	struct subscription *s = NULL;

	d->draining = true;
	d->drained = done;
	d->drained_arg = arg;
	d->drain_deadline = loop_timer_start(d->deps.loop, ms, on_drain_deadline, d);
	dispatch_stop(&d->dispatch);
	while ((s = subscription_set_next(&d->set, s)) != NULL)
		subscription_stop(s);
	loop_tick_cancel(d->tick);
	d->tick = loop_tick_start(d->deps.loop, DRAIN_TICK_MS, on_drain_tick, d);
}

static void on_checkpoint_ended(void *arg)
{
	struct deliver *d = arg;

	if (positions_have_failed(d->positions))
		shards_retry(&d->shards);
	else
		shards_step_soon(&d->shards);
}

/* --- polls ------------------------------------------------------------------------------------ */

void deliver_poll(struct deliver *d, struct http_req *req, const char *stream, const char *client)
{
	struct subscription *s = find(d, stream);
	struct ssf_err err;

	/* another client's stream does not exist for this one */
	if (s != NULL && (s->stream->method != STREAM_POLL || strcmp(s->stream->client, client) != 0)) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such poll stream");
		http_reply_error(req, 0, &err);
	} else if (s != NULL ? !may_act(d, s->shard) || s->sender == NULL : shards_are_filling(&d->shards)) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "the stream is moving to another process");
		http_reply_error(req, 0, &err);
	} else if (s == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such poll stream");
		http_reply_error(req, 0, &err);
	} else {
		poll_request(s->sender, req);
	}
}

/* --- subjects --------------------------------------------------------------------------------- */

int deliver_subject_before(struct deliver *d, const struct subject_change *c, struct ssf_err *err)
{
	struct subscription *s = find(d, c->stream);

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	return subject_filter_before(&s->filter, c, err);
}

int deliver_subject_after(struct deliver *d, const struct subject_change *c, struct ssf_err *err)
{
	struct subscription *s = find(d, c->stream);

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	return subject_filter_after(&s->filter, c, err);
}

/* --- activity --------------------------------------------------------------------------------- */

static void report_due(struct subscription *s, deliver_activity_f *f, void *arg)
{
	const struct activity *a = &s->report.activity;
	const struct deliver_activity report = {
		.stream = s->id,
		.inactivity_s = subscription_inactivity_s(s),
		.active_at_ms = a->active_at_ms,
		.heartbeat_s = subscription_heartbeat_s(s),
		.heartbeat_at_ms = a->heartbeat_at_ms,
		.heartbeat_settled = !a->heartbeat_open,
		.backlog_exceeded = subscription_backlog_is_exceeded(s),
	};

	f(arg, &report);
}

void deliver_each_due(struct deliver *d, deliver_activity_f *f, void *arg)
{
	int64_t now = wall_now_ms();
	int64_t until = now < d->due_at_ms ? DUE_NEVER - 1 : now; /* the clock was set back: all are looked at again */
	struct work_node *n, *next;
	struct subscription *s;

	d->due_at_ms = now;
	while ((s = due_queue_pop(&d->lists.activity, until)) != NULL)
		work_list_push(&d->overdue, &s->nodes.overdue, s);
	for (n = TAILQ_FIRST(&d->overdue.nodes); n != NULL; n = next) {
		struct sender_status status;
		s = n->object;
		next = TAILQ_NEXT(n, link);
		subscription_sender_status(s, &status);
		if (status.waiting_polls > 0) /* a long poll is activity while it is held */
			subscription_active(s, now);
		if (subscription_due_ms(s, now) <= now) {
			report_due(s, f, arg);
		} else {
			work_node_remove(n);
			subscription_schedule_activity(s);
		}
	}
}

void deliver_active(struct deliver *d, const char *stream)
{
	deliver_active_at(d, stream, wall_now_ms());
}

void deliver_active_at(struct deliver *d, const char *stream, int64_t at_ms)
{
	struct subscription *s = find(d, stream);

	if (s != NULL)
		subscription_active(s, at_ms);
}

void deliver_heartbeat(struct deliver *d, const char *stream, int64_t at_ms, int64_t seq)
{
	struct subscription *s = find(d, stream);

	if (s != NULL)
		subscription_heartbeat(s, at_ms, seq);
}

/* --- waiting, replay, status ------------------------------------------------------------------ */

int deliver_wait_start(struct deliver *d, const char *stream, int64_t seq, int64_t ms, delivery_waiter_f *f, void *arg,
		       struct delivery_waiter **out, struct ssf_err *err)
{
	struct subscription *s = find(d, stream);
	struct delivery_waiter_spec spec = { .seq = seq, .ms = ms, .total = &d->waiters };

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	if (d->draining)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	if (d->waiters >= DELIVER_WAITERS_MAX)
		return ssf_fail(err, SSF_E_BUSY, "%d tests are under way", DELIVER_WAITERS_MAX);
	set_signer_jti(d->deps.signer, seq, s->stream->audience, spec.jti);
	*out = subscription_wait(s, &spec, f, arg);
	return *out != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "wait");
}

static struct replay_deps replay_deps(struct deliver *d)
{
	return (struct replay_deps){ d->deps.db, d->deps.owner, &d->set };
}

int deliver_redrive(struct deliver *d, const char *stream, int64_t seq, replay_redrive_f *f, void *arg,
		    struct ssf_err *err)
{
	const struct replay_deps deps = replay_deps(d);

	return replay_redrive(&deps, stream, seq, f, arg, err);
}

int deliver_rewind(struct deliver *d, const char *stream, struct replay_point to, replay_rewind_f *f, void *arg,
		   struct ssf_err *err)
{
	const struct replay_deps deps = replay_deps(d);

	return replay_rewind(&deps, stream, to, f, arg, err);
}

void deliver_lags(const struct deliver *d, deliver_lag_f *f, void *arg)
{
	const struct subscription *s = NULL;
	int64_t now = wall_now_ms();

	while ((s = subscription_set_next(&d->set, s)) != NULL) {
		struct stream_lag lag = status_lag(s, now);
		f(arg, &lag);
	}
}

struct deliver_circuits deliver_circuits(const struct deliver *d)
{
	const size_t *n = d->push.endpoints.circuits;

	return (struct deliver_circuits){ (int64_t)n[CIRCUIT_CLOSED], (int64_t)n[CIRCUIT_OPEN],
					  (int64_t)n[CIRCUIT_HALF_OPEN] };
}

json_t *deliver_stream_status(const struct deliver *d, const char *stream)
{
	const struct subscription *s = find(d, stream);

	return s != NULL ? status_report(s, d->conf.retention_ms) : NULL;
}

json_t *deliver_status(const struct deliver *d)
{
	const struct subscription *s = NULL;
	json_t *list = json_array();

	while ((s = subscription_set_next(&d->set, s)) != NULL)
		json_array_append_new(list, status_report(s, d->conf.retention_ms));
	return list;
}

/* --- its life --------------------------------------------------------------------------------- */

static void init_lists(struct deliver *d)
{
	work_list_init(&d->lists.to_load, NULL, NULL);
	work_list_init(&d->lists.unsaved, NULL, NULL);
	work_list_init(&d->lists.retry, NULL, NULL);
	work_list_init(&d->lists.followers, NULL, NULL);
	work_list_init(&d->overdue, NULL, NULL);
}

/* Everything that needs no memory, so that deliver_free() can undo it. */
static void init_parts(struct deliver *d)
{
	const struct deliver_deps *deps = &d->deps;
	const struct deliver_conf *conf = &d->conf;

	init_lists(d);
	subscription_set_init(&d->set);
	run_queue_init(&d->runs, deps->loop);
	dispatch_init(&d->dispatch, &(struct dispatch_deps){ deps->loop, deps->log, d->index, &d->set, &d->lists,
							     &d->runs });
	d->poll = (struct poll_deps){ deps->loop, deps->keyring, deps->signer, &d->runs, conf->poll_wait_ms };
	d->subscriptions = (struct subscription_deps){
		.conf = { conf->max_age_ms, conf->heartbeat_s, conf->inactivity_s, conf->backlog_limit },
		.loop = deps->loop, .db = deps->db, .log = deps->log, .index = d->index,
		.dead_letters = { deps->db, deps->owner, deps->signer },
		.dispatched = &d->dispatch.position, .lists = &d->lists,
		.make_sender = make_sender, .make_sender_arg = d,
		.may_act = may_act, .idle = on_idle, .arg = d,
	};
}

int deliver_new(const struct deliver_deps *deps, const struct deliver_conf *conf, struct deliver **out,
		struct ssf_err *err)
{
	const struct push_conf push = { conf->push_timeout_ms, conf->retry_min_ms, conf->retry_max_ms };
	const struct attempt_deps attempts = { deps->signer, deps->master, deps->client, conf->push_timeout_ms };
	struct deliver *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "delivery");
	d->deps = *deps;
	d->conf = *conf;
	d->index = interest_index_new();
	init_parts(d);
	const struct positions_deps positions = { deps->loop, deps->db, deps->owner, &d->set, &d->lists,
						  &d->dispatch.position, on_checkpoint_ended, d };
	d->tick = loop_tick_start(deps->loop, conf->checkpoint_ms, on_tick, d);
	if (push_init(&d->push, deps->loop, &push, &attempts, &d->runs, err) < 0 || d->index == NULL ||
	    d->tick == NULL || positions_new(&positions, &d->positions, err) < 0) {
		deliver_free(d);
		return ssf_fail(err, SSF_E_NOMEM, "delivery");
	}
	work_list_init(&d->lists.to_load, positions_load_soon, d->positions);
	shards_init(&d->shards, &(struct shards_deps){ deps->loop, deps->owner, &d->set, d->positions, on_fill, d });
	if (registry_listen(deps->registry, on_resource, d, err) < 0) {
		deliver_free(d);
		return -1;
	}
	event_log_listen(deps->log, dispatch_head, &d->dispatch);
	keyring_on_removed(deps->keyring, on_key_removed, d);
	*out = d;
	return 0;
}

void deliver_free(struct deliver *d)
{
	struct subscription *s;

	if (d == NULL)
		return;
	keyring_on_removed(d->deps.keyring, NULL, NULL);
	dispatch_stop(&d->dispatch);
	while ((s = subscription_set_next(&d->set, NULL)) != NULL) {
		subscription_set_remove(&d->set, s);
		subscription_free(s, DELIVERY_STOPPED);
	}
	shards_done(&d->shards);
	positions_free(d->positions);
	dispatch_done(&d->dispatch);
	run_queue_done(&d->runs);
	push_done(&d->push);
	subscription_set_done(&d->set);
	due_queue_done(&d->lists.activity);
	interest_index_free(d->index);
	loop_tick_cancel(d->tick);
	loop_timer_cancel(d->drain_deadline);
	free(d);
}
