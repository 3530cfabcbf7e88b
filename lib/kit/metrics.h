/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process counts, for Prometheus. A table says what there is, an array of cells holds the
 * values: a metric has a cell for each combination of its labels' values, and a histogram for each
 * of those one a bucket, one for what is above them and one for the sum. So an increment is an
 * add. Cells are integers; decimals says of which part of the unit: 6 for a metric in seconds whose
 * cells count microseconds. Nothing here keeps anything: table and cells are the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* How the values of several processes are one. */
enum metric_over { METRIC_SUM, METRIC_MAX, METRIC_MIN };

#define METRIC_LABELS 2

/* values[i] NULL: there is no such value, and no sample of it. */
struct metric_label {
	const char *name;
	const char *const *values;
	size_t count;
};
extern const struct metric_label metric_no_label; /* where there is none */

struct metric {
	const char *name;
	enum metric_type type;
	const char *help;
	unsigned decimals;
	const struct metric_label *labels[METRIC_LABELS]; /* the last varies fastest */
	const int64_t *bounds;     /* of a histogram: upper ones, rising, as its cells count */
	size_t bound_count;
	size_t cell;               /* the first of its cells */
	bool sparse;               /* what is 0 is not shown: most of its label values never are */
	bool foreign;              /* without cells: others write its samples */
	enum metric_over over;
};

/* How many cells a metric has. */
size_t metric_cell_count(const struct metric *m);

/* Of a histogram: counts a value, for the series of its labels (0 without). */
void metric_observe_in(const struct metric *m, int64_t *cells, size_t series, int64_t value);

/* Adds the cells of another process, which goes on counting meanwhile, to what all before it have together. */
void metrics_join(const struct metric *table, size_t count, const int64_t *cells, int64_t *together);

/* A sample of a foreign metric; a value for each of its labels. */
void metric_write(const struct metric *m, const char *const *values, int64_t value, struct ssf_buf *out);

/*
 * Appends the whole table in text format 0.0.4 ("Exposition formats" of prometheus.io); more writes the
 * samples of each foreign metric, by its place in the table. A failure is out's.
 */
#define METRICS_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"
typedef void metric_more_f(void *arg, size_t metric, struct ssf_buf *out);
void metrics_text(const struct metric *table, size_t count, const int64_t *cells, metric_more_f *more,
		  void *arg, struct ssf_buf *out);
