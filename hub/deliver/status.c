/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/deliver/status.h"

#include "hub/deliver/subscription.h"
#include "lib/ssf/timestamp.h"

/* Events that were not looked at may be for nobody: then they are looked at soon, and the age was a moment's. */
static int64_t oldest_age_ms(const struct subscription *s, int64_t now_ms)
{
	const struct event *oldest = window_oldest(&s->window);
	int64_t at_ms = oldest != NULL ? oldest->at_ms :
					 event_log_next_at_ms(s->deps->log, window_read_position(&s->window));

	if (at_ms == 0 || s->stream->status == STREAM_DISABLED || at_ms > now_ms)
		return 0;
	return now_ms - at_ms;
}

struct stream_lag status_lag(const struct subscription *s, int64_t now_ms)
{
	struct sender_status sender;

	subscription_sender_status(s, &sender);
	return (struct stream_lag){
		.stream = s->id,
		.method = s->stream->method,
		.status = s->stream->status,
		.failing = s->report.health.failing,
		.in_flight = sender.in_flight,
		.waiting_retries = sender.waiting_retries,
		.waiting_polls = sender.waiting_polls,
		.waiting_events = subscription_backlog(s),
		.dead_letters = s->dead_letters,
		.unread_seqs = s->position_known ? event_log_count(s->deps->log, window_read_position(&s->window)) : 0,
		.age_ms = s->position_known ? oldest_age_ms(s, now_ms) : 0,
	};
}

/* NULL: never. */
static json_t *time_json(int64_t ms)
{
	char text[SSF_TIMESTAMP_LEN];

	ssf_timestamp_text(ms, text);
	return ms != 0 ? json_string(text) : NULL;
}

json_t *status_report(const struct subscription *s, int64_t retention_ms)
{
	const struct delivery_health *h = &s->report.health;
	const struct event *oldest = window_oldest(&s->window);
	int64_t limit = subscription_backlog_limit(s), oldest_ms = oldest != NULL ? oldest->at_ms : 0;
	struct sender_status sender;

	subscription_sender_status(s, &sender);
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o*, s:I, s:o*, s:b, s:s*, s:o*, s:o*, s:o*}",
		"id", s->id, "client", s->stream->client,
		"method", s->stream->method == STREAM_PUSH ? "push" : "poll",
		"status", stream_status_name(s->stream->status),
		"cursor", (json_int_t)window_cursor(&s->window),
		"waiting_events", (json_int_t)window_open_count(&s->window),
		"unread_seqs", (json_int_t)event_log_count(s->deps->log, window_read_position(&s->window)),
		"backlog", (json_int_t)subscription_backlog(s),
		"oldest_age_s", (json_int_t)(oldest_ms != 0 ? (wall_now_ms() - oldest_ms) / 1000 : 0),
		"retention_end", time_json(oldest_ms != 0 && retention_ms > 0 ? oldest_ms + retention_ms : 0),
		"dead_letters", (json_int_t)s->dead_letters,
		"backlog_limit", limit > 0 ? json_integer(limit) : NULL,
		"healthy", !h->failing,
		"circuit", sender.circuit,
		"last_success_at", time_json(h->success_at_ms),
		"last_error_at", time_json(h->error_at_ms),
		"last_error", h->error_at_ms != 0 ? json_string(h->error) : NULL);
}
