/* SPDX-License-Identifier: Apache-2.0 */
/* Never sends what was not loaded as owed, and never forgets that something was paid before it is saved. */
#include "hub/deliver/owed.h"

#include "hub/deliver/deliver_priv.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>

#define HELD_MAX 16
#define READ_MAX 64

static struct owed_item *item_of(const struct owed *w, int64_t seq)
{
	if (w->count == 0 || seq > w->items[w->count - 1].seq)
		return NULL;
	for (size_t i = 0; i < w->count; i++) {
		if (w->items[i].seq == seq)
			return &w->items[i];
	}
	return NULL;
}

static bool is_paid(const struct owed *w, int64_t seq)
{
	for (size_t i = 0; i < w->paid_count; i++) {
		if (w->paid[i] == seq)
			return true;
	}
	return false;
}

static void hold(struct owed *w, struct owed_item *item)
{
	item->held = true;
	w->held++;
}

bool owed_has(const struct outlet *o, int64_t seq)
{
	return item_of(&o->owed, seq) != NULL;
}

/* --- loading --------------------------------------------------------------------------------------- */

/* What is in the text and not paid; what was held stays so. */
static size_t expand(const struct owed *w, const char *text, struct owed_item *out)
{
	size_t n = 0;

	for (const char *p = strchr(text, '['); p != NULL; p = strchr(p, '[')) {
		char *end;
		int64_t seq = strtoll(p + 1, &end, 10), to = strtoll(end + 1, &end, 10);
		for (; seq < to && n < OWED_MAX; seq++) {
			const struct owed_item *old = item_of(w, seq);
			if (!is_paid(w, seq))
				out[n++] = (struct owed_item){ seq, old != NULL && old->held };
		}
		p = end;
	}
	return n;
}

void owed_loaded(struct outlet *o, const char *text)
{
	struct owed *w = &o->owed;
	struct owed_item *items;

	if (strchr(text, '[') == NULL && w->count == 0)
		return;
	items = calloc(OWED_MAX, sizeof(*items));
	if (items == NULL) {
		w->stale = true; /* the tick tries again */
		return;
	}
	w->count = expand(w, text, items);
	free(w->items);
	w->items = items;
	w->held = 0;
	for (size_t i = 0; i < w->count; i++)
		w->held += items[i].held;
}

static void on_owed(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct outlet *o = arg;
	struct owed *w = &o->owed;

	w->load = NULL;
	if (err != NULL) {
		log_warn("deliver.load.failed", log_str("stream", o->stream->id), log_why(err));
		w->stale = true; /* the tick tries again */
		return;
	}
	if (w->stale) {
		owed_load(o);
		return;
	}
	if (db_rows(r) == 0)
		return; /* the stream is being deleted */
	owed_loaded(o, db_text(r, 0, 0));
	o->dead_letters = db_int(r, 0, 1);
	o->again_at_ms = db_int(r, 0, 2);
	owed_fill(o);
}

void owed_load(struct outlet *o)
{
	const char *params[] = { o->stream->id };
	struct owed *w = &o->owed;

	w->stale = true;
	if (!o->loaded || w->load != NULL)
		return; /* it comes with the rest, or once more */
	if (db_exec(o->deliver->db, STMT_stream_owed, params, on_owed, o, &w->load, NULL) < 0)
		w->load = NULL; /* the tick tries again */
	else
		w->stale = false;
}

void owed_done(struct outlet *o)
{
	struct owed *w = &o->owed;

	event_log_cancel(w->read);
	db_cancel(w->load);
	free(w->items);
	free(w->paid);
	*w = (struct owed){ 0 };
}

/* --- into the window --------------------------------------------------------------------------------- */

static struct owed_item *next_item(const struct owed *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (!w->items[i].held)
			return &w->items[i];
	}
	return NULL;
}

/* What the log has no more, or a disabled stream does not keep. */
static void give_up(struct outlet *o, struct owed_item *item, const char *reason)
{
	if (outlet_bury_seq(o, item->seq, "", reason)) /* if not, the tick tries again */
		hold(&o->owed, item);
}

static void on_events(void *arg, struct event *const *events, size_t count, const struct ssf_err *err)
{
	struct outlet *o = arg;
	struct owed *w = &o->owed;
	size_t at = 0;

	w->read = NULL;
	if (err != NULL)
		log_warn("deliver.read.failed", log_str("stream", o->stream->id), log_why(err));
	if (err != NULL || count == 0)
		return; /* the tick tries again */
	for (size_t i = 0; i < w->count && w->items[i].seq <= events[count - 1]->seq; i++) {
		struct owed_item *item = &w->items[i];
		if (item->held || item->seq < w->read_from || w->held >= HELD_MAX)
			continue;
		while (events[at]->seq < item->seq)
			at++;
		if (events[at]->seq != item->seq)
			give_up(o, item, OUTLET_GONE);
		else if (outlet_take_owed(o, events[at]) == 0)
			hold(w, item);
	}
	push_kick(o);
	poll_wake(o);
	owed_fill(o);
}

/* How many events to read from there: up to the last that is owed and near. */
static size_t read_count(const struct owed *w, int64_t from)
{
	int64_t to = from;

	for (size_t i = 0; i < w->count; i++) {
		if (w->items[i].seq > to && w->items[i].seq < from + READ_MAX)
			to = w->items[i].seq;
	}
	return (size_t)(to - from + 1);
}

void owed_fill(struct outlet *o)
{
	struct owed *w = &o->owed;
	struct owed_item *item;

	if (w->stale)
		owed_load(o);
	while (o->loaded && !o->deliver->draining && w->read == NULL && w->held < HELD_MAX &&
	       (item = next_item(w)) != NULL) {
		if (o->stream->status != STREAM_DISABLED) {
			w->read_from = item->seq;
			if (event_log_read(o->deliver->log, item->seq - 1, read_count(w, item->seq), on_events,
					   o, &w->read, NULL) < 0)
				w->read = NULL; /* the tick tries again */
			return;
		}
		give_up(o, item, "the stream is disabled");
		if (!item->held)
			return;
	}
}

void owed_stop(struct outlet *o)
{
	struct owed *w = &o->owed;

	event_log_cancel(w->read);
	w->read = NULL;
	for (size_t i = 0; i < w->count; i++)
		w->items[i].held = false;
	w->held = 0;
}

/* --- out of it ----------------------------------------------------------------------------------------- */

void owed_let_go(struct outlet *o, int64_t seq)
{
	struct owed_item *item = item_of(&o->owed, seq);

	if (item == NULL || !item->held)
		return;
	item->held = false;
	o->owed.held--;
}

static void remove_item(struct owed *w, struct owed_item *item)
{
	size_t i = (size_t)(item - w->items);

	w->held -= item->held;
	memmove(item, item + 1, (w->count - i - 1) * sizeof(*item));
	w->count--;
}

/* Without memory to note it, it stays owed, and is sent again after a restart. */
static void note_paid(struct owed *w, int64_t seq)
{
	int64_t *grown = realloc(w->paid, (w->paid_count + 1) * sizeof(*grown));

	if (grown == NULL)
		return;
	w->paid = grown;
	w->paid[w->paid_count++] = seq;
}

void owed_settled(struct outlet *o, int64_t seq, bool delivered)
{
	struct owed *w = &o->owed;
	struct owed_item *item = item_of(w, seq);

	if (item != NULL)
		remove_item(w, item);
	if (delivered)
		note_paid(w, seq);
	else if (w->load != NULL)
		w->stale = true; /* what is being read may be from before the burial */
}

/* --- saving --------------------------------------------------------------------------------------------- */

int owed_paid_text(const struct outlet *o, struct ssf_buf *out)
{
	const struct owed *w = &o->owed;

	ssf_buf_addc(out, '{');
	for (size_t i = 0; i < w->paid_count; i++)
		ssf_buf_addf(out, "%s[%lld,%lld]", i > 0 ? "," : "", (long long)w->paid[i],
			     (long long)w->paid[i]);
	return ssf_buf_addc(out, '}');
}

void owed_saving(struct outlet *o)
{
	o->owed.paid_sent = o->owed.paid_count;
}

void owed_saved(struct outlet *o, bool saved)
{
	struct owed *w = &o->owed;

	if (saved && w->paid_sent > 0) {
		memmove(w->paid, w->paid + w->paid_sent, (w->paid_count - w->paid_sent) * sizeof(*w->paid));
		w->paid_count -= w->paid_sent;
		if (w->load != NULL)
			w->stale = true;
	}
	w->paid_sent = 0;
}
