/* SPDX-License-Identifier: Apache-2.0 */
/* What the process tells about itself: health, metrics, status. */
#pragma once

#include "hub/api/api_request.h"
#include "hub/api/monitor/readiness.h"
#include "hub/deliver/deliver.h"
#include "hub/ingest/batch.h"
#include "hub/rules/consumer.h"
#include "lib/kit/pool.h"

/* Borrowed, but for the counters at the end. */
struct monitor_api {
	const struct readiness *readiness;
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	struct batch *batch;
	struct rules_consumer *rules;
	struct deliver *deliver;
	struct pool *signing_pool;
	const struct http_server *server;
	const struct http_client *push_client;
	const char *issuer;
	const char *version;
	int64_t max_connections;      /* settings, shown beside what they bound */
	int64_t crypto_threads;
	int64_t database_connections;
	int64_t metrics_streams;      /* with more streams, none has series of its own */
	int64_t started_ms;           /* monotonic */
	struct {
		int64_t warnings, errors, push_connects; /* as far as they were counted */
	} followed;
};
