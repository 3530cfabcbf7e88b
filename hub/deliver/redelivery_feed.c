/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the reads. It never feeds what was not loaded as stored. */
#include "hub/deliver/redelivery_feed.h"

#include "hub/deliver/dead_letter.h"
#include "lib/kit/log.h"

#define READ_MAX 64

void redelivery_feed_init(struct redelivery_feed *f, const char *stream, struct db *db, struct event_log *log,
			  const struct redelivery_feed_events *events, void *arg)
{
	*f = (struct redelivery_feed){ .stream = stream, .db = db, .log = log, .events = events, .arg = arg };
}

void redelivery_feed_stop(struct redelivery_feed *f)
{
	event_log_cancel(f->read);
	f->read = NULL;
	redelivery_release_all(&f->set);
}

void redelivery_feed_clear(struct redelivery_feed *f)
{
	redelivery_feed_stop(f);
	db_cancel(f->load);
	f->load = NULL;
	f->stale = false;
	redelivery_done(&f->set);
}

void redelivery_feed_changed(struct redelivery_feed *f)
{
	f->stale = true;
}

static void on_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct redelivery_feed *f = arg;

	f->load = NULL;
	if (f->stale) {
		f->events->fed(f->arg);
		return;
	}
	if (err == NULL && db_rows(r) == 0)
		return; /* the stream is being deleted */
	if (err == NULL && redelivery_load(&f->set, ssf_str_c(db_text(r, 0, 0))) == 0) {
		const struct redelivery_stored stored = { db_int(r, 0, 1), db_int(r, 0, 2) };
		f->events->loaded(f->arg, &stored);
		f->events->fed(f->arg);
		return;
	}
	if (err != NULL)
		log_warn("deliver.load.failed", log_str("stream", f->stream), log_why(err));
	f->stale = true;
	f->events->retry(f->arg);
}

static void load(struct redelivery_feed *f)
{
	if (f->load != NULL)
		return; /* when it has ended it begins again */
	f->stale = false;
	if (db_exec(f->db, STMT_stream_owed, DB_PARAMS(db_param_text(f->stream)), on_stored, f, &f->load, NULL) < 0) {
		f->load = NULL;
		f->stale = true;
		f->events->retry(f->arg);
	}
}

static void on_events(void *arg, struct event *const *events, size_t count, const struct ssf_err *err)
{
	struct redelivery_feed *f = arg;
	struct redelivery_item *item;
	int64_t from = f->read_from;
	size_t at = 0;

	f->read = NULL;
	if (err != NULL)
		log_warn("deliver.read.failed", log_str("stream", f->stream), log_why(err));
	if (err != NULL || count == 0) {
		f->events->retry(f->arg);
		return;
	}
	for (; (item = redelivery_next(&f->set, from)) != NULL && item->seq <= events[count - 1]->seq; from = item->seq + 1) {
		while (events[at]->seq < item->seq)
			at++;
		bool held = (events[at]->seq == item->seq ? f->events->take(f->arg, events[at]) :
							    f->events->give_up(f->arg, item->seq, DEAD_LETTER_GONE)) == 0;
		if (!held) {
			f->events->retry(f->arg);
			break;
		}
		redelivery_hold(&f->set, item);
	}
	f->events->fed(f->arg);
}

void redelivery_feed_advance(struct redelivery_feed *f, bool disabled)
{
	struct redelivery_item *item;

	if (f->stale)
		load(f);
	while (f->read == NULL && (item = redelivery_next(&f->set, 0)) != NULL) {
		if (!disabled) {
			f->read_from = item->seq;
			if (event_log_read(f->log, item->seq - 1, redelivery_span(&f->set, item, READ_MAX), on_events, f,
					   &f->read, NULL) < 0) {
				f->read = NULL;
				f->events->retry(f->arg);
			}
			return;
		}
		if (f->events->give_up(f->arg, item->seq, DEAD_LETTER_DISABLED) < 0) {
			f->events->retry(f->arg);
			return;
		}
		redelivery_hold(&f->set, item);
	}
}

void redelivery_feed_settle(struct redelivery_feed *f, int64_t seq, bool delivered)
{
	redelivery_settle(&f->set, seq, delivered);
	if (!delivered && f->load != NULL)
		f->stale = true;
}

void redelivery_feed_saved(struct redelivery_feed *f, bool saved)
{
	if (saved && f->set.saving.count > 0 && f->load != NULL)
		f->stale = true;
	redelivery_saved(&f->set, saved);
}
