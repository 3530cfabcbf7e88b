/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two machines of the registry against a database and a cluster that the test plays: it answers each statement
 * and each barrier when it wants to. hub/db and hub/cluster are not linked.
 */
#include "hub/registry/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STATEMENTS_MAX 16

/* --- the database ------------------------------------------------------------------------------------- */

struct row {
	const char *text[5]; /* as PostgreSQL would send it */
};

struct db_result {
	const struct row *rows;
	size_t count;
};

struct db_op {
	enum stmt stmt;
	int64_t first; /* of its parameters, if it is a number */
	db_done_f *done;
	void *arg;
	bool pending;
};

static struct db_op statements[STATEMENTS_MAX];
static size_t statement_count;
static bool is_down;

int db_exec_params(struct db *db, enum stmt stmt, const struct db_params *params, db_done_f *done, void *arg,
		   struct db_op **out, struct ssf_err *err)
{
	(void)db;
	if (is_down)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "down");
	assert_true(statement_count < STATEMENTS_MAX);
	*out = &statements[statement_count++];
	**out = (struct db_op){ stmt, params != NULL ? params->list[0].number : 0, done, arg, true };
	return 0;
}

void db_cancel(struct db_op *op)
{
	if (op != NULL)
		op->pending = false;
}

size_t db_rows(const struct db_result *r)
{
	return r->count;
}

const char *db_text(const struct db_result *r, size_t row, int column)
{
	return r->rows[row].text[column];
}

int64_t db_int(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);

	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

bool db_bool(const struct db_result *r, size_t row, int column)
{
	return strcmp(db_text(r, row, column), "t") == 0;
}

json_t *db_json(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);

	return text != NULL ? json_loads(text, 0, NULL) : NULL;
}

struct db_param db_param_int(int64_t value)
{
	return (struct db_param){ .type = DB_INT, .number = value };
}

struct db_param db_param_json(const json_t *value)
{
	return (struct db_param){ .type = DB_JSON, .json = value };
}

struct db_param db_param_uuid(const char *text)
{
	return (struct db_param){ .type = DB_UUID, .text = text };
}

/* The one statement that waits for an answer. */
static struct db_op *waiting(enum stmt stmt)
{
	struct db_op *found = NULL;

	for (size_t i = 0; i < statement_count; i++) {
		if (!statements[i].pending || statements[i].stmt != stmt)
			continue;
		assert_null(found);
		found = &statements[i];
	}
	assert_non_null(found);
	return found;
}

static void answer(struct db_op *op, const struct row *rows, size_t count)
{
	const struct db_result result = { rows, count };

	op->pending = false;
	op->done(op->arg, &result, NULL);
}

static void fail_statement(struct db_op *op, enum ssf_code code)
{
	struct ssf_err err;

	ssf_fail(&err, code, "because");
	op->pending = false;
	op->done(op->arg, NULL, &err);
}

static size_t waiting_count(void)
{
	size_t n = 0;

	for (size_t i = 0; i < statement_count; i++)
		n += statements[i].pending;
	return n;
}

/* --- the other processes --------------------------------------------------------------------------------- */

static struct owner *const cluster = (struct owner *)&statement_count; /* never looked into */
static int64_t applied, barrier_change;
static loop_f *barrier_done;
static void *barrier_arg;

const char *owner_id(const struct owner *o)
{
	(void)o;
	return "019a0000-0000-7000-8000-000000000001";
}

void owner_applied(struct owner *o, enum owner_news what, int64_t n)
{
	(void)o;
	(void)what;
	applied = n;
}

int owner_settle_start(struct owner *o, enum owner_news what, int64_t n, loop_f *f, void *arg, struct owner_wait **out,
		       struct ssf_err *err)
{
	(void)o;
	(void)what;
	(void)err;
	barrier_change = n;
	barrier_done = f;
	barrier_arg = arg;
	*out = (struct owner_wait *)&barrier_change;
	return 0;
}

void owner_settle_cancel(struct owner_wait *w)
{
	if (w != NULL)
		barrier_done = NULL;
}

/* --- the fixture ----------------------------------------------------------------------------------------- */

struct fixture {
	struct loop *loop;
	struct registry *registry;
	int ready;
	char heard[256]; /* by the listener: "person ada;" */
	int written, failed;
	enum ssf_code code;
};

static void on_ready(void *arg)
{
	((struct fixture *)arg)->ready++;
}

static void on_change(void *arg, enum kind kind, const char *id, const json_t *spec)
{
	struct fixture *f = arg;
	size_t len = strlen(f->heard);

	snprintf(f->heard + len, sizeof(f->heard) - len, "%s%s %s;", spec != NULL ? "" : "-", kind_name(kind), id);
}

static void on_written(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct fixture *f = arg;

	assert_true((versions != NULL) == (err == NULL));
	f->written += err == NULL;
	f->failed += err != NULL;
	f->code = err != NULL ? err->code : SSF_OK;
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

/* What is scheduled now runs; retries are not waited for. */
static void turn(struct fixture *f)
{
	struct loop_timer *t = loop_timer_start(f->loop, 1, stop_loop, f->loop);

	assert_non_null(t);
	loop_run(f->loop);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	statement_count = 0;
	is_down = false;
	applied = barrier_change = 0;
	barrier_done = NULL;
	return loop_new(&f->loop, &err) < 0 ||
			       registry_new(f->loop, NULL, on_ready, f, &f->registry, &err) < 0 ||
			       registry_listen(f->registry, on_change, f, &err) < 0 ?
		       -1 :
		       0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	registry_free(f->registry);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Loaded up to change 5, with one person. */
static void load(struct fixture *f)
{
	const struct row rows[] = { { { "5", "person", "ada", "1", "{\"name\":\"Ada\"}" } } };

	registry_load(f->registry);
	turn(f);
	answer(waiting(STMT_resource_all), rows, 1);
	assert_int_equal(f->ready, 1);
	f->heard[0] = '\0';
}

static struct db_op *write_person(struct fixture *f, const char *id)
{
	json_t *batch = json_pack("[{s:s, s:s, s:{s:s}, s:s}]", "kind", "person", "id", id, "spec", "name", id, "actor",
				  "admin");
	struct ssf_err err;

	assert_int_equal(registry_write_start(f->registry, batch, on_written, f, &err), 0);
	json_decref(batch);
	return &statements[statement_count - 1];
}

static void stored(struct db_op *op, const char *id, const char *change, const char *others)
{
	const struct row rows[] = { { { "person", id, "1", change, others } } };

	answer(op, rows, 1);
}

/* --- reading ------------------------------------------------------------------------------------------------ */

static void the_first_load_makes_it_ready(void **state)
{
	struct fixture *f = *state;
	const struct row rows[] = { { { "5", "person", "ada", "1", "{\"name\":\"Ada\"}" } },
				    { { "5", "gadget", "x", "1", "{}" } } };

	registry_share(f->registry, cluster);
	registry_load(f->registry);
	registry_load(f->registry);
	turn(f);
	fail_statement(waiting(STMT_resource_all), SSF_E_UNAVAILABLE);
	assert_false(registry_is_ready(f->registry));
	while (waiting_count() == 0) /* until the retry */
		turn(f);
	answer(waiting(STMT_resource_all), rows, 2);
	assert_int_equal(f->ready, 1);
	assert_string_equal(f->heard, "person ada;");
	assert_int_equal(registry_version(f->registry, KIND_PERSON, "ada"), 1);
	assert_int_equal(applied, 5);
}

static void a_load_without_a_connection_is_retried(void **state)
{
	struct fixture *f = *state;

	is_down = true;
	registry_load(f->registry);
	turn(f);
	assert_int_equal(waiting_count(), 0);
	is_down = false;
	while (waiting_count() == 0)
		turn(f);
	assert_non_null(waiting(STMT_resource_all));
}

static void an_empty_database_is_loaded_too(void **state)
{
	struct fixture *f = *state;
	const struct row rows[] = { { { "0", NULL, NULL, NULL, NULL } } };

	registry_load(f->registry);
	turn(f);
	answer(waiting(STMT_resource_all), rows, 1);
	assert_int_equal(f->ready, 1);
	assert_string_equal(f->heard, "");
}

static void changes_of_others_are_read_in_order(void **state)
{
	struct fixture *f = *state;
	const struct row rows[] = { { { "6", "person", "bob", "1", "{}" } }, { { "7", "person", "ada", "2", NULL } } };

	load(f);
	registry_load(f->registry);
	turn(f);
	assert_int_equal(waiting(STMT_resource_changes)->first, 5);
	registry_load(f->registry); /* news during the statement: it is read again */
	answer(waiting(STMT_resource_changes), rows, 2);
	assert_string_equal(f->heard, "person bob;-person ada;");
	assert_null(registry_get(f->registry, KIND_PERSON, "ada"));
	turn(f);
	assert_int_equal(waiting(STMT_resource_changes)->first, 7);
}

/* --- writing ------------------------------------------------------------------------------------------------- */

static void a_write_that_follows_the_memory_is_not_read_again(void **state)
{
	struct fixture *f = *state;

	load(f);
	stored(write_person(f, "bob"), "bob", "6", "f");
	assert_int_equal(f->written, 1);
	assert_string_equal(f->heard, "person bob;");
	assert_non_null(registry_get(f->registry, KIND_PERSON, "bob"));
	turn(f);
	assert_int_equal(waiting_count(), 0);
}

static void a_write_behind_a_gap_waits_for_the_changes_before_it(void **state)
{
	struct fixture *f = *state;
	const struct row rows[] = { { { "6", "person", "eve", "1", "{}" } }, { { "7", "person", "bob", "1", "{}" } } };

	load(f);
	stored(write_person(f, "bob"), "bob", "7", "f");
	assert_int_equal(f->written, 0);
	turn(f);
	answer(waiting(STMT_resource_changes), rows, 2);
	assert_int_equal(f->written, 1);
	assert_string_equal(f->heard, "person eve;person bob;");
}

static void a_write_that_was_read_before_its_answer_is_done(void **state)
{
	struct fixture *f = *state;
	const struct row rows[] = { { { "6", "person", "bob", "1", "{}" } } };
	struct db_op *op;

	load(f);
	op = write_person(f, "bob");
	registry_load(f->registry);
	turn(f);
	answer(waiting(STMT_resource_changes), rows, 1);
	assert_int_equal(f->written, 0);
	stored(op, "bob", "6", "f");
	assert_int_equal(f->written, 1);
	assert_string_equal(f->heard, "person bob;");
}

static void a_write_is_confirmed_by_all_processes(void **state)
{
	struct fixture *f = *state;

	registry_share(f->registry, cluster);
	load(f);
	stored(write_person(f, "bob"), "bob", "6", "t");
	assert_int_equal(applied, 6);
	assert_int_equal(barrier_change, 6);
	assert_int_equal(f->written, 0);
	barrier_done(barrier_arg);
	assert_int_equal(f->written, 1);
}

static void a_refused_write_fails_and_the_memory_follows_the_database(void **state)
{
	struct fixture *f = *state;

	load(f);
	fail_statement(write_person(f, "bob"), SSF_E_CONFLICT);
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->code, SSF_E_CONFLICT);
	turn(f);
	assert_non_null(waiting(STMT_resource_changes));
}

static void a_write_behind_a_gap_fails_when_reading_fails(void **state)
{
	struct fixture *f = *state;

	load(f);
	stored(write_person(f, "bob"), "bob", "7", "f");
	turn(f);
	fail_statement(waiting(STMT_resource_changes), SSF_E_UNAVAILABLE);
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->code, SSF_E_UNAVAILABLE);
}

/* Every state of a write: shutdown answers it, and nothing of it is left. */
static void shutdown_answers_every_write(void **state)
{
	struct fixture *f = *state;

	registry_share(f->registry, cluster);
	load(f);
	stored(write_person(f, "confirming"), "confirming", "6", "t");
	stored(write_person(f, "applying"), "applying", "9", "t");
	(void)write_person(f, "storing");
	registry_stop(f->registry);
	assert_int_equal(f->failed, 3);
	assert_int_equal(f->code, SSF_E_UNAVAILABLE);
	assert_null(barrier_done);
	assert_int_equal(waiting_count(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_load_makes_it_ready),
		TEST(a_load_without_a_connection_is_retried),
		TEST(an_empty_database_is_loaded_too),
		TEST(changes_of_others_are_read_in_order),
		TEST(a_write_that_follows_the_memory_is_not_read_again),
		TEST(a_write_behind_a_gap_waits_for_the_changes_before_it),
		TEST(a_write_that_was_read_before_its_answer_is_done),
		TEST(a_write_is_confirmed_by_all_processes),
		TEST(a_refused_write_fails_and_the_memory_follows_the_database),
		TEST(a_write_behind_a_gap_fails_when_reading_fails),
		TEST(shutdown_answers_every_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
