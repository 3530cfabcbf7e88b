/* SPDX-License-Identifier: Apache-2.0 */
/* The table, which the compiler makes. */
#include "hub/metrics/metrics.h"

#include "lib/ssf/attr.h"

/* Value arrays of the label sets. */
#define LABELS(set, name) static const char *const values_##set[] = {
#define LABEL(set, id, text) text,
#define LABELS_END(set) };
#define OPEN_LABELS(set, name, max) const char *metrics_name_##set[max];
#include "hub/metrics/metrics.def"

#define LABELS(set, name) \
	static const struct metric_label label_##set = { name, values_##set, LABEL_##set##_COUNT };
#define LABEL(set, id, text)
#define LABELS_END(set)
#define OPEN_LABELS(set, name, max) \
	static const struct metric_label label_##set = { name, metrics_name_##set, max };
#include "hub/metrics/metrics.def"

static const char *const stream_values[] = { NULL };
static const struct metric_label label_stream = { "stream", stream_values, 1 };

/* Of an open one most samples would be 0. */
enum {
	IS_OPEN_none = 0,
#define LABELS(set, name) IS_OPEN_##set = 0,
#define LABEL(set, id, text)
#define LABELS_END(set)
#define OPEN_LABELS(set, name, max) IS_OPEN_##set = 1,
#include "hub/metrics/metrics.def"
};

#define BUCKETS(set, ...) static const int64_t bounds_##set[] = { __VA_ARGS__ };
#include "hub/metrics/metrics.def"

/* What the types of metrics.def are. */
#define TYPE_COUNTER METRIC_COUNTER
#define TYPE_HISTOGRAM METRIC_HISTOGRAM
#define TYPE_GAUGE METRIC_GAUGE
#define TYPE_GAUGE_MAX METRIC_GAUGE
#define TYPE_GAUGE_MIN METRIC_GAUGE
#define OVER_COUNTER METRIC_SUM
#define OVER_HISTOGRAM METRIC_SUM
#define OVER_GAUGE METRIC_SUM
#define OVER_GAUGE_MAX METRIC_MAX
#define OVER_GAUGE_MIN METRIC_MIN

#define label_none metric_no_label
#define bounds_none NULL
const struct metric metrics_table[METRIC_ID_COUNT] = {
#define METRIC(type, id, name, decimals, a, b, buckets, help) \
	{ name, TYPE_##type, help, decimals, { &label_##a, &label_##b }, bounds_##buckets, \
	  TYPE_##type == METRIC_HISTOGRAM ? METRIC_WIDTH_##buckets - 2 : 0, METRIC_CELL_##id, \
	  IS_OPEN_##a || IS_OPEN_##b, false, OVER_##type },
#define STREAM_METRIC(id, name, decimals, help) \
	{ name, METRIC_GAUGE, help, decimals, { &label_stream, &metric_no_label }, NULL, 0, 0, false, true, METRIC_SUM },
#include "hub/metrics/metrics.def"
};
