/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's metrics (metrics.def) and their cells: with the log the one thing that is global, because
 * everything counts. In the loop's thread alone. An increment is an add to a cell whose place the
 * compiler knows:
 *
 *   metric_add(commit_failures, 1);
 *   metric_add_of(log_entries, LABEL_level_warn, 1);
 *   metric_add_of2(ingest_requests, LABEL_source_set, LABEL_taken_accepted, 1);
 *   metric_observe(commit_seconds, loop_now_us() - began);
 *
 * Label values are those of the metric's own labels, below their count.
 *
 * Where several processes serve together, each has cells of its own in memory that all see, and any of
 * them shows all together (share.c).
 */
#pragma once

#include "lib/kit/metrics.h"
#include "lib/ssf/err.h"

/* LABEL_<set>_<id>, and LABEL_<set>_COUNT. "none" is one value without a name. */
enum { LABEL_none_COUNT = 1 };
#define LABELS(set, name) enum label_##set {
#define LABEL(set, id, text) LABEL_##set##_##id,
#define LABELS_END(set) LABEL_##set##_COUNT };
#define OPEN_LABELS(set, name, max) enum { LABEL_##set##_COUNT = (max) };
#include "hub/metrics/metrics.def"

/* How many cells a series has: one, or of a histogram its buckets, what is above, and the sum. */
enum {
	METRIC_WIDTH_none = 1,
#define BUCKETS(set, ...) METRIC_WIDTH_##set = sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t) + 2,
#include "hub/metrics/metrics.def"
};

/* Places in the table. */
enum metric_id {
#define METRIC(type, id, name, decimals, a, b, buckets, help) METRIC_ID_##id,
#define STREAM_METRIC(id, name, decimals, help) METRIC_ID_##id,
#include "hub/metrics/metrics.def"
	METRIC_ID_COUNT
};

/* The first cell of each, and the last. */
enum {
#define METRIC(type, id, name, decimals, a, b, buckets, help) \
	METRIC_CELL_##id, \
	METRIC_LAST_##id = METRIC_CELL_##id + LABEL_##a##_COUNT * LABEL_##b##_COUNT * METRIC_WIDTH_##buckets - 1,
#include "hub/metrics/metrics.def"
	METRIC_CELL_COUNT
};

/* How far the values of the first label are apart. */
enum {
#define METRIC(type, id, name, decimals, a, b, buckets, help) METRIC_STEP_##id = LABEL_##b##_COUNT,
#include "hub/metrics/metrics.def"
};

extern const struct metric metrics_table[METRIC_ID_COUNT];
extern int64_t *metrics_cells; /* of this process */

#define metric_add_of2(id, a, b, n) \
	((void)(metrics_cells[METRIC_CELL_##id + (size_t)(a) * METRIC_STEP_##id + (size_t)(b)] += (n)))
#define metric_add_of(id, a, n) metric_add_of2(id, a, 0, n)
#define metric_add(id, n) metric_add_of2(id, 0, 0, n)
#define metric_set_of(id, a, value) \
	((void)(metrics_cells[METRIC_CELL_##id + (size_t)(a) * METRIC_STEP_##id] = (value)))
#define metric_set(id, value) metric_set_of(id, 0, value)
#define metric_observe_of(id, a, value) \
	metric_observe_in(&metrics_table[METRIC_ID_##id], metrics_cells, (size_t)(a), (value))
#define metric_observe(id, value) metric_observe_of(id, 0, value)

/* Names a value of an open label: metrics_name_<set>[value] = text, which stays. */
#define OPEN_LABELS(set, name, max) extern const char *metrics_name_##set[max];
#include "hub/metrics/metrics.def"

/* What the kernel knows of this process, into the cells of process_*. */
void metrics_process(void);

/* A counter that somebody else keeps: last is what it was told to be when it was asked last. */
#define metric_follow(id, a, value, last) \
	do { \
		metric_add_of(id, a, (int64_t)(value) - *(last)); \
		*(last) = (int64_t)(value); \
	} while (0)

/* --- share.c: all processes ------------------------------------------------------------------------ */

#define METRICS_STREAM_ID 129

/* What is shown of a stream, by the process that serves it. */
struct metrics_stream {
	char id[METRICS_STREAM_ID];
	int64_t lag_ms;
	int64_t waiting_events;
	int64_t unread_seqs;
};

/*
 * Before there is more than one process: room for all of them, and for so many streams of each.
 * metrics_be() says in each which one it is, from 0: its counters go on where those of the one before it in
 * that place have ended, its states begin at 0. Without metrics_open() there is one, and no streams.
 */
ssf_nodiscard int metrics_open(unsigned processes, size_t streams, struct ssf_err *err);
void metrics_be(unsigned process);
void metrics_close(void);
unsigned metrics_processes(void);

/* The streams of this process, anew: puts up to the number that was opened, then ends. */
void metrics_streams_begin(void);
void metrics_streams_put(const char *id, int64_t lag_ms, int64_t waiting_events, int64_t unread_seqs);
void metrics_streams_end(void);

/* All processes together: the cells; and their streams, in an array to be freed, NULL when out of memory. */
void metrics_together(int64_t cells[METRIC_CELL_COUNT]);
struct metrics_stream *metrics_streams_together(size_t *count);
