/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit and the tail of the log on a PostgreSQL of their own: what goes into one commit, what of it comes
 * back from the database, and when nothing more is taken.
 */
#include "hub/ingest/batch.h"

#include "hub/postgres/postgres.h"
#include "hub/db/migrate.h"
#include "tests/unit/support/pg_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000

static char *server_dir;
static struct postgres *server;

struct fixture {
	char *database;
	struct loop *loop;
	struct db *db;
	struct event_log *log;
	struct batch *batch;
	struct loop_timer *deadline;
	size_t pending;      /* appends that were not answered yet */
	int64_t head_wanted; /* the loop ends when the log has come to it, and nothing is pending */
	int64_t first_seq;   /* of the append that was answered last */
	size_t id;
};

static int start_server(void **state)
{
	(void)state;
	server_dir = pg_dir_new();
	server = pg_dir_start(server_dir);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	postgres_stop(server);
	pg_dir_remove(server_dir);
	return 0;
}

static void on_deadline(void *arg)
{
	(void)arg;
	fail_msg("not in time");
}

static void stop_if_done(struct fixture *f)
{
	if (f->pending == 0 && event_log_head(f->log) >= f->head_wanted)
		loop_stop(f->loop);
}

static void on_db_state(void *arg, bool up)
{
	struct fixture *f = arg;

	if (up && f->loop != NULL)
		loop_stop(f->loop);
}

static void on_head(void *arg, int64_t head)
{
	(void)head;
	stop_if_done(arg);
}

static void run(struct fixture *f, int64_t head)
{
	f->head_wanted = head;
	if (f->pending > 0 || event_log_head(f->log) < head)
		loop_run(f->loop);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	pg_run(postgres_conninfo(server), "create database test");
	assert_true(asprintf(&f->database, "%s dbname=test", postgres_conninfo(server)) > 0);
	const struct db_conf conf = { .conninfo = f->database, .connections = 2, .queue_max = 100,
				      .timeout_ms = WAIT_MS };
	if (migrate(f->database, 5000, &err) < 0 || loop_new(&f->loop, &err) < 0 ||
	    db_new(f->loop, &conf, on_db_state, f, &f->db, &err) < 0)
		fail_msg("%s", err.msg);
	f->deadline = loop_timer_start(f->loop, WAIT_MS, on_deadline, NULL);
	loop_run(f->loop);
	/* one that the log begins behind */
	pg_run(f->database, "select append_events('[{\"origin\":\"o\",\"origin_id\":\"before\",\"type\":\"t\","
			    "\"txn\":\"x\",\"body\":{}}]'::jsonb)");
	if (event_log_new(f->loop, f->db, &f->log, &err) < 0 ||
	    batch_new(f->loop, f->db, f->log, &f->batch, &err) < 0)
		fail_msg("%s", err.msg);
	event_log_listen(f->log, on_head, f);
	event_log_wake(f->log);
	run(f, 1);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(f->deadline);
	batch_free(f->batch);
	event_log_free(f->log);
	db_free(f->db);
	loop_free(f->loop);
	pg_run(postgres_conninfo(server), "drop database test with (force)");
	free(f->database);
	free(f);
	return 0;
}

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct fixture *f = arg;

	f->pending--;
	f->first_seq = err == NULL ? first->seq : 0;
	stop_if_done(f);
}

/* One event of this body, under an id of its own. */
static int append(struct fixture *f, json_t *body, struct ssf_err *err)
{
	ssf_auto(drafts) drafts = drafts_new();
	struct batch_append *a;
	char id[32];

	snprintf(id, sizeof(id), "id-%zu", f->id++);
	struct draft d = { .origin = "issuer:i", .origin_id = id, .type = "t", .txn = "x", .body = body };
	if (draft_add(drafts, &d, err) < 0 || batch_append_start(f->batch, drafts, on_appended, f, &a, err) < 0)
		return -1;
	f->pending++;
	return 0;
}

static const struct event *event_at(const struct fixture *f, int64_t seq)
{
	struct event *events[1];
	size_t count;

	assert_true(event_log_recent(f->log, seq - 1, events, 1, &count));
	assert_int_equal(count, 1);
	assert_int_equal(events[0]->seq, seq);
	return events[0];
}

static void on_turn(void *arg)
{
	loop_stop(arg);
}

static void what_comes_while_a_commit_is_under_way_goes_into_the_next(void **state)
{
	struct fixture *f = *state;
	json_auto_t *body = json_object();
	ssf_auto_free char *commits = NULL;

	assert_int_equal(append(f, body, NULL), 0);
	f->head_wanted = INT64_MAX; /* only the turn ends it */
	loop_timer_start(f->loop, 1, on_turn, f->loop);
	loop_run(f->loop); /* it is sent; nothing waits for a batch to fill */
	for (int i = 0; i < 5; i++)
		assert_int_equal(append(f, body, NULL), 0);
	run(f, 7);
	assert_int_equal(f->first_seq, 7);
	commits = pg_ask(f->database, "select string_agg(n::text, ' ') from (select count(*) as n from event "
				      "where origin = 'issuer:i' group by xmin::text order by min(seq)) c");
	assert_string_equal(commits, "1 5");
}

static void what_was_committed_here_is_not_read_back(void **state)
{
	struct fixture *f = *state;
	json_auto_t *body = json_pack("{s:i, s:{s:[b,n]}}", "a", 1, "b", "c", 1);
	json_auto_t *fraction = json_pack("{s:f}", "a", 1.5);

	assert_int_equal(append(f, body, NULL), 0);
	run(f, 2);
	assert_ptr_equal(event_at(f, 2)->body, body);
	assert_true(event_at(f, 2)->at_ms > 0);
	/* the database may write it otherwise */
	assert_int_equal(append(f, fraction, NULL), 0);
	run(f, 3);
	assert_ptr_not_equal(event_at(f, 3)->body, fraction);
	assert_true(json_equal(event_at(f, 3)->body, fraction));
	/* a number is missing in between: somebody else has it, and it comes first */
	pg_run(f->database, "select append_events('[{\"origin\":\"o\",\"origin_id\":\"other\",\"type\":\"t\","
			    "\"txn\":\"x\",\"body\":{\"other\":1}}]'::jsonb)");
	assert_int_equal(append(f, body, NULL), 0);
	run(f, 5);
	assert_string_equal(event_at(f, 4)->origin_id, "other");
	assert_ptr_not_equal(event_at(f, 5)->body, body);
	assert_true(json_equal(event_at(f, 5)->body, body));
	/* and from there on as before */
	assert_int_equal(append(f, body, NULL), 0);
	run(f, 6);
	assert_ptr_equal(event_at(f, 6)->body, body);
}

static void a_repeat_is_told_of_the_first(void **state)
{
	struct fixture *f = *state;
	json_auto_t *body = json_object();

	assert_int_equal(append(f, body, NULL), 0);
	run(f, 2);
	f->id--;
	assert_int_equal(append(f, body, NULL), 0);
	f->id--;
	assert_int_equal(append(f, body, NULL), 0);
	run(f, 2);
	assert_int_equal(f->first_seq, 2);
	assert_int_equal(event_log_head(f->log), 2);
	assert_int_equal(event_log_count(f->log, 0), 2);
}

static void what_waits_is_bounded_by_number_and_by_bytes(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(DRAFT_BODY_MAX);
	struct ssf_err err = { 0 };
	size_t taken = 0;

	/* nothing is sent: the loop does not run */
	memset(text, 'x', DRAFT_BODY_MAX);
	json_auto_t *large = json_pack("{s:s#}", "a", text, DRAFT_BODY_MAX - 100), *small = json_object();
	while (append(f, large, &err) == 0)
		taken++;
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_in_range(taken, BATCH_QUEUE_BYTES / DRAFT_BODY_MAX / 2, BATCH_QUEUE_BYTES / DRAFT_BODY_MAX + 1);
	batch_free(f->batch);
	assert_int_equal(f->pending, 0);
	assert_int_equal(batch_new(f->loop, f->db, f->log, &f->batch, &err), 0);
	for (taken = 0; append(f, small, &err) == 0; taken++)
		;
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_int_equal(taken, BATCH_QUEUE);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_comes_while_a_commit_is_under_way_goes_into_the_next, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_committed_here_is_not_read_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_repeat_is_told_of_the_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_waits_is_bounded_by_number_and_by_bytes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
