/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the outlets, one a stream, and saves where they are. */
#include "hub/deliver/deliver_priv.h"

#include "lib/kit/log.h"
#include "lib/ssf/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKPOINT_SHARE 20    /* at most one twentieth of the time, */
#define CHECKPOINT_STREAM_MS 3 /* no sooner than so long for each stream that is in it, */
#define CHECKPOINT_MAX_MS 3000 /* but not less often than this */
#define SCAN_SLACK 8192 /* how far the stored cursor of a stream that nothing concerns may be behind */

struct outlet *deliver_find(const struct deliver *d, const char *id)
{
	return stream_index_by_id(d->index, id);
}

/* --- checkpoints ---------------------------------------------------------------------------------- */

/* Settled above the cursor: entries of the window, and what was loaded and not reached yet. */
static int acked_text(const struct outlet *o, struct ssf_buf *out)
{
	int64_t cursor = outlet_cursor(o);
	const struct entry *e;

	ssf_buf_addc(out, '{');
	TAILQ_FOREACH(e, &o->entries, link) {
		if (e->settled)
			ssf_buf_addf(out, "%s[%lld,%lld]", out->len > 1 ? "," : "",
				     (long long)e->event->seq, (long long)e->event->seq);
	}
	for (size_t i = 0; i < o->acked_count; i++) {
		if (o->acked[i].to > cursor + 1)
			ssf_buf_addf(out, "%s[%lld,%lld)", out->len > 1 ? "," : "",
				     (long long)o->acked[i].from, (long long)o->acked[i].to);
	}
	return ssf_buf_addc(out, '}');
}

json_t *outlet_state(const struct outlet *o)
{
	ssf_auto_buf acked = SSF_BUF(1024 * 1024);
	json_t *state;

	if (acked_text(o, &acked) < 0)
		return NULL;
	state = json_pack("{s:I, s:I, s:I, s:b, s:I, s:I}", "rewound", (json_int_t)o->rewound, "cursor",
			  (json_int_t)outlet_cursor(o), "delivered", (json_int_t)o->delivered, "failing",
			  o->failures > 0, "backlog", (json_int_t)backlog_to_save(o), "backlog_base",
			  (json_int_t)o->backlog_base);
	if (acked.len > 2)
		json_object_set_new(state, "acked", json_string(acked.ptr));
	if (o->success_at_ms != 0)
		json_object_set_new(state, "success_at", json_real((double)o->success_at_ms / 1e3));
	if (o->error_at_ms != 0) {
		json_object_set_new(state, "error_at", json_real((double)o->error_at_ms / 1e3));
		json_object_set_new(state, "error", json_string(o->error));
	}
	if (o->active_at_ms != 0)
		json_object_set_new(state, "active_at", json_real((double)o->active_at_ms / 1e3));
	if (o->heartbeat_seq != 0) {
		json_object_set_new(state, "heartbeat_at", json_real((double)o->heartbeat_at_ms / 1e3));
		json_object_set_new(state, "heartbeat_seq", json_integer((json_int_t)o->heartbeat_seq));
	}
	return state;
}

static void outlet_saved(struct outlet *o)
{
	o->dirty = false;
	o->saved_scan = outlet_cursor(o);
	o->backlog_saved = backlog_to_save(o);
	owed_saving(o);
	o->active_saved_ms = o->active_at_ms;
}

void outlet_mark(struct outlet *o)
{
	o->dirty = o->loaded && (o->dirty || o->active_at_ms > o->active_saved_ms ||
				 backlog_to_save(o) != o->backlog_saved || outlet_cursor(o) > o->saved_scan);
}

static void drain_step(struct deliver *d);

/* Somebody else owns some of these streams: none of it was saved, and none will be. */
static void checkpoint_refused(struct deliver *d)
{
	const json_t *unit;
	size_t i;

	json_array_foreach(d->saving_units, i, unit)
		owner_refused(d->owner, (int)json_integer_value(unit),
			      json_integer_value(json_array_get(d->saving_epochs, i)));
}

/* The longer they take and the more is in them, the less often they are made. */
static void plan_checkpoint(struct deliver *d)
{
	int64_t wait = CHECKPOINT_SHARE * (loop_now_ms() - d->checkpoint_began_ms);
	int64_t for_streams = CHECKPOINT_STREAM_MS * d->checkpoint_size;

	wait = wait > for_streams ? wait : for_streams;
	wait = wait < CHECKPOINT_MAX_MS ? wait : CHECKPOINT_MAX_MS;
	d->checkpoint_next_ms = d->checkpoint_began_ms + wait;
}

static void on_checkpoint(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct deliver *d = arg;
	struct outlet *o;

	d->checkpoint = NULL;
	plan_checkpoint(d);
	if (err != NULL) /* it may not have been saved: save all again */
		log_warn("deliver.checkpoint.failed", log_why(err));
	LIST_FOREACH(o, &d->outlets, link) {
		owed_saved(o, err == NULL);
		if (err != NULL)
			o->dirty = o->loaded;
	}
	if (err != NULL && err->code == SSF_E_CONFLICT)
		checkpoint_refused(d);
	for (size_t row = 0; err == NULL && row < db_rows(r); row++) {
		o = deliver_find(d, db_text(r, row, 0));
		if (o != NULL && o->loaded)
			outlet_reload(o); /* it was rewound, and we did not know yet */
	}
	if (err != NULL) {
		shards_retry(d);
		return; /* and the tick of the drain */
	}
	shards_kick(d);
	drain_step(d);
}

/* What of "owed" is settled: where it is noted is another row, which is rarely written. */
static json_t *outlet_paid(const struct outlet *o)
{
	ssf_auto_buf paid = SSF_BUF(64 * 1024);

	if (o->owed.paid_count == 0 || owed_paid_text(o, &paid) < 0)
		return NULL;
	return json_pack("{s:I, s:s}", "rewound", (json_int_t)o->rewound, "paid", paid.ptr);
}

/* Those of one shard that have something to be saved. */
static void collect(struct deliver *d, int shard, json_t *entries, json_t *paid)
{
	size_t before = json_object_size(entries);
	struct outlet *o;

	LIST_FOREACH(o, &d->shards[shard].outlets, shard_link) {
		json_t *its = o->dirty && o->loaded ? outlet_paid(o) : NULL;
		if (o->dirty && o->loaded)
			json_object_set_new(entries, o->stream->id, outlet_state(o));
		if (its != NULL)
			json_object_set_new(paid, o->stream->id, its);
	}
	if (json_object_size(entries) == before)
		return;
	json_array_append_new(d->saving_units, json_integer(shard));
	json_array_append_new(d->saving_epochs, json_integer((json_int_t)owner_epoch(d->owner, shard)));
}

/* As an array for the database; NULL: no memory. */
static char *gone_text(const struct deliver *d)
{
	json_auto_t *ids = json_array();
	const char *id;
	json_t *value;

	json_object_foreach(d->gone, id, value) {
		if (json_array_append_new(ids, json_string(id)) < 0)
			return NULL;
	}
	return ids != NULL ? db_array(ids) : NULL;
}

static int checkpoint_start(struct deliver *d, const json_t *entries, const json_t *paid)
{
	ssf_auto_free char *units = db_array(d->saving_units);
	ssf_auto_free char *epochs = db_array(d->saving_epochs);
	ssf_auto_free char *gone = gone_text(d);
	ssf_auto_free char *text = json_dumps(entries, JSON_COMPACT);
	ssf_auto_free char *paid_text = json_object_size(paid) > 0 ? json_dumps(paid, JSON_COMPACT) : NULL;
	char nth[24];
	const char *params[] = { owner_id(d->owner), nth, units, epochs, text, paid_text, gone };

	if (units == NULL || epochs == NULL || gone == NULL || text == NULL)
		return -1;
	snprintf(nth, sizeof(nth), "%lld", (long long)++d->checkpoint_count);
	return db_exec(d->db, STMT_stream_checkpoint, params, on_checkpoint, d, &d->checkpoint, NULL);
}

void deliver_checkpoint(struct deliver *d)
{
	json_auto_t *entries = json_object(), *paid = json_object();
	const char *id;
	json_t *entry;

	if (d->checkpoint != NULL || entries == NULL || paid == NULL)
		return;
	d->checkpoint_began_ms = loop_now_ms();
	json_array_clear(d->saving_units);
	json_array_clear(d->saving_epochs);
	for (int i = 0; i < OWNER_SHARDS; i++) {
		if (owner_holds(d->owner, i))
			collect(d, i, entries, paid);
	}
	if (json_object_size(entries) == 0)
		return;
	d->checkpoint_size = (int64_t)json_object_size(entries);
	if (checkpoint_start(d, entries, paid) < 0) {
		d->checkpoint = NULL;
		return;
	}
	json_object_clear(d->gone); /* if this is not saved they stay, and mean nothing */
	json_object_foreach(entries, id, entry)
		outlet_saved(deliver_find(d, id));
}

static void on_tick(void *arg)
{
	struct deliver *d = arg;
	struct outlet *o;

	LIST_FOREACH(o, &d->outlets, link) { /* what failed before is tried again */
		outlet_fill(o);
		if (!TAILQ_EMPTY(&o->entries))
			push_kick(o);
		if (outlet_cursor(o) - o->saved_scan > SCAN_SLACK)
			o->dirty = true;
	}
	load_retry(d);
	if (loop_now_ms() >= d->checkpoint_next_ms)
		deliver_checkpoint(d);
}

/* --- streams -------------------------------------------------------------------------------------- */

void deliver_stream_changed(struct deliver *d, const char *id, const json_t *spec)
{
	struct outlet *o = deliver_find(d, id);
	struct stream *s;
	struct ssf_err err;
	const json_t *client;

	if (!shards_have(d, owner_shard(id)))
		return;
	if (spec == NULL) {
		json_object_set_new(d->gone, id, json_true());
		outlet_free(o, DELIVER_GONE);
		return;
	}
	client = registry_get(d->registry, KIND_CLIENT,
			      json_string_value(json_object_get(spec, "client")));
	if (client == NULL)
		return; /* it comes later in the same request, and its streams with it */
	if (stream_parse(id, spec, client, &s, &err) < 0) {
		log_error("deliver.stream.unusable", log_str("stream", id), log_why(&err));
		return;
	}
	json_object_del(d->gone, id); /* what is saved of it from now on counts */
	if (o != NULL)
		outlet_reconfigure(o, s);
	else if (outlet_new(d, s) == NULL)
		log_error("deliver.stream.nomem", log_str("stream", id));
}

static void on_resource(void *arg, enum kind kind, const char *id, const json_t *spec)
{
	struct deliver *d = arg;
	const char *stream;
	json_t *stream_spec;

	if (!registry_is_ready(d->registry))
		return;
	if (kind == KIND_STREAM)
		deliver_stream_changed(d, id, spec);
	if (kind != KIND_CLIENT || spec == NULL)
		return;
	/* a client's audience is that of its streams */
	json_object_foreach((json_t *)registry_all(d->registry, KIND_STREAM), stream, stream_spec) {
		const char *client = json_string_value(json_object_get(stream_spec, "client"));
		if (strcmp(client, id) == 0)
			deliver_stream_changed(d, stream, stream_spec);
	}
}

/* What is being sent may have been signed by a key that must not be used any more. */
static void on_key_gone(void *arg)
{
	struct deliver *d = arg;
	struct outlet *o;

	LIST_FOREACH(o, &d->outlets, link)
		push_again(o);
}

int deliver_new(struct loop *loop, const struct deliver_conf *conf, struct db *db,
		struct owner *owner, struct event_log *log, struct registry *registry, struct keys *keys,
		const struct master_key *master, struct http_client *client, struct deliver **out,
		struct ssf_err *err)
{
	struct deliver *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "delivery");
	*d = (struct deliver){ .loop = loop, .conf = *conf, .db = db, .owner = owner, .log = log,
			       .registry = registry, .keys = keys, .master = master,
			       .client = client };
	LIST_INIT(&d->outlets);
	LIST_INIT(&d->endpoints);
	TAILQ_INIT(&d->to_load);
	TAILQ_INIT(&d->loading);
	shards_init(d);
	d->index = stream_index_new();
	d->saving_units = json_array();
	d->saving_epochs = json_array();
	d->gone = json_object();
	d->tick = loop_tick_start(loop, conf->checkpoint_ms, on_tick, d);
	if (d->tick == NULL || d->index == NULL || d->saving_units == NULL || d->saving_epochs == NULL ||
	    d->gone == NULL) {
		deliver_free(d);
		return ssf_fail(err, SSF_E_NOMEM, "delivery");
	}
	registry_listen(registry, on_resource, d);
	event_log_listen(log, dispatch_head, d);
	keys_listen(keys, on_key_gone, d);
	*out = d;
	return 0;
}

void deliver_free(struct deliver *d)
{
	if (d == NULL)
		return;
	keys_listen(d->keys, NULL, NULL);
	d->draining = true;
	while (!LIST_EMPTY(&d->outlets))
		outlet_free(LIST_FIRST(&d->outlets), DELIVER_STOPPED);
	shards_stop(d);
	load_stop(d);
	json_decref(d->saving_units);
	json_decref(d->saving_epochs);
	json_decref(d->gone);
	stream_index_free(d->index);
	loop_defer_cancel(d->dispatch);
	free(d->found);
	db_cancel(d->checkpoint);
	loop_tick_cancel(d->tick);
	loop_timer_cancel(d->drain_deadline);
	free(d);
}

/* --- drain ----------------------------------------------------------------------------------------- */

static void drain_finish(struct deliver *d)
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
	drain_finish(d);
}

/* Finished when nothing is in flight and nothing is dirty, or the database is away. */
static void drain_step(struct deliver *d)
{
	const struct outlet *o;

	if (!d->draining || d->drained == NULL)
		return;
	LIST_FOREACH(o, &d->outlets, link) {
		if (o->in_flight > 0)
			return; /* push_kick comes back when it has ended */
	}
	deliver_checkpoint(d);
	if (d->checkpoint == NULL)
		drain_finish(d);
}

static void on_drain_tick(void *arg)
{
	drain_step(arg);
}

void deliver_drain(struct deliver *d, int64_t ms, loop_f *done, void *arg)
{
	struct outlet *o;

	d->draining = true;
	d->drained = done;
	d->drained_arg = arg;
	d->drain_deadline = loop_timer_start(d->loop, ms, on_drain_deadline, d);
	LIST_FOREACH(o, &d->outlets, link) {
		poll_stop(o);
		watch_end_all(o, DELIVER_STOPPED);
		outlet_mark(o);
	}
	loop_tick_cancel(d->tick);
	d->tick = loop_tick_start(d->loop, 20, on_drain_tick, d);
}

/* --- subjects -------------------------------------------------------------------------------------- */

int deliver_subject_before(struct deliver *d, const struct subject_change *ch, struct ssf_err *err)
{
	struct outlet *o = deliver_find(d, ch->stream);

	if (o == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	if (!ch->add || o->subjects == NULL)
		return 0;
	return subjects_add(o->subjects, ch->subject, err);
}

int deliver_subject_after(struct deliver *d, const struct subject_change *ch, struct ssf_err *err)
{
	struct outlet *o = deliver_find(d, ch->stream);

	if (o == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	if (o->subjects == NULL) {
		o->subjects_stale = true; /* what is being read may be from before */
		return 0;
	}
	/* added again, as it may have been loaded in between */
	if (ch->add)
		return subjects_add(o->subjects, ch->subject, err);
	return subjects_remove(o->subjects, ch->subject, ch->until, err);
}

/* --- upkeep ---------------------------------------------------------------------------------------- */

void deliver_lives(struct deliver *d, deliver_life_f *f, void *arg)
{
	struct outlet *o;

	LIST_FOREACH(o, &d->outlets, link) {
		int64_t heartbeat_s = o->stream->heartbeat_s;

		if (!o->loaded || o->stream->status != STREAM_ENABLED)
			continue;
		if (o->waiting_count > 0) /* a long poll is activity while it is held */
			outlet_active(o);
		struct deliver_life life = {
			.stream = o->stream->id,
			.inactivity_s = outlet_inactivity_s(o),
			.active_at_ms = o->active_at_ms,
			.heartbeat_s = heartbeat_s >= 0 ? heartbeat_s : d->conf.heartbeat_s,
			.heartbeat_at_ms = o->heartbeat_at_ms,
			.heartbeat_settled = outlet_is_settled(o, o->heartbeat_seq),
			.backlog_passed = backlog_passed(o),
		};
		f(arg, &life);
	}
}

void deliver_active(struct deliver *d, const char *stream)
{
	struct outlet *o = deliver_find(d, stream);

	if (o != NULL)
		outlet_active(o);
}

void deliver_active_at(struct deliver *d, const char *stream, int64_t at_ms)
{
	struct outlet *o = deliver_find(d, stream);

	if (o == NULL || at_ms <= o->active_at_ms)
		return;
	o->active_at_ms = at_ms;
	o->dirty = true;
}

void deliver_heartbeat(struct deliver *d, const char *stream, int64_t at_ms, int64_t seq)
{
	struct outlet *o = deliver_find(d, stream);

	if (o == NULL)
		return;
	o->heartbeat_at_ms = at_ms;
	o->heartbeat_seq = seq;
	o->dirty = true;
}

/* --- lag --------------------------------------------------------------------------------------------- */

/* What goes early is not: the window is full of what is older. */
static const struct entry *oldest(const struct outlet *o)
{
	const struct entry *e = TAILQ_FIRST(&o->entries);

	while (e != NULL && e->early)
		e = TAILQ_NEXT(e, link);
	return e;
}

/* What was not looked at may be for nobody: then it is looked at soon, and the age was a moment's. */
static int64_t oldest_age_ms(const struct outlet *o, int64_t now_ms)
{
	const struct entry *first = oldest(o);
	int64_t at_ms = first != NULL ? first->event->at_ms : event_log_next_at_ms(o->deliver->log, outlet_scan(o));

	if (at_ms == 0 || o->stream->status == STREAM_DISABLED || at_ms > now_ms)
		return 0;
	return now_ms - at_ms;
}

void deliver_lags(const struct deliver *d, deliver_lag_f *f, void *arg)
{
	int64_t now = wall_now_ms();
	const struct outlet *o;

	LIST_FOREACH(o, &d->outlets, link) {
		struct deliver_lag lag = {
			.stream = o->stream->id,
			.method = o->stream->method,
			.status = o->stream->status,
			.failing = o->failures > 0,
			.in_flight = o->in_flight,
			.waiting_retries = o->waiting_retries,
			.waiting_polls = o->waiting_count,
			.waiting_events = backlog_count(o),
			.dead_letters = o->dead_letters,
			.unread_seqs = o->loaded ? event_log_count(d->log, outlet_scan(o)) : 0,
			.age_ms = o->loaded ? oldest_age_ms(o, now) : 0,
		};
		f(arg, &lag);
	}
}

/* --- status ------------------------------------------------------------------------------------------ */

/* NULL: never */
static json_t *time_json(int64_t ms)
{
	char text[SSF_TIMESTAMP_LEN];

	ssf_timestamp_text(ms, text);
	return ms != 0 ? json_string(text) : NULL;
}

static json_t *outlet_report(const struct outlet *o)
{
	const struct deliver *d = o->deliver;
	const struct entry *first = oldest(o);
	int64_t limit = backlog_limit(o);
	int64_t oldest_ms = first != NULL ? first->event->at_ms : 0;
	int64_t end_ms = oldest_ms != 0 && d->conf.retention_ms > 0 ? oldest_ms + d->conf.retention_ms : 0;

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o*, s:I, s:o*, s:b, s:s*, s:o*, s:o*, s:o*}",
		"id", o->stream->id, "client", o->stream->client, "method",
		o->stream->method == STREAM_PUSH ? "push" : "poll", "status",
		stream_status_name(o->stream->status), "cursor", (json_int_t)outlet_cursor(o),
		"waiting_events", (json_int_t)outlet_backlog(o), "unread_seqs",
		(json_int_t)event_log_count(d->log, outlet_scan(o)), "backlog", (json_int_t)backlog_count(o),
		"oldest_age_s", (json_int_t)(oldest_ms != 0 ? (wall_now_ms() - oldest_ms) / 1000 : 0),
		"retention_end", time_json(end_ms), "dead_letters", (json_int_t)o->dead_letters,
		"backlog_limit", limit > 0 ? json_integer(limit) : NULL, "healthy", o->failures == 0, "circuit",
		o->endpoint != NULL ? circuit_name(endpoint_circuit(o->endpoint)) : NULL, "last_success_at",
		time_json(o->success_at_ms), "last_error_at", time_json(o->error_at_ms), "last_error",
		o->error_at_ms != 0 ? json_string(o->error) : NULL);
}

json_t *deliver_stream_status(const struct deliver *d, const char *stream)
{
	const struct outlet *o = deliver_find(d, stream);

	return o != NULL ? outlet_report(o) : NULL;
}

json_t *deliver_status(const struct deliver *d)
{
	json_t *list = json_array();
	const struct outlet *o;

	LIST_FOREACH(o, &d->outlets, link)
		json_array_append_new(list, outlet_report(o));
	return list;
}
