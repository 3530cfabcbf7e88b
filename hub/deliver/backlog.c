/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the count of what waits behind the window; it never looks at the log. */
#include "hub/deliver/backlog.h"

#define STALE_PARTS 100  /* of the limit: how far what is stored may be off */
#define STALE_SLACK 1000 /* the same without a limit */

int64_t backlog_count(const struct backlog *b, int64_t in_window)
{
	return in_window + b->behind;
}

void backlog_offered(struct backlog *b, int64_t seq)
{
	if (seq <= b->counted)
		return;
	b->counted = seq;
	b->behind++;
}

void backlog_read(struct backlog *b, bool offered)
{
	if (offered && b->behind > 0)
		b->behind--;
}

void backlog_caught_up(struct backlog *b)
{
	b->behind = 0;
}

bool backlog_is_exceeded(const struct backlog *b, int64_t count, int64_t limit)
{
	return limit != 0 && count > (b->base > 0 ? b->base + limit : limit);
}

void backlog_enabled(struct backlog *b, int64_t count, int64_t limit)
{
	b->base = count > limit ? count : 0;
}

void backlog_reduced(struct backlog *b, int64_t count, int64_t limit)
{
	if (b->base != 0 && count <= limit)
		b->base = 0;
}

bool backlog_is_stale(const struct backlog *b, int64_t in_window, int64_t limit)
{
	return backlog_count(b, in_window) - b->saved > (limit > 0 ? limit / STALE_PARTS : STALE_SLACK);
}
