/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the window of a stream. An entry leaves it only when it is settled. */
#include "hub/deliver/deliver_priv.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_MAX 64
#define CODE_MAX 64
#define ACTIVE_SLACK_MIN_MS 1000
#define ACTIVE_SLACK_MAX_MS 60000

static bool is_push(const struct outlet *o)
{
	return o->stream->method == STREAM_PUSH;
}

/* Which is in no lane any more. */
static void entry_free(struct outlet *o, struct entry *e)
{
	if (o->first == e)
		o->first = TAILQ_NEXT(e, link);
	TAILQ_REMOVE(&o->entries, e, link);
	o->entry_count--;
	o->settled_count -= e->settled;
	o->owed_entries -= e->owed;
	o->early_entries -= e->early;
	event_free(e->event);
	free(e);
}

/* Settled entries at the front need not be remembered: the cursor passes them. */
static void trim(struct outlet *o)
{
	while (o->first != NULL && o->first->settled)
		entry_free(o, o->first);
}

int64_t outlet_scan(const struct outlet *o)
{
	return o->live && o->deliver->live > o->scan ? o->deliver->live : o->scan;
}

int64_t outlet_cursor(const struct outlet *o)
{
	return o->first != NULL ? o->first->event->seq - 1 : outlet_scan(o);
}

size_t outlet_backlog(const struct outlet *o)
{
	return o->entry_count - o->settled_count;
}

bool outlet_may_send(const struct outlet *o, const struct entry *e)
{
	return !e->settled && !e->burying &&
	       (o->stream->status == STREAM_ENABLED || stream_is_control(e->event));
}

struct entry *outlet_find(struct outlet *o, int64_t seq)
{
	struct entry *e;

	TAILQ_FOREACH(e, &o->entries, link) {
		if (e->event->seq == seq)
			return e->settled ? NULL : e;
	}
	return NULL;
}

/* Remembers an event that the window has not come to as settled; without memory it comes again. */
static void ack(struct outlet *o, int64_t seq)
{
	struct range *grown = realloc(o->acked, (o->acked_count + 1) * sizeof(*grown));

	if (grown == NULL)
		return;
	o->acked = grown;
	o->acked[o->acked_count++] = (struct range){ seq, seq + 1 };
}

void outlet_settle(struct outlet *o, struct entry *e, bool delivered)
{
	int64_t seq = e->event->seq;

	if (is_push(o))
		lanes_remove(&o->lanes, e);
	e->settled = true;
	o->settled_count++;
	o->dirty = true;
	if (delivered) {
		o->delivered++;
		o->success_at_ms = wall_now_ms();
		o->failures = 0;
		metric_observe_of(delivery_seconds, is_push(o) ? LABEL_method_push : LABEL_method_poll,
				  (o->success_at_ms - e->event->at_ms) * 1000);
	}
	if (e->early) {
		ack(o, seq);
		backlog_taken(o, e->event);
	} else if (e->owed) {
		owed_settled(o, seq, delivered);
	}
	if (e->owed)
		entry_free(o, e);
	trim(o);
	backlog_settled(o);
	watch_settled(o, seq, delivered);
	outlet_fill(o);
}

void outlet_refusal(const json_t *error, char out[OUTLET_REASON_MAX])
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *code = json_string_value(json_object_get(error, "err"));
	size_t len = code != NULL ? strlen(code) : 0;
	bool known = len > 0 && len <= CODE_MAX && strspn(code, chars) == len;

	/* the rest of what a receiver says may be anything: our own header, half a character */
	snprintf(out, OUTLET_REASON_MAX, "refused: %s", known ? code : "without a proper err");
}

void outlet_error(struct outlet *o, const char *what)
{
	o->dirty = true;
	o->error_at_ms = wall_now_ms();
	snprintf(o->error, sizeof(o->error), "%s", what);
	o->error[ssf_utf8_prefix(ssf_str_c(o->error))] = '\0'; /* half a character is no JSON */
}

/* --- activity ------------------------------------------------------------------------------------- */

int64_t outlet_inactivity_s(const struct outlet *o)
{
	return o->stream->inactivity_s >= 0 ? o->stream->inactivity_s : o->deliver->conf.inactivity_s;
}

/*
 * How far what is stored of activity may be behind, so that polls do not make a write each. Also
 * without a timeout: it may be set at the next start.
 */
static int64_t active_slack_ms(const struct outlet *o)
{
	int64_t slack = outlet_inactivity_s(o) * 1000 / 10;

	if (slack == 0 || slack > ACTIVE_SLACK_MAX_MS)
		return ACTIVE_SLACK_MAX_MS;
	return slack > ACTIVE_SLACK_MIN_MS ? slack : ACTIVE_SLACK_MIN_MS;
}

void outlet_active(struct outlet *o)
{
	int64_t now = wall_now_ms();

	if (now > o->active_at_ms)
		o->active_at_ms = now;
	if (o->active_at_ms - o->active_saved_ms >= active_slack_ms(o))
		o->dirty = true;
}

/* --- dead letters ------------------------------------------------------------------------------ */

struct burial {
	struct deliver *deliver;
	char *stream;
	int64_t epoch;
	int64_t rewound;
	int64_t seq;
	enum label_burial label;
};

static enum label_burial burial_label(const char *reason)
{
	static const struct {
		const char *prefix;
		enum label_burial label;
	} labels[] = {
		{ "refused", LABEL_burial_refused },
		{ "expired", LABEL_burial_expired },
		{ OUTLET_GONE, LABEL_burial_gone },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(labels); i++) {
		if (ssf_str_has_prefix(ssf_str_c(reason), labels[i].prefix))
			return labels[i].label;
	}
	return LABEL_burial_disabled;
}

static void burial_free(struct burial *b)
{
	if (b != NULL)
		free(b->stream);
	free(b);
}

/* It is no dead letter: the tick tries again. */
static void burial_failed(struct outlet *o, struct entry *e, int64_t seq)
{
	if (e == NULL) {
		owed_let_go(o, seq);
		return;
	}
	e->burying = false;
	if (is_push(o) && e->delivery == NULL && !e->ready)
		lanes_give_back(&o->lanes, e);
}

static void burial_done(struct outlet *o, struct entry *e, int64_t seq)
{
	if (e == NULL) {
		owed_settled(o, seq, false);
		owed_fill(o);
		return;
	}
	e->burying = false;
	push_cancel(e); /* of a window that was read anew */
	outlet_settle(o, e, false);
	push_kick(o);
}

/* The stream may be gone, or its window may have been read anew, since the burial began. */
static void on_buried(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct burial *b = arg;
	struct outlet *o;

	if (err != NULL)
		log_warn("deliver.deadletter.failed", log_str("stream", b->stream), log_why(err));
	if (err != NULL && err->code == SSF_E_CONFLICT)
		owner_refused(b->deliver->owner, owner_shard(b->stream), b->epoch);
	o = deliver_find(b->deliver, b->stream);
	if (o != NULL && o->rewound == b->rewound) {
		struct entry *e = outlet_find(o, b->seq);
		bool current = err == NULL && db_text(r, 0, 0)[0] == 't';
		if (current) {
			metric_add_of(dead_letters, b->label, 1);
			o->dead_letters += db_text(r, 0, 1)[0] == 't';
			burial_done(o, e, b->seq);
		} else {
			burial_failed(o, e, b->seq);
		}
		if (err == NULL && !current)
			outlet_reload(o); /* it was rewound, and we did not know yet */
	}
	shards_kick(b->deliver);
	burial_free(b);
}

bool outlet_bury_seq(struct outlet *o, int64_t seq, const char *txn, const char *reason)
{
	char jti[KEYS_JTI_LEN], epoch[24], seq_text[24], rewound[24];
	const char *params[] = { owner_id(o->deliver->owner), epoch, o->stream->id, rewound, seq_text, jti,
				 reason };
	struct burial *b = calloc(1, sizeof(*b));
	struct ssf_err err;

	if (b == NULL || (b->stream = strdup(o->stream->id)) == NULL) {
		burial_free(b);
		return false;
	}
	b->deliver = o->deliver;
	b->epoch = owner_epoch(o->deliver->owner, o->shard);
	b->rewound = o->rewound;
	b->seq = seq;
	b->label = burial_label(reason);
	keys_jti(o->deliver->keys, seq, o->stream->audience, jti);
	snprintf(epoch, sizeof(epoch), "%lld", (long long)b->epoch);
	snprintf(seq_text, sizeof(seq_text), "%lld", (long long)seq);
	snprintf(rewound, sizeof(rewound), "%lld", (long long)o->rewound);
	if (db_exec(o->deliver->db, STMT_bury_event, params, on_buried, b, NULL, &err) < 0) {
		log_warn("deliver.deadletter.failed", log_str("stream", o->stream->id), log_why(&err));
		burial_free(b);
		return false;
	}
	log_warn("deliver.deadletter", log_str("stream", o->stream->id), log_str("jti", jti),
		 log_str("txn", txn), log_str("reason", reason));
	return true;
}

bool outlet_bury(struct outlet *o, struct entry *e, const char *reason)
{
	if (!e->burying)
		e->burying = outlet_bury_seq(o, e->event->seq, e->event->txn, reason);
	return e->burying;
}

/* --- reading on --------------------------------------------------------------------------------- */

bool outlet_was_acked(const struct outlet *o, int64_t seq)
{
	for (size_t i = 0; i < o->acked_count; i++) {
		if (seq >= o->acked[i].from && seq < o->acked[i].to)
			return true;
	}
	return false;
}

bool outlet_is_settled(const struct outlet *o, int64_t seq)
{
	const struct entry *e;

	if (!o->loaded)
		return false;
	TAILQ_FOREACH(e, &o->entries, link) {
		if (e->event->seq == seq)
			return e->settled;
	}
	return seq <= outlet_scan(o) || outlet_was_acked(o, seq);
}

/* The stream's own subject is always in it; without memory to look, better too much than too little. */
static bool wants_subject(struct outlet *o, const struct event *e)
{
	bool wanted = true;

	if (subjects_wants(o->subjects, e->sub_id, wall_now_ms() / 1000, &wanted, NULL) < 0)
		return true;
	return wanted;
}

/* A disabled stream drops what comes, but for the news that it is disabled. */
static bool wants(struct outlet *o, const struct event *e)
{
	if (!stream_wants(o->stream, e))
		return false;
	return stream_is_control(e) || (o->stream->status != STREAM_DISABLED && wants_subject(o, e));
}

/*
 * Remembers as settled what a disabled stream drops: the cursor may be held back by a control event,
 * and what is behind it is read again when the stream is enabled.
 */
static void drop_event(struct outlet *o, const struct event *e)
{
	struct range *last = o->acked_count > 0 ? &o->acked[o->acked_count - 1] : NULL;

	if (last != NULL && last->to == o->scan + 1)
		last->to = e->seq + 1;
	else
		ack(o, e->seq);
}

/* From now on it holds the cursor back. False: it has not gone early. */
static bool join_window(struct outlet *o, const struct event *event)
{
	struct entry *e = o->early_entries > 0 ? TAILQ_FIRST(&o->entries) : NULL;

	while (e != NULL && e != o->first && e->event->seq != event->seq)
		e = TAILQ_NEXT(e, link);
	if (e == NULL || e == o->first || !e->early)
		return false;
	TAILQ_REMOVE(&o->entries, e, link);
	TAILQ_INSERT_TAIL(&o->entries, e, link);
	if (o->first == NULL)
		o->first = e;
	e->owed = e->early = false;
	o->owed_entries--;
	o->early_entries--;
	backlog_taken(o, event);
	return true;
}

static int take_event(struct outlet *o, struct event *event)
{
	struct entry *e;

	if (join_window(o, event))
		return 0;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -1;
	e->event = event;
	/* kept though settled: the next checkpoint has to name it until the cursor is past it */
	e->settled = outlet_was_acked(o, event->seq) || owed_has(o, event->seq);
	if (!e->settled && is_push(o) && lanes_add(&o->lanes, e) < 0) {
		free(e);
		return -1;
	}
	event_ref(event);
	TAILQ_INSERT_TAIL(&o->entries, e, link);
	if (o->first == NULL)
		o->first = e;
	o->entry_count++;
	o->settled_count += e->settled;
	if (!e->settled)
		backlog_taken(o, event);
	return 0;
}

static int take_beside(struct outlet *o, struct event *event, bool early)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -1;
	e->event = event;
	e->owed = true;
	e->early = early;
	if (is_push(o) && lanes_add(&o->lanes, e) < 0) {
		free(e);
		return -1;
	}
	event_ref(event);
	if (o->first != NULL)
		TAILQ_INSERT_BEFORE(o->first, e, link);
	else
		TAILQ_INSERT_TAIL(&o->entries, e, link);
	o->entry_count++;
	o->owed_entries++;
	o->early_entries += early;
	return 0;
}

int outlet_take_owed(struct outlet *o, struct event *event)
{
	return take_beside(o, event, false);
}

int outlet_take_early(struct outlet *o, struct event *event)
{
	return take_beside(o, event, true);
}

/* A paused stream has to find the control events behind what it holds. */
static bool has_room(const struct outlet *o)
{
	return o->entry_count - o->early_entries < OUTLET_SPAN &&
	       (o->stream->status != STREAM_ENABLED || outlet_backlog(o) < OUTLET_WINDOW);
}

/* --- new events ----------------------------------------------------------------------------------- */

void outlet_behind(struct outlet *o, int64_t scan)
{
	o->live = false;
	o->scan = scan;
}

/* Of a disabled stream that still holds news, all that it drops has to be seen: drop_event(). */
static bool may_be_live(const struct outlet *o)
{
	return o->indexed && (o->stream->status != STREAM_DISABLED || o->entry_count == 0);
}

void outlet_offer(struct outlet *o, struct event *e)
{
	if (!o->loaded || o->subjects == NULL || e->seq <= o->scan || !wants(o, e))
		return;
	if (o->live && (!has_room(o) || take_event(o, e) < 0))
		outlet_behind(o, e->seq - 1);
	if (!o->live) {
		backlog_offered(o, e);
		if (stream_is_control(e))
			early_offered(o);
		return;
	}
	o->scan = e->seq;
	o->dirty = true;
	if (!may_be_live(o))
		outlet_behind(o, e->seq);
	push_kick(o);
	poll_wake(o);
}

static void on_events(void *arg, struct event *const *events, size_t count,
		      const struct ssf_err *err)
{
	struct outlet *o = arg;

	o->read = NULL;
	if (err != NULL) {
		log_warn("deliver.read.failed", log_str("stream", o->stream->id), log_why(err));
		return; /* the tick tries again */
	}
	for (size_t i = 0; i < count; i++) {
		if (wants(o, events[i])) {
			if (take_event(o, events[i]) < 0)
				break; /* no memory: the tick reads on from here */
		} else if (o->stream->status == STREAM_DISABLED) {
			drop_event(o, events[i]);
		}
		o->scan = events[i]->seq;
		o->dirty = true;
	}
	trim(o);
	push_kick(o);
	poll_wake(o);
	outlet_fill(o);
}

static void load_subjects(struct outlet *o);

void outlet_fill(struct outlet *o)
{
	struct deliver *d = o->deliver;

	if (o->loaded)
		load_subjects(o);
	owed_fill(o);
	if (!o->loaded || o->subjects == NULL || o->read != NULL || d->draining || o->live || !d->started ||
	    d->shards[o->shard].yielding)
		return;
	if (o->scan >= d->live && may_be_live(o)) {
		o->live = true;
		backlog_up_to_date(o);
		return;
	}
	if (o->scan >= event_log_head(d->log))
		return;
	if (!has_room(o)) {
		early_fill(o);
		return;
	}
	if (event_log_read(d->log, o->scan, READ_MAX, on_events, o, &o->read, NULL) < 0)
		o->read = NULL; /* the tick tries again */
}

/* --- life ------------------------------------------------------------------------------------------ */

/* "{[7,9),[12,13)}", as PostgreSQL prints an int8multirange. */
static void parse_acked(struct outlet *o, const char *text)
{
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++)
		n += *p == '[';
	o->acked = n > 0 ? calloc(n, sizeof(*o->acked)) : NULL;
	if (o->acked == NULL)
		return; /* then some are sent again */
	for (const char *p = strchr(text, '['); p != NULL; p = strchr(p, '[')) {
		char *end;
		struct range *r = &o->acked[o->acked_count++];
		r->from = strtoll(p + 1, &end, 10);
		r->to = strtoll(end + 1, &end, 10);
		p = end;
	}
}

static void load_health(struct outlet *o, const struct db_result *r, size_t row)
{
	const char *error = db_text(r, row, 7);

	o->delivered = db_int(r, row, 4);
	o->success_at_ms = db_int(r, row, 5);
	o->error_at_ms = db_int(r, row, 6);
	snprintf(o->error, sizeof(o->error), "%s", error != NULL ? error : "");
	o->failures = db_text(r, row, 12)[0] == 't';
}

/* What may have been lost of activity is the stream's. */
static void load_upkeep(struct outlet *o, const struct db_result *r, size_t row)
{
	int64_t active = db_int(r, row, 8) + active_slack_ms(o), now = wall_now_ms();

	active = active < now ? active : now;
	if (active > o->active_at_ms)
		o->active_at_ms = o->active_saved_ms = active;
	o->heartbeat_at_ms = db_int(r, row, 9);
	o->heartbeat_seq = db_int(r, row, 10);
}

static void begin_subjects(struct outlet *o, struct subjects *s);

void outlet_loaded(struct outlet *o, const struct db_result *r, size_t row)
{
	o->rewound = db_int(r, row, 1);
	o->scan = o->saved_scan = db_int(r, row, 2);
	parse_acked(o, db_text(r, row, 3));
	owed_loaded(o, db_text(r, row, 11));
	o->behind = o->backlog_saved = db_int(r, row, 13);
	o->dead_letters = db_int(r, row, 15);
	o->again_at_ms = db_int(r, row, 16);
	if (!o->known) {
		load_health(o, r, row);
		load_upkeep(o, r, row);
		o->backlog_base = db_int(r, row, 14);
	}
	o->loaded = o->known = true;
	/* most streams have none: nothing need be read for those */
	if (o->subjects == NULL && !o->subjects_stale && db_text(r, row, 17)[0] == 'f')
		begin_subjects(o, subjects_new(o->stream->all_subjects, SUBJECTS_MAX));
	outlet_fill(o);
	poll_loaded(o);
}

/* One row of what was added and removed. */
static int take_subject(const struct outlet *o, struct subjects *s, const json_t *subject, bool wanted,
			int64_t until, struct ssf_err *err)
{
	if (wanted)
		return subjects_add(s, subject, err);
	if (!o->stream->all_subjects && until > wall_now_ms() / 1000 && subjects_add(s, subject, err) < 0)
		return -1; /* it has to be there to be removed later */
	return subjects_remove(s, subject, until, err);
}

/* s NULL: no memory, the tick tries again. */
static void begin_subjects(struct outlet *o, struct subjects *s)
{
	o->subjects = s;
	if (s != NULL && !o->stream->all_subjects)
		subjects_index(s, o->deliver->index, o);
}

static void on_subjects(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct outlet *o = arg;
	struct subjects *s = err == NULL ? subjects_new(o->stream->all_subjects, SUBJECTS_MAX) : NULL;
	struct ssf_err why;

	o->load_subjects = NULL;
	if (s == NULL || o->subjects_stale) {
		o->subjects_stale = false;
		subjects_free(s);
		return; /* the tick tries again */
	}
	begin_subjects(o, s);
	for (size_t row = 0; row < db_rows(r); row++) {
		json_auto_t *subject = db_json(r, row, 0);
		if (subject == NULL || take_subject(o, s, subject, db_text(r, row, 1)[0] == 't',
						    db_int(r, row, 2), &why) < 0)
			log_error("deliver.subject.unusable", log_str("stream", o->stream->id));
	}
	outlet_fill(o);
}

static void load_subjects(struct outlet *o)
{
	const char *params[] = { o->stream->id };

	if (o->subjects != NULL || o->load_subjects != NULL)
		return;
	if (db_exec(o->deliver->db, STMT_stream_subjects, params, on_subjects, o, &o->load_subjects,
		    NULL) < 0)
		o->load_subjects = NULL; /* the tick tries again */
}

/* What goes by its stream as it is now. */
static int set_up(struct outlet *o)
{
	struct ssf_err err;

	push_start(o);
	o->indexed = stream_index_add(o->deliver->index, o->stream, o, &err) == 0;
	return is_push(o) && endpoint_join(o) < 0 ? -1 : o->indexed ? 0 : -1;
}

static void take_down(struct outlet *o)
{
	if (o->indexed)
		stream_index_remove(o->deliver->index, o->stream, o);
	o->indexed = false;
	endpoint_leave(o);
}

struct outlet *outlet_new(struct deliver *d, struct stream *s)
{
	struct outlet *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		stream_free(s);
		return NULL;
	}
	o->deliver = d;
	o->stream = s;
	o->shard = owner_shard(s->id);
	lanes_init(&o->lanes);
	TAILQ_INIT(&o->entries);
	TAILQ_INIT(&o->waiting);
	LIST_INIT(&o->watches);
	LIST_INSERT_HEAD(&d->outlets, o, link);
	LIST_INSERT_HEAD(&d->shards[o->shard].outlets, o, shard_link);
	if (set_up(o) < 0) {
		outlet_free(o, DELIVER_STOPPED);
		return NULL;
	}
	load_soon(o);
	return o;
}

static void drop_entries(struct outlet *o)
{
	lanes_clear(&o->lanes);
	while (!TAILQ_EMPTY(&o->entries))
		entry_free(o, TAILQ_FIRST(&o->entries));
}

/* Everything under way stops here: after this nothing more is sent for the old settings. */
static void stop(struct outlet *o)
{
	push_stop(o);
	poll_stop(o);
	owed_stop(o);
	early_stop(o);
	event_log_cancel(o->read);
	o->read = NULL;
}

void outlet_reload(struct outlet *o)
{
	stop(o);
	outlet_behind(o, o->scan);
	drop_entries(o);
	owed_done(o);
	free(o->acked);
	o->acked = NULL;
	o->acked_count = 0;
	o->loaded = o->dirty = false;
	load_soon(o);
}

void outlet_reconfigure(struct outlet *o, struct stream *s)
{
	int64_t cursor = outlet_cursor(o);
	bool was_enabled = o->stream->status == STREAM_ENABLED;
	bool moved = !json_equal(json_object_get(o->stream->spec, "delivery"),
				 json_object_get(s->spec, "delivery"));
	struct entry *e;

	stop(o);
	take_down(o);
	backlog_again(o);
	outlet_behind(o, cursor);
	/* what matches may be other events now: read on from the cursor again, minus what is settled */
	if (o->loaded) {
		struct range *acked = calloc(o->acked_count + o->entry_count + 1, sizeof(*acked));
		size_t n = 0;
		for (size_t i = 0; acked != NULL && i < o->acked_count; i++) {
			if (o->acked[i].to > cursor + 1)
				acked[n++] = o->acked[i];
		}
		TAILQ_FOREACH(e, &o->entries, link) {
			if (acked != NULL && e->settled && !outlet_was_acked(o, e->event->seq))
				acked[n++] = (struct range){ e->event->seq, e->event->seq + 1 };
		}
		free(o->acked);
		o->acked = acked;
		o->acked_count = n;
		o->dirty = true;
	}
	drop_entries(o);
	if (o->stream->all_subjects != s->all_subjects) { /* what differs from the default is something else now */
		db_cancel(o->load_subjects);
		o->load_subjects = NULL;
		subjects_free(o->subjects);
		o->subjects = NULL;
	}
	if (!json_equal(o->stream->spec, s->spec)) /* as stmt.def's stream_positions sees it after a restart */
		outlet_active(o);
	stream_free(o->stream);
	o->stream = s;
	if (s->status == STREAM_ENABLED && !was_enabled)
		backlog_enabled(o);
	if (moved)
		o->failures = 0; /* of another receiver; the same one still fails, though it is paused now */
	o->not_before = 0;
	if (set_up(o) < 0) /* without the index it reads for itself, without an endpoint it waits */
		log_error("deliver.stream.nomem", log_str("stream", s->id));
	outlet_fill(o);
}

void outlet_free(struct outlet *o, enum deliver_fate fate)
{
	if (o == NULL)
		return;
	stop(o);
	watch_end_all(o, fate);
	load_forget(o);
	owed_done(o);
	db_cancel(o->load_subjects);
	subjects_free(o->subjects);
	loop_defer_cancel(o->push);
	loop_defer_cancel(o->wake);
	drop_entries(o);
	lanes_done(&o->lanes);
	take_down(o);
	LIST_REMOVE(o, link);
	LIST_REMOVE(o, shard_link);
	stream_free(o->stream);
	free(o->acked);
	free(o);
}
