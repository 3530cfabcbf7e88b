/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the entries. Slots are a ring in the order of seq, so that an event is found by binary search, and
 * the first slot is always open: settled ones at the front are dropped at once, and the cursor passes them.
 */
#include "hub/deliver/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16

static struct window_slot *slot_at(const struct window *w, size_t i)
{
	return &w->slots[(w->first + i) & (w->room - 1)];
}

static struct window_entry *entry_new(struct event *e, enum window_place place)
{
	struct window_entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	entry->event = event_ref(e);
	entry->place = place;
	entry->node.subject = e->subject_key;
	entry->node.seq = e->seq;
	return entry;
}

static void entry_free(struct window_entry *e)
{
	assert(!e->node.queued);
	event_free(e->event);
	free(e);
}

void window_init(struct window *w)
{
	*w = (struct window){ 0 };
}

static void drop_entries(struct window *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (slot_at(w, i)->entry != NULL)
			entry_free(slot_at(w, i)->entry);
	}
	w->first = w->count = w->open = 0;
	window_drop_ahead(w);
}

void window_done(struct window *w)
{
	drop_entries(w);
	free(w->slots);
	seq_set_done(&w->settled);
	window_init(w);
}

int window_load(struct window *w, int64_t cursor, struct ssf_str text)
{
	int done;

	drop_entries(w);
	seq_set_done(&w->settled);
	w->followed = NULL;
	w->read_position = cursor;
	done = seq_set_parse(&w->settled, text);
	seq_set_remove_through(&w->settled, cursor);
	return done;
}

void window_restart(struct window *w)
{
	int64_t cursor = window_cursor(w);

	for (size_t i = 0; i < w->count; i++) {
		const struct window_slot *slot = slot_at(w, i);
		if (slot->entry == NULL)
			(void)seq_set_add(&w->settled, slot->seq, slot->seq + 1); /* without memory it is sent again */
	}
	drop_entries(w);
	w->followed = NULL;
	w->read_position = cursor;
	seq_set_remove_through(&w->settled, cursor);
}

/* --- where it is ------------------------------------------------------------------------------ */

void window_follow(struct window *w, const int64_t *position)
{
	w->followed = position;
	seq_set_remove_through(&w->settled, window_cursor(w));
}

int64_t window_read_position(const struct window *w)
{
	return w->followed != NULL && *w->followed > w->read_position ? *w->followed : w->read_position;
}

void window_lag(struct window *w)
{
	w->read_position = window_read_position(w);
	w->followed = NULL;
}

int64_t window_cursor(const struct window *w)
{
	return w->count > 0 ? slot_at(w, 0)->seq - 1 : window_read_position(w);
}

bool window_has_room(const struct window *w, bool unbounded)
{
	return w->count < WINDOW_SLOTS_MAX && (unbounded || window_open_count(w) < WINDOW_OPEN_MAX);
}

/* --- events in -------------------------------------------------------------------------------- */

/* Drops settled slots at the front. */
static void trim(struct window *w)
{
	bool trimmed = false;

	while (w->count > 0 && slot_at(w, 0)->entry == NULL) {
		w->first = (w->first + 1) & (w->room - 1);
		w->count--;
		trimmed = true;
	}
	if (trimmed && w->settled.count > 0)
		seq_set_remove_through(&w->settled, window_cursor(w));
}

static int make_room(struct window *w)
{
	size_t room = w->room > 0 ? 2 * w->room : ROOM_FIRST;
	struct window_slot *slots;

	if (w->count < w->room)
		return 0;
	slots = calloc(room, sizeof(*slots));
	if (slots == NULL)
		return -1;
	for (size_t i = 0; i < w->count; i++)
		slots[i] = *slot_at(w, i);
	free(w->slots);
	w->slots = slots;
	w->first = 0;
	w->room = room;
	return 0;
}

/* Index of an entry ahead of the window; ahead_count if it is not there. */
static size_t find_ahead(const struct window *w, int64_t seq)
{
	size_t i = 0;

	while (i < w->ahead_count && w->ahead[i]->event->seq != seq)
		i++;
	return i;
}

static struct window_entry *remove_ahead(struct window *w, size_t i)
{
	struct window_entry *e = w->ahead[i];

	w->ahead_count--;
	memmove(&w->ahead[i], &w->ahead[i + 1], (w->ahead_count - i) * sizeof(w->ahead[0]));
	w->control_count -= e->place == WINDOW_CONTROL;
	return e;
}

/* The control event that was sent ahead and that the window has now come to; or NULL. */
static struct window_entry *adopt(struct window *w, int64_t seq)
{
	size_t i = w->control_count > 0 ? find_ahead(w, seq) : w->ahead_count;
	struct window_entry *e;

	if (i == w->ahead_count || w->ahead[i]->place != WINDOW_CONTROL)
		return NULL;
	e = remove_ahead(w, i);
	e->place = WINDOW_SLOT;
	return e;
}

enum window_offered window_offer(struct window *w, struct event *e, bool settled, struct window_entry **out)
{
	enum window_offered offered = WINDOW_ADOPTED;
	struct window_entry *entry;

	assert(e->seq > w->read_position);
	if (make_room(w) < 0)
		return WINDOW_NO_MEMORY;
	entry = adopt(w, e->seq);
	if (entry == NULL && !settled && !seq_set_has(&w->settled, e->seq)) {
		entry = entry_new(e, WINDOW_SLOT);
		if (entry == NULL)
			return WINDOW_NO_MEMORY;
		offered = WINDOW_OPENED;
	}
	w->count++;
	*slot_at(w, w->count - 1) = (struct window_slot){ e->seq, entry };
	w->open += entry != NULL;
	w->read_position = e->seq;
	trim(w);
	*out = entry;
	return entry != NULL ? offered : WINDOW_SETTLED;
}

void window_pass(struct window *w, int64_t seq)
{
	if (seq > w->read_position)
		w->read_position = seq;
}

void window_drop(struct window *w, int64_t seq)
{
	/* numbers between the read position and seq were never used: ranges stay few */
	(void)seq_set_add(&w->settled, w->read_position + 1, seq + 1); /* or it comes back: at least once */
	window_pass(w, seq);
	if (w->count == 0)
		seq_set_remove_through(&w->settled, w->read_position);
}

struct window_entry *window_add_ahead(struct window *w, struct event *e, enum window_place place)
{
	struct window_entry *entry = w->ahead_count < WINDOW_AHEAD_MAX ? entry_new(e, place) : NULL;

	if (entry == NULL)
		return NULL;
	w->ahead[w->ahead_count++] = entry;
	w->control_count += place == WINDOW_CONTROL;
	return entry;
}

/* --- events out ------------------------------------------------------------------------------- */

/* The slot of a seq; NULL: it has none. */
static struct window_slot *find_slot(const struct window *w, int64_t seq)
{
	size_t low = 0, high = w->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (slot_at(w, mid)->seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->count && slot_at(w, low)->seq == seq ? slot_at(w, low) : NULL;
}

void window_settle(struct window *w, struct window_entry *e)
{
	int64_t seq = e->event->seq;

	if (e->place == WINDOW_SLOT) {
		struct window_slot *slot = find_slot(w, seq);
		assert(slot != NULL && slot->entry == e);
		slot->entry = NULL;
		w->open--;
		trim(w);
	} else {
		size_t i = find_ahead(w, seq);
		assert(i < w->ahead_count && w->ahead[i] == e);
		remove_ahead(w, i);
		if (e->place == WINDOW_CONTROL)
			(void)seq_set_add(&w->settled, seq, seq + 1); /* or it is sent again */
	}
	entry_free(e);
}

void window_settle_seq(struct window *w, int64_t seq)
{
	assert(window_find(w, seq) == NULL);
	if (find_slot(w, seq) == NULL && seq > window_cursor(w))
		(void)seq_set_add(&w->settled, seq, seq + 1);
}

void window_drop_ahead(struct window *w)
{
	while (w->ahead_count > 0)
		entry_free(w->ahead[--w->ahead_count]);
	w->control_count = 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct window_entry *window_find(const struct window *w, int64_t seq)
{
	size_t i = find_ahead(w, seq); /* first: the slot of a redelivery is settled */
	const struct window_slot *slot;

	if (i < w->ahead_count)
		return w->ahead[i];
	slot = find_slot(w, seq);
	return slot != NULL ? slot->entry : NULL;
}

bool window_is_settled(const struct window *w, int64_t seq)
{
	const struct window_slot *slot;

	if (find_ahead(w, seq) < w->ahead_count)
		return false;
	slot = find_slot(w, seq);
	if (slot != NULL)
		return slot->entry == NULL;
	return seq <= window_read_position(w) || seq_set_has(&w->settled, seq);
}

struct window_entry *window_next(const struct window *w, size_t *at)
{
	while (*at < w->ahead_count + w->count) {
		size_t i = (*at)++;
		struct window_entry *e = i < w->ahead_count ? w->ahead[i] : slot_at(w, i - w->ahead_count)->entry;
		if (e != NULL)
			return e;
	}
	return NULL;
}

size_t window_open_count(const struct window *w)
{
	return w->ahead_count + w->open;
}

const struct event *window_oldest(const struct window *w)
{
	for (size_t i = 0; i < w->ahead_count; i++) {
		if (w->ahead[i]->place == WINDOW_REDELIVERY)
			return w->ahead[i]->event;
	}
	return w->count > 0 ? slot_at(w, 0)->entry->event : NULL;
}

bool window_has_settled(const struct window *w)
{
	return w->open < w->count || w->settled.count > 0;
}

int window_settled_text(const struct window *w, struct ssf_buf *out)
{
	ssf_buf_addc(out, '{');
	for (size_t i = 0; i < w->count; i++) {
		if (slot_at(w, i)->entry == NULL)
			seq_set_text_seq(slot_at(w, i)->seq, out);
	}
	seq_set_text(&w->settled, out);
	return ssf_buf_addc(out, '}');
}
