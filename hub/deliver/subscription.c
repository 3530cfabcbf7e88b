/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the window and everything that fills it. An entry leaves the window only when it is settled, or with the whole
 * window, when that is read again.
 */
#include "hub/deliver/subscription.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>

#define READ_MAX 64
#define STALE_SEQS 8192 /* how far the stored cursor of a stream that nothing concerns may be behind */

static void retry_later(struct subscription *s)
{
	work_list_push(&s->deps->lists->retry, &s->nodes.retry, s);
}

static void mark_dirty(struct subscription *s)
{
	if (s->position_known)
		work_list_push(&s->deps->lists->unsaved, &s->nodes.unsaved, s);
}

/* Being due too early is harmless: it is looked at then. So activity, which moves the time on, costs nothing here. */
void subscription_schedule_activity(struct subscription *s)
{
	int64_t due_ms = subscription_due_ms(s, wall_now_ms());

	if (s->nodes.overdue.list != NULL || (s->nodes.activity.place != 0 && s->nodes.activity.at_ms <= due_ms))
		return;
	if (due_queue_set(&s->deps->lists->activity, &s->nodes.activity, due_ms, s) < 0)
		retry_later(s);
}

static bool is_enabled(const struct subscription *s)
{
	return s->stream->status == STREAM_ENABLED;
}

static bool is_disabled(const struct subscription *s)
{
	return s->stream->status == STREAM_DISABLED;
}

static void wake(struct subscription *s)
{
	if (s->sender != NULL)
		s->sender->ops->wake(s->sender);
}

/* --- counts ----------------------------------------------------------------------------------- */

static int64_t in_window(const struct subscription *s)
{
	return (int64_t)(window_open_count(&s->window) - s->window.ahead_count);
}

int64_t subscription_backlog(const struct subscription *s)
{
	return backlog_count(&s->backlog, in_window(s)) + (int64_t)s->redelivery.set.count;
}

int64_t subscription_backlog_to_save(const struct subscription *s)
{
	return backlog_count(&s->backlog, in_window(s));
}

int64_t subscription_backlog_limit(const struct subscription *s)
{
	return s->stream->backlog_limit >= 0 ? s->stream->backlog_limit : s->deps->conf.backlog_limit;
}

bool subscription_backlog_is_exceeded(const struct subscription *s)
{
	return is_enabled(s) && s->position_known &&
	       backlog_is_exceeded(&s->backlog, subscription_backlog(s), subscription_backlog_limit(s));
}

int64_t subscription_inactivity_s(const struct subscription *s)
{
	return s->stream->inactivity_s >= 0 ? s->stream->inactivity_s : s->deps->conf.inactivity_s;
}

int64_t subscription_heartbeat_s(const struct subscription *s)
{
	return s->stream->heartbeat_s >= 0 ? s->stream->heartbeat_s : s->deps->conf.heartbeat_s;
}

int64_t subscription_due_ms(const struct subscription *s, int64_t now_ms)
{
	if (!s->position_known || !is_enabled(s))
		return DUE_NEVER;
	if (subscription_backlog_is_exceeded(s))
		return 0;
	return activity_due_ms(&s->report.activity, subscription_heartbeat_s(s), subscription_inactivity_s(s),
			       now_ms);
}

/* --- settling --------------------------------------------------------------------------------- */

static void remove_from_sender(struct subscription *s, struct window_entry *e)
{
	if (s->sender != NULL)
		s->sender->ops->remove(s->sender, e);
}

/* The receiver has the event, or it is a dead letter. e is gone afterwards. */
static void settle(struct subscription *s, struct window_entry *e, bool delivered)
{
	int64_t seq = e->event->seq, now = wall_now_ms();

	remove_from_sender(s, e);
	if (delivered) {
		delivery_health_success(&s->report.health, now);
		metric_observe_of(delivery_seconds,
				  s->stream->method == STREAM_PUSH ? LABEL_method_push : LABEL_method_poll,
				  (now - e->event->at_ms) * 1000);
	}
	if (e->place == WINDOW_REDELIVERY)
		redelivery_feed_settle(&s->redelivery, seq, delivered);
	else if (e->place == WINDOW_CONTROL)
		backlog_read(&s->backlog, seq <= s->deps->dispatched->done);
	window_settle(&s->window, e);
	backlog_reduced(&s->backlog, subscription_backlog(s), subscription_backlog_limit(s));
	mark_dirty(s);
	delivery_waiters_settled(&s->report.waiters, seq, delivered ? DELIVERY_ACKNOWLEDGED : DELIVERY_DEAD_LETTERED);
	subscription_advance(s);
}

/*
 * A dead letter of an event that has no entry: a redelivery that the log does not have any more; or the window was read
 * again since, and may not have come to it.
 */
static void on_dead_letter_without_entry(struct subscription *s, int64_t seq, bool written)
{
	if (redelivery_has(&s->redelivery.set, seq)) {
		if (written)
			redelivery_feed_settle(&s->redelivery, seq, false);
		else
			redelivery_release(&s->redelivery.set, seq);
	} else if (written) {
		window_settle_seq(&s->window, seq);
		mark_dirty(s);
	}
	if (!written)
		retry_later(s);
	subscription_advance(s);
}

static void on_dead_letter(void *arg, const struct dead_letter_result *r)
{
	struct subscription *s = arg;
	bool current = r->rewound == s->rewound && s->position_known;
	bool written = r->outcome == DEAD_LETTER_WRITTEN && current;
	struct window_entry *e = window_find(&s->window, r->seq);

	s->dead_letters += written && r->added;
	if (e == NULL && current) {
		on_dead_letter_without_entry(s, r->seq, written);
	} else if (e != NULL && written) {
		settle(s, e, false);
		wake(s);
	} else if (e != NULL && e->dead_letter_pending) {
		e->dead_letter_pending = false;
		if (s->sender != NULL)
			s->sender->ops->give_back(s->sender, e);
		wake(s);
	}
	if (r->outcome == DEAD_LETTER_STALE && current)
		subscription_reload(s); /* it was rewound, which is not known here yet */
	s->deps->idle(s->deps->arg);
}

static int give_up(struct subscription *s, int64_t seq, const char *txn, const char *reason)
{
	const struct dead_letter_spec spec = { .stream = s->id, .shard = s->shard, .audience = s->stream->audience,
					       .rewound = s->rewound, .seq = seq, .txn = txn, .reason = reason };

	return dead_letter_write(&s->deps->dead_letters, &spec, &s->giving_up, on_dead_letter, s);
}

/* --- events in -------------------------------------------------------------------------------- */

/* A disabled stream drops what comes, but for the news that it is disabled. */
static bool wants(struct subscription *s, const struct event *e)
{
	if (!stream_wants(s->stream, e))
		return false;
	return e->control || (!is_disabled(s) && subject_filter_wants(&s->filter, e));
}

static void open_entry(struct subscription *s, struct window_entry *e)
{
	e->dead_letter_pending = dead_letter_is_pending(&s->giving_up, e->event->seq);
	if (s->sender != NULL)
		s->sender->ops->add(s->sender, e);
}

/* -1: out of memory. */
static int take(struct subscription *s, struct event *e)
{
	struct window_entry *entry;
	/* a redelivery is settled for the window, also where a crash has left the cursor below it */
	enum window_offered offered = window_offer(&s->window, e, redelivery_has(&s->redelivery.set, e->seq), &entry);

	if (offered == WINDOW_NO_MEMORY)
		return -1;
	if (offered == WINDOW_OPENED)
		open_entry(s, entry);
	if (offered != WINDOW_SETTLED)
		backlog_read(&s->backlog, e->seq <= s->deps->dispatched->done);
	return 0;
}

static int take_ahead(struct subscription *s, struct event *e, enum window_place place)
{
	struct window_entry *entry = window_add_ahead(&s->window, e, place);

	if (entry == NULL)
		return -1;
	open_entry(s, entry);
	return 0;
}

/* A paused stream has to find the control events behind what it holds. */
static bool has_room(const struct subscription *s)
{
	return window_has_room(&s->window, !is_enabled(s));
}

/* A disabled stream that still holds a control event has to see all that it drops: window_drop(). */
static bool may_be_live(const struct subscription *s)
{
	return s->indexed && !s->stopping && (!is_disabled(s) || window_open_count(&s->window) == 0);
}

void subscription_lag(struct subscription *s)
{
	window_lag(&s->window);
	if (s->state == SUBSCRIPTION_LIVE)
		s->state = SUBSCRIPTION_CATCHING_UP;
}

/* Of an event that the window has not taken. */
static void offer_behind(struct subscription *s, struct event *e)
{
	backlog_offered(&s->backlog, e->seq);
	if (backlog_is_stale(&s->backlog, in_window(s), subscription_backlog_limit(s)))
		mark_dirty(s);
	if (subscription_backlog_is_exceeded(s))
		subscription_schedule_activity(s);
	if (e->control)
		control_events_offered(&s->control);
	subscription_advance(s);
}

void subscription_offer(struct subscription *s, struct event *e)
{
	if (s->state == SUBSCRIPTION_LOADING || e->seq <= s->window.read_position || !wants(s, e))
		return;
	if (s->state == SUBSCRIPTION_LIVE && (!has_room(s) || take(s, e) < 0)) {
		if (has_room(s))
			retry_later(s); /* there was no memory */
		subscription_lag(s);
	}
	if (s->state != SUBSCRIPTION_LIVE) {
		offer_behind(s, e);
		return;
	}
	if (subscription_backlog_is_exceeded(s))
		subscription_schedule_activity(s);
	wake(s);
	if (!may_be_live(s)) {
		subscription_lag(s);
		subscription_advance(s);
	}
}

static void on_events(void *arg, struct event *const *events, size_t count, const struct ssf_err *err)
{
	struct subscription *s = arg;

	s->read = NULL;
	if (err != NULL) {
		log_warn("deliver.read.failed", log_str("stream", s->id), log_why(err));
		retry_later(s);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (wants(s, events[i])) {
			if (take(s, events[i]) < 0) {
				retry_later(s); /* from here */
				break;
			}
		} else if (is_disabled(s)) {
			/* the cursor may be held back by a control event, and be read from when the stream is enabled */
			window_drop(&s->window, events[i]->seq);
		} else {
			window_pass(&s->window, events[i]->seq);
		}
	}
	if (count > 0)
		mark_dirty(s);
	wake(s);
	subscription_advance(s);
}

static size_t on_control_events(void *arg, struct event *const *events, size_t count, const struct ssf_err *err)
{
	struct subscription *s = arg;
	size_t taken = 0;

	if (err != NULL)
		log_warn("deliver.read.failed", log_str("stream", s->id), log_why(err));
	for (; taken < count; taken++) {
		int64_t seq = events[taken]->seq;
		bool needed = seq > window_read_position(&s->window) && !window_is_settled(&s->window, seq);
		if (needed && take_ahead(s, events[taken], WINDOW_CONTROL) < 0)
			break;
	}
	if (err != NULL || taken < count)
		retry_later(s);
	wake(s);
	return taken;
}

/* --- redelivery ------------------------------------------------------------------------------- */

static int on_redelivery(void *arg, struct event *e)
{
	return take_ahead(arg, e, WINDOW_REDELIVERY);
}

static int on_redelivery_impossible(void *arg, int64_t seq, const char *reason)
{
	return give_up(arg, seq, "", reason);
}

static void on_redelivery_loaded(void *arg, const struct redelivery_stored *stored)
{
	struct subscription *s = arg;

	s->dead_letters = stored->dead_letters;
	s->again_at_ms = stored->again_at_ms;
}

static void on_redelivery_fed(void *arg)
{
	wake(arg);
	subscription_advance(arg);
}

static void on_retry(void *arg)
{
	retry_later(arg);
}

static const struct redelivery_feed_events redelivery_events = {
	.take = on_redelivery, .give_up = on_redelivery_impossible, .loaded = on_redelivery_loaded,
	.fed = on_redelivery_fed, .retry = on_retry,
};

void subscription_redriven(struct subscription *s)
{
	redelivery_feed_changed(&s->redelivery);
	subscription_advance(s);
}

/* --- going on --------------------------------------------------------------------------------- */

static void on_filter_ended(void *arg)
{
	struct subscription *s = arg;

	if (subject_filter_is_ready(&s->filter))
		subscription_advance(s);
	else
		retry_later(s);
}

static int make_sender(struct subscription *s);

/* What there was no memory for when the stream was set up; and the filter. -1: there is something missing. */
static int complete(struct subscription *s)
{
	if (!s->indexed) {
		struct ssf_err err;
		s->indexed = interest_index_add(s->deps->index, s->stream, s, &err) == 0;
	}
	if (s->sender == NULL && make_sender(s) == 0)
		wake(s);
	if (!s->indexed || s->sender == NULL)
		retry_later(s);
	if (!s->position_known || subject_filter_is_ready(&s->filter))
		return 0;
	if (subject_filter_load(&s->filter, s->stream->all_subjects) < 0)
		retry_later(s);
	return -1;
}

/* The log from the read position on, when the position and the filter are known. */
static void read_on(struct subscription *s)
{
	const struct dispatch_position *dispatched = s->deps->dispatched;
	int64_t position = window_read_position(&s->window);

	if (position >= dispatched->offering && may_be_live(s)) {
		window_follow(&s->window, &dispatched->done);
		s->state = SUBSCRIPTION_LIVE;
		backlog_caught_up(&s->backlog);
	} else if (position >= event_log_head(s->deps->log)) {
		work_list_push(&s->deps->lists->followers, &s->nodes.follow, s);
	} else if (has_room(s)) {
		if (event_log_read(s->deps->log, position, READ_MAX, on_events, s, &s->read, NULL) < 0) {
			s->read = NULL;
			retry_later(s);
		}
	} else if (!is_enabled(s) && s->window.control_count == 0) {
		if (control_events_look(&s->control, position) < 0)
			retry_later(s);
	}
}

/* The heartbeat is settled, or not in the log any more: the next one may come. */
static void look_at_heartbeat(struct subscription *s)
{
	struct activity *a = &s->report.activity;

	if (a->heartbeat_open && window_read_position(&s->window) >= a->heartbeat_seq)
		a->heartbeat_open = !window_is_settled(&s->window, a->heartbeat_seq);
}

void subscription_advance(struct subscription *s)
{
	bool ready = complete(s) == 0;

	if (!s->position_known || s->stopping)
		return;
	redelivery_feed_advance(&s->redelivery, is_disabled(s));
	if (ready && s->state == SUBSCRIPTION_LOADING)
		s->state = SUBSCRIPTION_CATCHING_UP;
	if (s->state == SUBSCRIPTION_CATCHING_UP && s->read == NULL && s->deps->dispatched->known)
		read_on(s);
	look_at_heartbeat(s);
	subscription_schedule_activity(s);
}

/* --- the sender ------------------------------------------------------------------------------- */

static bool sender_is_owned(void *arg)
{
	const struct subscription *s = arg;

	return s->deps->may_act(s->deps->arg, s->shard);
}

static bool sender_may_begin(void *arg)
{
	const struct subscription *s = arg;

	return !s->stopping && sender_is_owned(arg);
}

static bool sender_is_loaded(void *arg)
{
	const struct subscription *s = arg;

	return s->position_known;
}

static bool sender_may_send(void *arg, const struct window_entry *e)
{
	const struct subscription *s = arg;

	return !e->dead_letter_pending && (is_enabled(s) || e->event->control);
}

/* An event that the operator has sent again is as old as that: it is not given up at the first failure. */
static bool sender_is_expired(void *arg, const struct window_entry *e)
{
	const struct subscription *s = arg;
	int64_t since = e->event->at_ms > s->again_at_ms ? e->event->at_ms : s->again_at_ms;

	return wall_now_ms() - since > s->deps->conf.max_age_ms;
}

static void sender_settled(void *arg, struct window_entry *e)
{
	settle(arg, e, true);
}

static bool sender_give_up(void *arg, struct window_entry *e, const char *reason)
{
	if (!e->dead_letter_pending)
		e->dead_letter_pending = give_up(arg, e->event->seq, e->event->txn, reason) == 0;
	return e->dead_letter_pending;
}

static void sender_error(void *arg, const char *what, bool failing)
{
	struct subscription *s = arg;

	delivery_health_error(&s->report.health, what, failing, wall_now_ms());
	mark_dirty(s);
}

static void sender_active(void *arg)
{
	subscription_active(arg, wall_now_ms());
}

static void sender_idle(void *arg)
{
	const struct subscription *s = arg;

	s->deps->idle(s->deps->arg);
}

static const struct sender_events sender_events = {
	.is_owned = sender_is_owned, .may_begin = sender_may_begin, .is_loaded = sender_is_loaded,
	.may_send = sender_may_send, .is_expired = sender_is_expired, .settled = sender_settled,
	.give_up = sender_give_up, .error = sender_error, .active = sender_active, .idle = sender_idle,
};

/* All open entries are the new sender's. */
static int make_sender(struct subscription *s)
{
	const struct sender_spec spec = { .stream = s->stream, .window = &s->window,
					  .failing = s->report.health.failing, .events = &sender_events, .arg = s };
	struct window_entry *e;
	size_t at = 0;

	s->sender = s->deps->make_sender(s->deps->make_sender_arg, &spec);
	if (s->sender == NULL)
		return -1;
	while ((e = window_next(&s->window, &at)) != NULL)
		s->sender->ops->add(s->sender, e);
	return 0;
}

static void free_sender(struct subscription *s)
{
	struct window_entry *e;
	size_t at = 0;

	if (s->sender == NULL)
		return;
	while ((e = window_next(&s->window, &at)) != NULL)
		s->sender->ops->remove(s->sender, e);
	s->sender->ops->free(s->sender);
	s->sender = NULL;
}

void subscription_wake(struct subscription *s)
{
	mark_dirty(s); /* what could not be saved meanwhile */
	wake(s);
}

void subscription_sender_status(const struct subscription *s, struct sender_status *out)
{
	*out = (struct sender_status){ 0 };
	if (s->sender != NULL)
		s->sender->ops->status(s->sender, out);
}

/* --- its life --------------------------------------------------------------------------------- */

struct subscription *subscription_new(const struct subscription_deps *deps, struct stream *stream)
{
	struct subscription *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->id = strdup(stream->id)) == NULL) {
		stream_free(stream);
		free(s);
		return NULL;
	}
	s->deps = deps;
	s->stream = stream;
	s->shard = owner_shard(s->id);
	window_init(&s->window);
	subject_filter_init(&s->filter, s->id, deps->db, deps->index, s, on_filter_ended);
	redelivery_feed_init(&s->redelivery, s->id, deps->db, deps->log, &redelivery_events, s);
	control_events_init(&s->control, s->id, deps->db, on_control_events, s);
	LIST_INIT(&s->giving_up);
	LIST_INIT(&s->report.waiters);
	(void)complete(s); /* or later */
	work_list_push(&deps->lists->to_load, &s->nodes.load, s);
	return s;
}

/* What fills the window stops, and the window is about to be dropped. */
static void stop_filling(struct subscription *s)
{
	redelivery_feed_stop(&s->redelivery);
	control_events_stop(&s->control);
	event_log_cancel(s->read);
	s->read = NULL;
}

void subscription_free(struct subscription *s, enum delivery_outcome outcome)
{
	struct work_node *nodes[] = { &s->nodes.load, &s->nodes.unsaved, &s->nodes.saving, &s->nodes.retry,
				      &s->nodes.follow, &s->nodes.overdue, &s->nodes.offered };

	stop_filling(s);
	free_sender(s);
	delivery_waiters_end(&s->report.waiters, outcome);
	dead_letter_cancel_all(&s->giving_up);
	redelivery_feed_clear(&s->redelivery);
	window_done(&s->window);
	subject_filter_clear(&s->filter);
	if (s->indexed)
		interest_index_remove(s->deps->index, s->stream, s);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(nodes); i++)
		work_node_remove(nodes[i]);
	due_queue_remove(&s->deps->lists->activity, &s->nodes.activity);
	stream_free(s->stream);
	free(s->id);
	free(s);
}

void subscription_load(struct subscription *s, const struct subscription_position *p)
{
	struct subscription_report *r = &s->report;

	work_node_remove(&s->nodes.load);
	s->rewound = p->rewound;
	s->saved_cursor = p->cursor;
	s->dead_letters = p->dead_letters;
	s->again_at_ms = p->again_at_ms;
	(void)window_load(&s->window, p->cursor, ssf_str_c(p->settled)); /* what is missing is sent again */
	if (redelivery_load(&s->redelivery.set, ssf_str_c(p->redeliveries)) < 0)
		redelivery_feed_changed(&s->redelivery);
	s->backlog.behind = s->backlog.saved = p->backlog;
	if (!s->was_known) {
		r->health = (struct delivery_health){ .failing = p->failing, .delivered = p->delivered,
					     .success_at_ms = p->success_at_ms };
		if (p->error_at_ms != 0)
			delivery_health_error(&r->health, p->error != NULL ? p->error : "", p->failing, p->error_at_ms);
		activity_load(&r->activity, p->active_at_ms, p->heartbeat_at_ms, p->heartbeat_seq,
			      subscription_inactivity_s(s), wall_now_ms());
		s->backlog.base = p->backlog_base;
	}
	s->position_known = s->was_known = true;
	r->activity.heartbeat_open = r->activity.heartbeat_seq != 0 &&
				     !window_is_settled(&s->window, r->activity.heartbeat_seq);
	if (!p->has_filter) /* as for most streams: nothing need be read */
		subject_filter_load_none(&s->filter, s->stream->all_subjects);
	subscription_advance(s);
	if (s->sender != NULL)
		s->sender->ops->loaded(s->sender, r->health.failing);
}

static void drop_window_entries(struct subscription *s)
{
	struct window_entry *e;
	size_t at = 0;

	while ((e = window_next(&s->window, &at)) != NULL)
		remove_from_sender(s, e);
}

void subscription_reload(struct subscription *s)
{
	stop_filling(s);
	drop_window_entries(s);
	subscription_lag(s);
	window_load(&s->window, window_read_position(&s->window), SSF_STR("{}"));
	redelivery_feed_clear(&s->redelivery);
	s->state = SUBSCRIPTION_LOADING;
	s->position_known = false;
	work_node_remove(&s->nodes.unsaved);
	work_node_remove(&s->nodes.follow);
	work_node_remove(&s->nodes.load);
	work_list_push(&s->deps->lists->to_load, &s->nodes.load, s);
}

void subscription_reconfigure(struct subscription *s, struct stream *stream)
{
	bool was_enabled = is_enabled(s);
	bool moved = !json_equal(json_object_get(s->stream->spec, "delivery"), json_object_get(stream->spec, "delivery"));
	bool changed = !json_equal(s->stream->spec, stream->spec);

	stop_filling(s);
	free_sender(s);
	if (s->indexed)
		interest_index_remove(s->deps->index, s->stream, s);
	s->indexed = false;
	s->backlog.behind += in_window(s);
	/* other events may match now: everything above the cursor is read again, but for what is settled */
	subscription_lag(s);
	window_restart(&s->window);
	if (s->stream->all_subjects != stream->all_subjects)
		subject_filter_clear(&s->filter); /* what is stored differs from another default now */
	stream_free(s->stream);
	s->stream = stream;
	if (changed) /* as stream_positions in stmt.def sees it after a restart */
		sender_active(s);
	if (is_enabled(s) && !was_enabled)
		backlog_enabled(&s->backlog, subscription_backlog(s), subscription_backlog_limit(s));
	if (moved)
		s->report.health.failing = false; /* that was another receiver */
	mark_dirty(s);
	if (s->state == SUBSCRIPTION_CATCHING_UP && !subject_filter_is_ready(&s->filter))
		s->state = SUBSCRIPTION_LOADING;
	subscription_advance(s);
}

void subscription_stop(struct subscription *s)
{
	s->stopping = true;
	subscription_lag(s); /* new events are for whoever serves the stream next */
	if (s->sender != NULL)
		s->sender->ops->release(s->sender);
	delivery_waiters_end(&s->report.waiters, DELIVERY_STOPPED);
}

void subscription_resume(struct subscription *s)
{
	s->stopping = false;
	subscription_advance(s);
	wake(s);
}

bool subscription_is_idle(const struct subscription *s)
{
	struct sender_status status;

	subscription_sender_status(s, &status);
	return status.in_flight == 0 && LIST_EMPTY(&s->giving_up);
}

/* --- saving ----------------------------------------------------------------------------------- */

bool subscription_mark_unsaved(struct subscription *s)
{
	if (s->report.activity.active_at_ms > s->report.activity.active_saved_ms ||
	    subscription_backlog_to_save(s) != s->backlog.saved || window_cursor(&s->window) > s->saved_cursor)
		mark_dirty(s);
	return s->nodes.unsaved.list != NULL;
}

bool subscription_is_stale(const struct subscription *s)
{
	return s->position_known && window_cursor(&s->window) - s->saved_cursor > STALE_SEQS;
}

void subscription_saving(struct subscription *s)
{
	s->saved_cursor = window_cursor(&s->window);
	s->backlog.saved = subscription_backlog_to_save(s);
	s->report.activity.active_saved_ms = s->report.activity.active_at_ms;
	redelivery_saving(&s->redelivery.set);
}

void subscription_saved(struct subscription *s, bool saved)
{
	redelivery_feed_saved(&s->redelivery, saved);
	if (!saved)
		mark_dirty(s);
}

/* --- activity, waiters ------------------------------------------------------------------------ */

void subscription_active(struct subscription *s, int64_t at_ms)
{
	activity_touch(&s->report.activity, at_ms);
	if (activity_is_stale(&s->report.activity, subscription_inactivity_s(s)))
		mark_dirty(s);
	/* the time at which it is due is looked at again when it comes */
}

void subscription_heartbeat(struct subscription *s, int64_t at_ms, int64_t seq)
{
	struct activity *a = &s->report.activity;

	a->heartbeat_at_ms = at_ms;
	a->heartbeat_seq = seq;
	a->heartbeat_open = !s->position_known || !window_is_settled(&s->window, seq);
	mark_dirty(s);
	subscription_schedule_activity(s);
}

struct delivery_waiter *subscription_wait(struct subscription *s, const struct delivery_waiter_spec *spec,
					  delivery_waiter_f *f, void *arg)
{
	struct delivery_waiter_spec full = *spec;
	struct delivery_waiter *w;

	full.health = &s->report.health;
	full.settled = s->position_known && window_is_settled(&s->window, spec->seq);
	w = delivery_waiter_start(&s->report.waiters, s->deps->loop, &full, f, arg);
	if (w != NULL && s->sender != NULL)
		s->sender->ops->retry_now(s->sender);
	return w;
}
