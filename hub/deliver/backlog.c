/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many events of a stream wait. Those in the window are there; those behind it are counted one by
 * one when they are offered (dispatch.c), and again when they are read into the window. So it costs
 * nothing for streams that an event does not concern, and no look at the log. The count is saved
 * with the cursor; what it misses is what nobody offered: after a rewind, or what was stored while
 * nobody served the stream. That is found when the stream has come to it.
 */
#include "hub/deliver/deliver_priv.h"

#define SAVE_PARTS 100 /* of the limit: how far what is stored may be off */
#define SAVE_SLACK 1000 /* the same without a limit */

/* Unsettled in the window. */
static int64_t window_count(const struct outlet *o)
{
	return (int64_t)(outlet_backlog(o) - o->owed_entries);
}

/* What the stream is to get for the first time. */
static int64_t new_count(const struct outlet *o)
{
	return window_count(o) + o->behind;
}

int64_t backlog_count(const struct outlet *o)
{
	return new_count(o) + (int64_t)o->owed.count;
}

int64_t backlog_limit(const struct outlet *o)
{
	return o->stream->backlog_limit >= 0 ? o->stream->backlog_limit : o->deliver->conf.backlog_limit;
}

void backlog_settled(struct outlet *o)
{
	if (o->backlog_base != 0 && backlog_count(o) <= backlog_limit(o))
		o->backlog_base = 0;
}

bool backlog_passed(const struct outlet *o)
{
	int64_t count = backlog_count(o), limit = backlog_limit(o);

	if (limit == 0 || o->stream->status != STREAM_ENABLED || !o->loaded)
		return false;
	return count > (o->backlog_base > 0 ? o->backlog_base + limit : limit);
}

void backlog_enabled(struct outlet *o)
{
	int64_t count = backlog_count(o);

	o->backlog_base = count > backlog_limit(o) ? count : 0;
	o->dirty = true;
}

void backlog_offered(struct outlet *o, const struct event *e)
{
	int64_t limit = backlog_limit(o);

	if (e->seq <= o->counted)
		return;
	o->counted = e->seq;
	o->behind++;
	if (new_count(o) - o->backlog_saved > (limit > 0 ? limit / SAVE_PARTS : SAVE_SLACK))
		o->dirty = true;
}

void backlog_taken(struct outlet *o, const struct event *e)
{
	/* what was not handed out yet was not counted */
	if (o->behind > 0 && e->seq <= o->deliver->live)
		o->behind--;
}

void backlog_again(struct outlet *o)
{
	o->behind += window_count(o);
}

void backlog_up_to_date(struct outlet *o)
{
	o->behind = 0;
}

int64_t backlog_to_save(const struct outlet *o)
{
	return new_count(o);
}
