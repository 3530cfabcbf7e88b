/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics. Counters are where they are counted; what is a state is read here, when it is asked
 * for, from what is in memory. It must never ask the database, nor walk through anything that grows
 * with what waits: only the streams are gone through, and each tells in constant time.
 */
#include "hub/api/api_priv.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/http_error.h"
#include "lib/kit/log.h"

#include <stdlib.h>

#define TEXT_MAX (32 * 1024 * 1024)

/* What is read of the streams. Ids are borrowed until the loop turns. */
struct lags {
	struct deliver_lag *list;
	size_t count, max; /* listed, and how many there is room for */
	size_t seen;
};

static void on_lag(void *arg, const struct deliver_lag *lag)
{
	static const int64_t over_ms[LABEL_lag_COUNT] = {
		[LABEL_lag_s1] = 1000,	   [LABEL_lag_s10] = 10000,	[LABEL_lag_s60] = 60000,
		[LABEL_lag_s600] = 600000, [LABEL_lag_s3600] = 3600000,
	};
	struct lags *lags = arg;

	lags->seen++;
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
	if (lag->age_ms > metrics_cells[METRIC_CELL_streams_lag_max])
		metric_set(streams_lag_max, lag->age_ms);
	for (size_t i = 0; i < LABEL_lag_COUNT; i++)
		metric_add_of(streams_lagging, i, lag->age_ms > over_ms[i]);
	if (lags->count < lags->max)
		lags->list[lags->count++] = *lag;
}

/* Sums are made anew each time. */
static void clear(enum metric_id id)
{
	const struct metric *m = &metrics_table[id];

	for (size_t i = 0; i < metric_cell_count(m); i++)
		metrics_cells[m->cell + i] = 0;
}

static void collect_streams(struct api *api, struct lags *lags)
{
	static const enum metric_id sums[] = { METRIC_ID_streams,	       METRIC_ID_streams_failing,
					       METRIC_ID_streams_waiting_events, METRIC_ID_streams_lag_max,
					       METRIC_ID_streams_lagging,      METRIC_ID_push_in_flight,
					       METRIC_ID_push_waiting_retries, METRIC_ID_polls_waiting };

	for (size_t i = 0; i < SSF_ARRAY_SIZE(sums); i++)
		clear(sums[i]);
	lags->max = api->metrics_streams > 0 ? (size_t)api->metrics_streams : 0;
	lags->list = calloc(lags->max + 1, sizeof(*lags->list));
	if (lags->list == NULL)
		lags->max = 0;
	deliver_lags(api->deliver, on_lag, lags);
	if (lags->seen > lags->max)
		lags->count = 0; /* all of them or none: else their order decides */
}

static void collect(const struct api *api)
{
	int64_t head = event_log_head(api->log), cursor = rules_consumer_cursor(api->rules);
	struct deliver_circuits circuits = deliver_circuits(api->deliver);

	metric_set(build_info, 1);
	metric_set(ready, api_is_ready(api));
	metric_set(http_connections, (int64_t)http_server_connections(api->server));
	metric_set(http_connections_max, api->max_connections);
	metric_set(http_requests_pending, (int64_t)http_server_pending(api->server));
	metric_set(ingest_queue_events, (int64_t)batch_pending(api->batch));
	metric_set(ingest_queue_events_max, BATCH_QUEUE);
	metric_set(log_head_seq, head);
	metric_set(rules_lag_seqs, head > cursor ? head - cursor : 0);
	metric_set(pool_queue_jobs, (int64_t)pool_queued(api->pool));
	metric_set(client_connections, (int64_t)http_client_connections(api->push_client));
	metric_set(client_connects, http_client_connects(api->push_client));
	metric_set_of(endpoints, LABEL_circuit_closed, circuits.closed);
	metric_set_of(endpoints, LABEL_circuit_open, circuits.open);
	metric_set_of(endpoints, LABEL_circuit_half_open, circuits.half_open);
	metric_set(pool_threads, api->crypto_threads);
	metric_set(db_connections, db_connections(api->db) + db_connections(api->lease));
	metric_set(db_connections_max, api->database_connections + 1);
	metric_set(db_queue_statements, (int64_t)(db_queued(api->db) + db_queued(api->lease)));
	metric_set_of(log_entries, LABEL_level_warn, (int64_t)log_count(LOG_LEVEL_WARN));
	metric_set_of(log_entries, LABEL_level_error, (int64_t)log_count(LOG_LEVEL_ERROR));
	metrics_name_version[0] = api->version;
	metrics_process();
}

static int64_t stream_value(enum metric_id metric, const struct deliver_lag *lag)
{
	switch (metric) {
	case METRIC_ID_stream_lag:
		return lag->age_ms;
	case METRIC_ID_stream_waiting_events:
		return lag->waiting_events;
	case METRIC_ID_stream_unread_seqs:
		return lag->unread_seqs;
	default:
		return 0;
	}
}

static void on_stream_metric(void *arg, size_t metric, struct ssf_buf *out)
{
	const struct lags *lags = arg;

	for (size_t i = 0; i < lags->count; i++) {
		const char *const values[] = { lags->list[i].stream };
		metric_write(&metrics_table[metric], values,
			     stream_value((enum metric_id)metric, &lags->list[i]), out);
	}
}

void api_metrics(const struct call *c)
{
	ssf_auto_buf text = SSF_BUF(TEXT_MAX);
	struct lags lags = { 0 };
	struct ssf_err err;

	collect(c->api);
	collect_streams(c->api, &lags);
	metrics_text(metrics_table, METRIC_ID_COUNT, metrics_cells, on_stream_metric, &lags, &text);
	free(lags.list);
	if (ssf_buf_failed(&text)) {
		ssf_fail(&err, SSF_E_NOMEM, "metrics");
		http_reply_error(c->req, 0, &err);
		return;
	}
	http_reply(c->req, &(struct http_answer){ .status = 200,
						  .content_type = METRICS_MEDIA_TYPE,
						  .body = ssf_buf_str(&text),
						  .headers = { { "Cache-Control", "no-store" } } });
}
