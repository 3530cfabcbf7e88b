/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's table of metrics: the macros write to its cells, and so do the readings of the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/metrics/metrics.h"
#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"

static void no_streams(void *arg, size_t metric, struct ssf_buf *out)
{
	(void)arg;
	(void)metric;
	(void)out;
}

static bool shows(const char *line)
{
	ssf_auto_buf out = SSF_BUF(1024 * 1024);

	metrics_text(metrics_table, METRIC_ID_COUNT, metrics_cells, no_streams, NULL, &out);
	assert_false(ssf_buf_failed(&out));
	return strstr(out.ptr, line) != NULL;
}

static void cells_follow_each_other(void **state)
{
	size_t next = 0;

	(void)state;
	for (size_t i = 0; i < METRIC_ID_COUNT; i++) {
		if (metrics_table[i].foreign)
			continue;
		assert_int_equal(metrics_table[i].cell, next);
		next += metric_cell_count(&metrics_table[i]);
	}
	assert_int_equal(next, METRIC_CELL_COUNT);
}

static void macros_write_what_is_shown(void **state)
{
	(void)state;
	metric_add(commit_failures, 2);
	metric_add_of(log_entries, LABEL_level_error, 3);
	metric_add_of2(ingest_requests, LABEL_source_set, LABEL_taken_duplicate, 4);
	metric_set(pool_queue_jobs, 5);
	metric_observe(commit_seconds, 1500);
	assert_true(shows("\nssfhub_commit_failures_total 2\n"));
	assert_true(shows("\nssfhub_log_entries_total{level=\"warn\"} 0\n"));
	assert_true(shows("\nssfhub_log_entries_total{level=\"error\"} 3\n"));
	assert_true(shows("\nssfhub_ingest_requests_total{source=\"set\",result=\"duplicate\"} 4\n"));
	assert_true(shows("\nssfhub_ingest_requests_total{source=\"set\",result=\"accepted\"} 0\n"));
	assert_true(shows("\nssfhub_pool_queue_jobs 5\n"));
	assert_true(shows("\nssfhub_commit_seconds_sum 0.0015\n"));
}

static void open_labels_have_the_names_they_get(void **state)
{
	(void)state;
	metrics_name_route[7] = "GET /x";
	metrics_name_status[1] = "200";
	metric_add_of2(http_requests, 7, 1, 6);
	metric_add_of2(http_requests, 6, 1, 6); /* has no name */
	assert_true(shows("\nssfhub_http_requests_total{route=\"GET /x\",status=\"200\"} 6\n# "));
}

static void the_process_is_ours(void **state)
{
	int64_t fds, now = wall_now_ms();
	int fd;

	(void)state;
	metrics_process();
	fds = metrics_cells[METRIC_CELL_process_fds];
	assert_true(fds >= 3);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	metrics_process();
	assert_int_equal(metrics_cells[METRIC_CELL_process_fds], fds + 1);
	close(fd);
	assert_true(metrics_cells[METRIC_CELL_process_fds_max] > fds);
	assert_true(metrics_cells[METRIC_CELL_process_resident] > 1000000);
	assert_true(metrics_cells[METRIC_CELL_process_virtual] > metrics_cells[METRIC_CELL_process_resident]);
	assert_true(metrics_cells[METRIC_CELL_process_cpu] > 0);
	assert_in_range(now - metrics_cells[METRIC_CELL_process_start] + 1000, 0, 60000);
}

/* The work of process number p. */
static void be_process(unsigned p)
{
	metrics_be(p);
	metric_add(commit_failures, p + 1);
	metric_observe(commit_seconds, 1500);
	metric_set(pool_queue_jobs, 10);
	metric_set(log_head_seq, 100 + p);
	metric_set(ready, p != 1);
	metrics_streams_begin();
	for (unsigned i = 0; i <= p; i++)
		metrics_streams_put(p == 1 ? "one" : "other", 1000 + p, 10, i);
	metrics_streams_end();
}

static void run_process(unsigned p)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		be_process(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void processes_are_one(void **state)
{
	int64_t *cells = calloc(METRIC_CELL_COUNT, sizeof(*cells));
	struct metrics_stream *streams;
	struct ssf_err err;
	size_t count;

	(void)state;
	assert_int_equal(metrics_open(3, 2, &err), 0);
	for (unsigned p = 0; p < 3; p++)
		run_process(p);
	metrics_together(cells);
	assert_int_equal(cells[METRIC_CELL_commit_failures], 1 + 2 + 3);
	assert_int_equal(cells[METRIC_LAST_commit_seconds], 3 * 1500);
	assert_int_equal(cells[METRIC_CELL_pool_queue_jobs], 30);
	assert_int_equal(cells[METRIC_CELL_log_head_seq], 102);
	assert_int_equal(cells[METRIC_CELL_ready], 0);
	streams = metrics_streams_together(&count);
	assert_int_equal(count, 1 + 2 + 2); /* the rest does not fit */
	assert_string_equal(streams[1].id, "one");
	assert_int_equal(streams[2].lag_ms, 1001);
	assert_int_equal(streams[2].unread_seqs, 1);
	free(streams);

	/* a process that replaces one: counters continue, gauges begin at 0 */
	metrics_be(2);
	metrics_together(cells);
	assert_int_equal(cells[METRIC_CELL_commit_failures], 6);
	assert_int_equal(cells[METRIC_CELL_pool_queue_jobs], 20);
	streams = metrics_streams_together(&count);
	assert_int_equal(count, 3);
	free(streams);
	free(cells);
	metrics_close();
	assert_int_equal(metrics_processes(), 1);
}

/* A process was killed while it wrote: its streams are not shown, and no reader waits for it. */
static void rows_that_are_being_written_are_not_shown(void **state)
{
	struct metrics_stream *streams;
	struct ssf_err err;
	size_t count;

	(void)state;
	assert_int_equal(metrics_open(2, 2, &err), 0);
	metrics_streams_begin();
	metrics_streams_put("half", 1, 1, 1);
	streams = metrics_streams_together(&count);
	assert_int_equal(count, 0);
	free(streams);
	metrics_streams_end();
	streams = metrics_streams_together(&count);
	assert_int_equal(count, 1);
	free(streams);
	metrics_close();
}

static void what_somebody_else_counts_is_followed(void **state)
{
	int64_t last = 0, before = metrics_cells[METRIC_CELL_client_connects];

	(void)state;
	metric_follow(client_connects, 0, 5, &last);
	metric_follow(client_connects, 0, 5, &last);
	metric_follow(client_connects, 0, 7, &last);
	assert_int_equal(metrics_cells[METRIC_CELL_client_connects] - before, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_follow_each_other),
		cmocka_unit_test(macros_write_what_is_shown),
		cmocka_unit_test(open_labels_have_the_names_they_get),
		cmocka_unit_test(the_process_is_ours),
		cmocka_unit_test(processes_are_one),
		cmocka_unit_test(rows_that_are_being_written_are_not_shown),
		cmocka_unit_test(what_somebody_else_counts_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
