/* SPDX-License-Identifier: Apache-2.0 */
/* Times only go forward here: activity that is reported late changes nothing. */
#include "hub/deliver/activity.h"

#include "hub/deliver/due_queue.h"

#define SLACK_PARTS 10 /* of inactivity_timeout */
#define SLACK_MIN_MS 1000
#define SLACK_MAX_MS 60000

static int64_t slack_ms(int64_t inactivity_s)
{
	int64_t slack = inactivity_s * 1000 / SLACK_PARTS;

	if (slack == 0 || slack > SLACK_MAX_MS)
		return SLACK_MAX_MS;
	return slack > SLACK_MIN_MS ? slack : SLACK_MIN_MS;
}

void activity_load(struct activity *a, int64_t active_at_ms, int64_t heartbeat_at_ms, int64_t heartbeat_seq,
		   int64_t inactivity_s, int64_t now_ms)
{
	int64_t active = active_at_ms + slack_ms(inactivity_s);

	active = active < now_ms ? active : now_ms;
	if (active > a->active_at_ms)
		a->active_at_ms = a->active_saved_ms = active;
	a->heartbeat_at_ms = heartbeat_at_ms;
	a->heartbeat_seq = heartbeat_seq;
}

void activity_touch(struct activity *a, int64_t at_ms)
{
	if (at_ms > a->active_at_ms)
		a->active_at_ms = at_ms;
}

bool activity_is_stale(const struct activity *a, int64_t inactivity_s)
{
	return a->active_at_ms - a->active_saved_ms >= slack_ms(inactivity_s);
}

int64_t activity_due_ms(const struct activity *a, int64_t heartbeat_s, int64_t inactivity_s, int64_t now_ms)
{
	int64_t heartbeat = DUE_NEVER, inactive = DUE_NEVER;

	if (heartbeat_s > 0 && !a->heartbeat_open)
		heartbeat = a->heartbeat_at_ms > now_ms ? now_ms : a->heartbeat_at_ms + heartbeat_s * 1000;
	if (inactivity_s > 0)
		inactive = a->active_at_ms + inactivity_s * 1000;
	return heartbeat < inactive ? heartbeat : inactive;
}
