/* SPDX-License-Identifier: Apache-2.0 */
/* Never holds what was not loaded as stored, and never forgets a redelivery before it is saved. */
#include "hub/deliver/redelivery.h"

#include <stdlib.h>
#include <string.h>

void redelivery_done(struct redelivery *r)
{
	free(r->items);
	seq_set_done(&r->redelivered);
	seq_set_done(&r->saving);
	*r = (struct redelivery){ 0 };
}

/* Index of the first item at or above seq. */
static size_t find_from(const struct redelivery *r, int64_t seq)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->items[mid].seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct redelivery_item *find(const struct redelivery *r, int64_t seq)
{
	size_t i = find_from(r, seq);

	return i < r->count && r->items[i].seq == seq ? &r->items[i] : NULL;
}

bool redelivery_has(const struct redelivery *r, int64_t seq)
{
	return find(r, seq) != NULL;
}

int redelivery_load(struct redelivery *r, struct ssf_str text)
{
	struct redelivery_item *items;
	struct seq_set stored = { 0 };
	size_t count = 0, held = 0;

	if (r->count == 0 && ssf_str_eq_c(text, "{}"))
		return 0;
	items = calloc(REDELIVERY_MAX, sizeof(*items));
	if (items == NULL || seq_set_parse(&stored, text) < 0) {
		free(items);
		seq_set_done(&stored);
		return -1;
	}
	for (size_t i = 0; i < stored.count; i++) {
		for (int64_t seq = stored.ranges[i].from; seq < stored.ranges[i].to && count < REDELIVERY_MAX; seq++) {
			const struct redelivery_item *old = find(r, seq);
			if (seq_set_has(&r->redelivered, seq) || seq_set_has(&r->saving, seq))
				continue;
			items[count] = (struct redelivery_item){ seq, old != NULL && old->held };
			held += items[count++].held;
		}
	}
	seq_set_done(&stored);
	free(r->items);
	r->items = items;
	r->count = count;
	r->held = held;
	return 0;
}

struct redelivery_item *redelivery_next(const struct redelivery *r, int64_t from)
{
	if (r->held >= REDELIVERY_HELD_MAX)
		return NULL;
	for (size_t i = find_from(r, from); i < r->count; i++) {
		if (!r->items[i].held)
			return &r->items[i];
	}
	return NULL;
}

size_t redelivery_span(const struct redelivery *r, const struct redelivery_item *item, size_t max)
{
	const struct redelivery_item *last = item;

	for (size_t i = (size_t)(item - r->items); i < r->count; i++) {
		if (r->items[i].seq - item->seq < (int64_t)max)
			last = &r->items[i];
	}
	return (size_t)(last->seq - item->seq + 1);
}

void redelivery_hold(struct redelivery *r, struct redelivery_item *item)
{
	r->held += !item->held;
	item->held = true;
}

void redelivery_release(struct redelivery *r, int64_t seq)
{
	struct redelivery_item *item = find(r, seq);

	if (item == NULL || !item->held)
		return;
	item->held = false;
	r->held--;
}

void redelivery_release_all(struct redelivery *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->items[i].held = false;
	r->held = 0;
}

void redelivery_settle(struct redelivery *r, int64_t seq, bool delivered)
{
	size_t i = find_from(r, seq);

	if (i < r->count && r->items[i].seq == seq) {
		r->held -= r->items[i].held;
		r->count--;
		memmove(&r->items[i], &r->items[i + 1], (r->count - i) * sizeof(*r->items));
	}
	if (delivered) /* without memory it is sent again after a restart */
		(void)seq_set_add(&r->redelivered, seq, seq + 1);
}

bool redelivery_is_unsaved(const struct redelivery *r)
{
	return r->redelivered.count > 0 || r->saving.count > 0;
}

int redelivery_text(const struct redelivery *r, struct ssf_buf *out)
{
	ssf_buf_addc(out, '{');
	seq_set_text(&r->saving, out);
	seq_set_text(&r->redelivered, out);
	return ssf_buf_addc(out, '}');
}

void redelivery_saving(struct redelivery *r)
{
	if (seq_set_add_all(&r->saving, &r->redelivered) == 0)
		seq_set_done(&r->redelivered);
	/* else some are in both sets, and will be saved once more */
}

void redelivery_saved(struct redelivery *r, bool saved)
{
	if (saved || seq_set_add_all(&r->redelivered, &r->saving) == 0)
		seq_set_done(&r->saving);
}
