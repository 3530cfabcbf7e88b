/* SPDX-License-Identifier: Apache-2.0 */
/* The text that Prometheus reads, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/kit/metrics.h"
#include "lib/ssf/attr.h"

static const char *const colours[] = { "red", "say \"hi\"", "back\\slash\nline", NULL };
static const char *const sizes[] = { "s", "l" };
static const struct metric_label colour = { "colour", colours, 4 };
static const struct metric_label size = { "size", sizes, 2 };
static const int64_t bounds[] = { 250, 1000, 2500000 };

enum { PLAIN, LABELLED, TIMES, BY_SIZE, SPARSE, FOREIGN, COUNT };

/* Cells: 0, 1 to 8, 9 to 13, 14 to 23, 24 and 25. */
static const struct metric table[COUNT] = {
	[PLAIN] = { .name = "a_bytes", .type = METRIC_GAUGE, .help = "Of \"a\",\nwith \\.",
		    .labels = { &metric_no_label, &metric_no_label } },
	[LABELLED] = { .name = "b_total", .type = METRIC_COUNTER, .help = "B.", .cell = 1,
		       .labels = { &colour, &size } },
	[TIMES] = { .name = "c_seconds", .type = METRIC_HISTOGRAM, .help = "C.", .decimals = 6, .cell = 9,
		    .bounds = bounds, .bound_count = 3, .labels = { &metric_no_label, &metric_no_label } },
	[BY_SIZE] = { .name = "d_seconds", .type = METRIC_HISTOGRAM, .help = "D.", .decimals = 6, .cell = 14,
		      .bounds = bounds, .bound_count = 3, .labels = { &size, &metric_no_label } },
	[SPARSE] = { .name = "e_seconds_total", .type = METRIC_COUNTER, .help = "E.", .decimals = 3,
		     .cell = 24, .labels = { &size, &metric_no_label }, .sparse = true },
	[FOREIGN] = { .name = "f", .type = METRIC_GAUGE, .help = "F.",
		      .labels = { &size, &metric_no_label }, .decimals = 3, .foreign = true },
};
#define CELLS 26

static void more(void *arg, size_t metric, struct ssf_buf *out)
{
	const char *const values[] = { "x\"y" };

	(void)arg;
	assert_int_equal(metric, 1); /* in the part of the table that is asked for */
	metric_write(&table[FOREIGN], values, 1500, out);
	metric_write(&table[FOREIGN], values, 0, out);
}

static void text_of(const int64_t *cells, size_t first, size_t count, struct ssf_buf *out)
{
	metrics_text(table + first, count, cells, more, NULL, out);
	assert_false(ssf_buf_failed(out));
}

static void values_and_labels_are_escaped(void **state)
{
	ssf_auto_buf out = SSF_BUF(65536);
	int64_t cells[CELLS] = { [0] = -7, [1] = 1, [2] = 2, [4] = 4, [6] = 6, [7] = 8, [8] = 9 };

	(void)state;
	text_of(cells, PLAIN, 2, &out);
	assert_string_equal(out.ptr,
			    "# HELP a_bytes Of \"a\",\\nwith \\\\.\n"
			    "# TYPE a_bytes gauge\n"
			    "a_bytes -7\n"
			    "# HELP b_total B.\n"
			    "# TYPE b_total counter\n"
			    "b_total{colour=\"red\",size=\"s\"} 1\n"
			    "b_total{colour=\"red\",size=\"l\"} 2\n"
			    "b_total{colour=\"say \\\"hi\\\"\",size=\"s\"} 0\n"
			    "b_total{colour=\"say \\\"hi\\\"\",size=\"l\"} 4\n"
			    "b_total{colour=\"back\\\\slash\\nline\",size=\"s\"} 0\n"
			    "b_total{colour=\"back\\\\slash\\nline\",size=\"l\"} 6\n");
}

static void buckets_are_upper_bounds_and_cumulative(void **state)
{
	static const int64_t seen[] = { 0, 250, 251, 1000, 2500000, 2500001, 10000000, -5 };
	ssf_auto_buf out = SSF_BUF(65536);
	int64_t cells[CELLS] = { 0 };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(seen); i++)
		metric_observe_in(&table[TIMES], cells, 0, seen[i]);
	text_of(cells, TIMES, 1, &out);
	assert_string_equal(out.ptr,
			    "# HELP c_seconds C.\n"
			    "# TYPE c_seconds histogram\n"
			    "c_seconds_bucket{le=\"0.00025\"} 3\n"
			    "c_seconds_bucket{le=\"0.001\"} 5\n"
			    "c_seconds_bucket{le=\"2.5\"} 6\n"
			    "c_seconds_bucket{le=\"+Inf\"} 8\n"
			    "c_seconds_sum 15.001502\n"
			    "c_seconds_count 8\n");
}

static void each_series_has_its_own_cells(void **state)
{
	ssf_auto_buf out = SSF_BUF(65536);
	int64_t cells[CELLS] = { 0 };

	(void)state;
	metric_observe_in(&table[BY_SIZE], cells, 1, 1000);
	for (size_t i = 0; i < CELLS; i++)
		assert_int_equal(cells[i], i == 20 ? 1 : i == 23 ? 1000 : 0);
	text_of(cells, BY_SIZE, 1, &out);
	assert_string_equal(out.ptr,
			    "# HELP d_seconds D.\n"
			    "# TYPE d_seconds histogram\n"
			    "d_seconds_bucket{size=\"s\",le=\"0.00025\"} 0\n"
			    "d_seconds_bucket{size=\"s\",le=\"0.001\"} 0\n"
			    "d_seconds_bucket{size=\"s\",le=\"2.5\"} 0\n"
			    "d_seconds_bucket{size=\"s\",le=\"+Inf\"} 0\n"
			    "d_seconds_sum{size=\"s\"} 0\n"
			    "d_seconds_count{size=\"s\"} 0\n"
			    "d_seconds_bucket{size=\"l\",le=\"0.00025\"} 0\n"
			    "d_seconds_bucket{size=\"l\",le=\"0.001\"} 1\n"
			    "d_seconds_bucket{size=\"l\",le=\"2.5\"} 1\n"
			    "d_seconds_bucket{size=\"l\",le=\"+Inf\"} 1\n"
			    "d_seconds_sum{size=\"l\"} 0.001\n"
			    "d_seconds_count{size=\"l\"} 1\n");
}

static void what_is_sparse_shows_what_there_is(void **state)
{
	ssf_auto_buf out = SSF_BUF(65536);
	int64_t cells[CELLS] = { [25] = 12340 };

	(void)state;
	text_of(cells, SPARSE, 2, &out);
	assert_string_equal(out.ptr,
			    "# HELP e_seconds_total E.\n"
			    "# TYPE e_seconds_total counter\n"
			    "e_seconds_total{size=\"l\"} 12.34\n"
			    "# HELP f F.\n"
			    "# TYPE f gauge\n"
			    "f{size=\"x\\\"y\"} 1.5\n"
			    "f{size=\"x\\\"y\"} 0\n");
}

static void cells_are_counted(void **state)
{
	static const size_t expected[COUNT] = { 1, 8, 5, 10, 2, 0 };

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(metric_cell_count(&table[i]), expected[i]);
}

static void a_limit_is_a_failure(void **state)
{
	ssf_auto_buf out = SSF_BUF(100);
	int64_t cells[CELLS] = { 0 };

	(void)state;
	metrics_text(table, FOREIGN, cells, more, NULL, &out);
	assert_true(ssf_buf_failed(&out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_labels_are_escaped),
		cmocka_unit_test(buckets_are_upper_bounds_and_cumulative),
		cmocka_unit_test(each_series_has_its_own_cells),
		cmocka_unit_test(what_is_sparse_shows_what_there_is),
		cmocka_unit_test(cells_are_counted),
		cmocka_unit_test(a_limit_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
