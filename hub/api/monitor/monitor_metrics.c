/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters are kept where they are counted. A state is read here from memory when it is scraped, and with
 * several processes once a second in each. A scrape must never ask the database, nor walk anything that grows
 * with the backlog: it walks only the streams, and each answers in constant time.
 */
#include "hub/api/monitor/monitor_metrics.h"

#include "hub/metrics/metrics.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <stdlib.h>

#define TEXT_MAX (32 * 1024 * 1024)

static void on_lag(void *arg, const struct stream_lag *lag)
{
	static const int64_t over_ms[LABEL_lag_COUNT] = {
		[LABEL_lag_s1] = 1000,	   [LABEL_lag_s10] = 10000,	[LABEL_lag_s60] = 60000,
		[LABEL_lag_s600] = 600000, [LABEL_lag_s3600] = 3600000,
	};

	(void)arg;
	metric_add_of2(streams, lag->method == STREAM_PUSH ? LABEL_method_push : LABEL_method_poll,
		       lag->status == STREAM_ENABLED ? LABEL_stream_status_enabled :
		       lag->status == STREAM_PAUSED  ? LABEL_stream_status_paused :
						       LABEL_stream_status_disabled,
		       1);
	metric_add(streams_failing, lag->failing);
	metric_add(push_in_flight, (int64_t)lag->in_flight);
	metric_add(push_waiting_retries, (int64_t)lag->waiting_retries);
	metric_add(polls_waiting, (int64_t)lag->waiting_polls);
	metric_add(streams_waiting_events, lag->waiting_events);
	metric_add(streams_dead_letters, lag->dead_letters);
	if (lag->age_ms > metrics_cells[METRIC_CELL_streams_lag_max])
		metric_set(streams_lag_max, lag->age_ms);
	for (size_t i = 0; i < LABEL_lag_COUNT; i++)
		metric_add_of(streams_lagging, i, lag->age_ms > over_ms[i]);
	metrics_streams_put(lag->stream, lag->age_ms, lag->waiting_events, lag->unread_seqs);
}

/* Sums over streams start from 0 at every scrape. */
static void clear_metric(enum metric_id id)
{
	const struct metric *m = &metrics_table[id];

	for (size_t i = 0; i < metric_cell_count(m); i++)
		metrics_cells[m->cell + i] = 0;
}

static void collect_streams(struct monitor_api *api)
{
	static const enum metric_id sums[] = { METRIC_ID_streams,	       METRIC_ID_streams_failing,
					       METRIC_ID_streams_waiting_events, METRIC_ID_streams_lag_max,
					       METRIC_ID_streams_lagging,      METRIC_ID_push_in_flight,
					       METRIC_ID_push_waiting_retries, METRIC_ID_polls_waiting,
					       METRIC_ID_streams_dead_letters };

	for (size_t i = 0; i < SSF_ARRAY_SIZE(sums); i++)
		clear_metric(sums[i]);
	metrics_streams_begin();
	deliver_lags(api->deliver, on_lag, NULL);
	metrics_streams_end();
}

static void collect_deliver(struct monitor_api *api)
{
	struct deliver_circuits circuits = deliver_circuits(api->deliver);

	metric_set(client_connections, (int64_t)http_client_connections(api->push_client));
	metric_follow(client_connects, 0, http_client_connects(api->push_client),
		      &api->followed.push_connects);
	metric_set_of(endpoints, LABEL_circuit_closed, circuits.closed);
	metric_set_of(endpoints, LABEL_circuit_open, circuits.open);
	metric_set_of(endpoints, LABEL_circuit_half_open, circuits.half_open);
	collect_streams(api);
}

static void collect_database(const struct monitor_api *api)
{
	metric_set(db_connections, (int64_t)db_connections(api->db) + owner_is_up(api->owner));
	metric_set(db_connections_max, api->database_connections + 1);
	metric_set(db_queue_statements, (int64_t)db_queued(api->db));
	metric_set(units_owned, (int64_t)owner_units(api->owner));
}

void monitor_metrics_collect(struct monitor_api *api)
{
	int64_t head = event_log_head(api->log), cursor = rules_consumer_cursor(api->rules);

	metric_set(build_info, 1);
	metric_set(ready, readiness_all(api->readiness));
	metric_set(http_connections, (int64_t)http_server_connections(api->server));
	metric_set(http_connections_max, api->max_connections);
	metric_set(http_requests_pending, (int64_t)http_server_pending(api->server));
	metric_set(ingest_queue_events, (int64_t)batch_pending(api->batch));
	metric_set(ingest_queue_events_max, BATCH_QUEUE);
	metric_set(log_head_seq, head);
	metric_set(rules_lag_seqs, cursor >= 0 ? event_log_count(api->log, cursor) : 0);
	metric_set(pool_queue_jobs, (int64_t)pool_queued(api->signing_pool));
	metric_set(pool_threads, api->crypto_threads);
	metric_follow(log_entries, LABEL_level_warn, log_count(LOG_LEVEL_WARN), &api->followed.warnings);
	metric_follow(log_entries, LABEL_level_error, log_count(LOG_LEVEL_ERROR), &api->followed.errors);
	metrics_name_version[0] = api->version;
	collect_database(api);
	collect_deliver(api);
	metrics_process();
}

/* --- the answer ------------------------------------------------------------------------------------- */

struct rows {
	struct metrics_stream *list; /* owned */
	size_t count;
};

static int64_t stream_value(enum metric_id metric, const struct metrics_stream *s)
{
	switch (metric) {
	case METRIC_ID_stream_lag:
		return s->lag_ms;
	case METRIC_ID_stream_waiting_events:
		return s->waiting_events;
	case METRIC_ID_stream_unread_seqs:
		return s->unread_seqs;
	default:
		return 0;
	}
}

static void on_stream_metric(void *arg, size_t metric, struct ssf_buf *out)
{
	const struct rows *rows = arg;

	for (size_t i = 0; i < rows->count; i++) {
		const char *const values[] = { rows->list[i].id };
		metric_write(&metrics_table[metric], values,
			     stream_value((enum metric_id)metric, &rows->list[i]), out);
	}
}

/* Either all streams have series or none: otherwise their order would decide which. */
static bool too_many_streams(const struct monitor_api *api, const int64_t *cells)
{
	int64_t n = 0;

	for (size_t i = METRIC_CELL_streams; i <= METRIC_LAST_streams; i++)
		n += cells[i];
	return n > api->metrics_streams;
}

static void write_text(const struct monitor_api *api, struct ssf_buf *out)
{
	int64_t *cells = calloc(METRIC_CELL_COUNT, sizeof(*cells));
	struct rows rows = { 0 };

	if (cells != NULL) {
		metrics_together(cells);
		if (!too_many_streams(api, cells))
			rows.list = metrics_streams_together(&rows.count);
		metrics_text(metrics_table, METRIC_ID_COUNT, cells, on_stream_metric, &rows, out);
	}
	free(rows.list);
	free(cells);
}

void monitor_metrics_get(struct monitor_api *api, const struct api_request *r)
{
	ssf_auto_buf text = SSF_BUF(TEXT_MAX);
	struct ssf_err err;

	monitor_metrics_collect(api);
	write_text(api, &text);
	if (ssf_buf_failed(&text) || text.len == 0) {
		ssf_fail(&err, SSF_E_NOMEM, "metrics");
		http_reply_error(r->http, 0, &err);
		return;
	}
	http_reply(r->http, &(struct http_answer){ .status = 200,
						  .content_type = METRICS_MEDIA_TYPE,
						  .body = ssf_buf_str(&text),
						  .headers = { { "Cache-Control", "no-store" } } });
}
