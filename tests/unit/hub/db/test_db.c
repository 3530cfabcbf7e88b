/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on a PostgreSQL of their own: each is answered once, whatever happens to its connection. */
#include "hub/db/db.h"

#include "hub/db/migrate.h"
#include "hub/db/pq.h"
#include "hub/postgres/postgres.h"
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
static char *conninfo;

struct answer {
	struct fixture *f;
	int count;
	enum ssf_code code;
	char msg[128];
	size_t rows;
};

struct fixture {
	struct loop *loop;
	struct db *db;
	struct loop_timer *deadline;
	int awaited; /* answers until the loop ends */
	bool up, want_up;
};

static int start_server(void **state)
{
	struct ssf_err err;

	(void)state;
	server_dir = pg_dir_new();
	server = pg_dir_start(server_dir);
	pg_run(postgres_conninfo(server), "create database test");
	assert_true(asprintf(&conninfo, "%s dbname=test", postgres_conninfo(server)) > 0);
	if (migrate(conninfo, 5000, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	postgres_stop(server);
	pg_dir_remove(server_dir);
	free(conninfo);
	return 0;
}

static void on_late(void *arg)
{
	(void)arg;
	fail_msg("not in time");
}

static void on_state(void *arg, bool up)
{
	struct fixture *f = arg;

	f->up = up;
	if (up == f->want_up)
		loop_stop(f->loop);
}

static void on_answer(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct answer *a = arg;

	a->count++;
	a->code = err != NULL ? err->code : SSF_OK;
	a->rows = err == NULL ? db_rows(r) : 0;
	if (err != NULL)
		snprintf(a->msg, sizeof(a->msg), "%.*s", (int)sizeof(a->msg) - 1, err->msg);
	if (a->f != NULL && --a->f->awaited == 0)
		loop_stop(a->f->loop);
}

static void open_db(struct fixture *f, int timeout_ms)
{
	const struct db_conf conf = { .conninfo = conninfo, .connections = 1, .queue_max = 2,
				      .timeout_ms = timeout_ms };
	struct ssf_err err;

	if (loop_new(&f->loop, &err) < 0 || db_new(f->loop, &conf, on_state, f, &f->db, &err) < 0)
		fail_msg("%s", err.msg);
	f->deadline = loop_timer_start(f->loop, WAIT_MS, on_late, NULL);
	f->want_up = true;
}

static void run_until_up(struct fixture *f)
{
	f->want_up = true;
	if (!f->up)
		loop_run(f->loop);
}

static void close_db(struct fixture *f)
{
	loop_timer_cancel(f->deadline);
	db_stop(f->db);
	db_free(f->db);
	loop_free(f->loop);
}

/* Reads the log from its start: any statement would do. */
static struct db_op *ask(struct fixture *f, struct answer *a, enum ssf_code wanted)
{
	struct db_op *op = NULL;
	struct ssf_err err = { .code = SSF_OK };

	a->f = f;
	if (db_exec(f->db, STMT_event_after, DB_PARAMS(db_param_int(0), db_param_int(10)), on_answer, a, &op, &err) == 0)
		f->awaited++;
	assert_int_equal(err.code, wanted);
	return op;
}

static void statement_fails_at_once_while_no_connection_is_up(void **state)
{
	struct fixture f = { 0 };
	struct answer a = { 0 };

	(void)state;
	open_db(&f, WAIT_MS);
	ask(&f, &a, SSF_E_UNAVAILABLE);
	run_until_up(&f);
	ask(&f, &a, SSF_OK);
	loop_run(f.loop);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.code, SSF_OK);
	close_db(&f);
}

static void queue_is_bounded_and_a_cancelled_statement_is_not_answered(void **state)
{
	struct fixture f = { 0 };
	struct answer runs = { 0 }, waits = { 0 }, cancelled = { 0 }, too_many = { 0 };

	(void)state;
	open_db(&f, WAIT_MS);
	run_until_up(&f);
	ask(&f, &runs, SSF_OK);
	ask(&f, &waits, SSF_OK);
	struct db_op *op = ask(&f, &cancelled, SSF_OK);
	ask(&f, &too_many, SSF_E_BUSY);
	assert_int_equal(db_queued(f.db), 2);
	db_cancel(op);
	f.awaited--;
	loop_run(f.loop);
	assert_int_equal(runs.count + waits.count, 2);
	assert_int_equal(cancelled.count + too_many.count, 0);
	close_db(&f);
}

static void statements_are_answered_when_the_connection_is_dropped_and_work_on_the_next(void **state)
{
	struct fixture f = { 0 };
	struct answer runs = { 0 }, waits = { 0 }, later = { 0 };

	(void)state;
	open_db(&f, WAIT_MS);
	run_until_up(&f);
	ask(&f, &runs, SSF_OK);
	ask(&f, &waits, SSF_OK);
	f.want_up = false;
	db_drop(f.db, "test");
	assert_int_equal(runs.code, SSF_E_UNAVAILABLE);
	assert_int_equal(waits.code, SSF_E_UNAVAILABLE);
	assert_string_equal(runs.msg, "the database is away");
	assert_false(f.up);
	run_until_up(&f);
	ask(&f, &later, SSF_OK);
	loop_run(f.loop);
	assert_int_equal(later.code, SSF_OK);
	close_db(&f);
}

static void late_statement_ends_with_its_connection(void **state)
{
	struct fixture f = { 0 };
	struct answer late = { 0 };
	struct ssf_err err;
	struct db_op *op;

	(void)state;
	open_db(&f, 500);
	run_until_up(&f);
	pq_auto_conn pg = NULL;
	assert_int_equal(pq_connect(conninfo, NULL, 5, &pg, &err), 0);
	assert_int_equal(pq_exec(pg, "begin; lock table signing_key in access exclusive mode", NULL, 0, NULL, &err), 0);
	late.f = &f;
	f.awaited = 1;
	assert_int_equal(db_exec(f.db, STMT_signing_keys, DB_NO_PARAMS, on_answer, &late, &op, &err), 0);
	loop_run(f.loop);
	assert_int_equal(late.code, SSF_E_TIMEOUT);
	assert_int_equal(late.count, 1);
	close_db(&f);
}

static void refused_statement_says_nothing_of_the_server(void **state)
{
	struct fixture f = { 0 };
	struct answer refused = { 0 }, conflict = { 0 };
	struct ssf_err err;
	struct db_op *op;

	(void)state;
	open_db(&f, WAIT_MS);
	run_until_up(&f);
	refused.f = conflict.f = &f;
	f.awaited = 2;
	assert_int_equal(db_exec(f.db, STMT_owner_leave, DB_PARAMS(db_param_uuid("no uuid")), on_answer, &refused, &op,
				 &err), 0);
	assert_int_equal(db_exec(f.db, STMT_signing_key_revoke, DB_PARAMS(db_param_text("none"), db_param_null()),
				 on_answer, &conflict, &op, &err), 0);
	loop_run(f.loop);
	assert_int_equal(refused.code, SSF_E_INTERNAL);
	assert_string_equal(refused.msg, "the database refused a statement; see the log");
	assert_int_equal(conflict.code, SSF_E_CONFLICT); /* in the words of the function that raised it */
	assert_non_null(strstr(conflict.msg, "no such key"));
	close_db(&f);
}

static void stopping_answers_every_detached_statement(void **state)
{
	struct fixture f = { 0 };
	struct answer runs = { 0 }, waits = { 0 };
	const struct db_params *params = DB_PARAMS(db_param_int(0), db_param_int(10));
	struct ssf_err err;

	(void)state;
	open_db(&f, WAIT_MS);
	run_until_up(&f);
	assert_int_equal(db_exec_detached(f.db, STMT_event_after, params, on_answer, &runs, &err), 0);
	assert_int_equal(db_exec_detached(f.db, STMT_event_after, params, on_answer, &waits, &err), 0);
	db_stop(f.db);
	assert_int_equal(runs.code, SSF_E_UNAVAILABLE);
	assert_int_equal(waits.code, SSF_E_UNAVAILABLE);
	assert_int_equal(db_exec_detached(f.db, STMT_event_after, params, on_answer, &waits, &err), -1);
	close_db(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statement_fails_at_once_while_no_connection_is_up),
		cmocka_unit_test(queue_is_bounded_and_a_cancelled_statement_is_not_answered),
		cmocka_unit_test(statements_are_answered_when_the_connection_is_dropped_and_work_on_the_next),
		cmocka_unit_test(late_statement_ends_with_its_connection),
		cmocka_unit_test(refused_statement_says_nothing_of_the_server),
		cmocka_unit_test(stopping_answers_every_detached_statement),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
