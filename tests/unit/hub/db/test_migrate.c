/* SPDX-License-Identifier: Apache-2.0 */
/* With a schema and functions of its own instead of the hub's. */
#include "hub/db/migrate.h"

#include "hub/postgres/postgres.h"
#include "lib/ssf/attr.h"
#include "tests/unit/support/pg_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

const struct migration migrations[] = {
	{ 1, "first", "create table a (n int); insert into a values (1);" },
	{ 2, "second",
	  "create table b (n int); insert into b values (1); create table c (n int);" },
	{ 4, "third", "insert into a values (2);" },
	{ 0, NULL, NULL },
};

/* The first names the second, which is created after it. */
const struct sql_function sql_functions[] = {
	{ "answer", "create function answer() returns int language sql as 'select half() * 2'" },
	{ "half", "create function half() returns int language sql as 'select 21';"
		  "create function half(n int) returns int language sql as 'select n / 2'" },
	{ NULL, NULL },
};
const int sql_functions_revision = 3;

static char *server_dir;
static struct postgres *server;
static char *database;

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

/* Each test has a new database. */
static int setup(void **state)
{
	(void)state;
	pg_run(postgres_conninfo(server), "create database test");
	return asprintf(&database, "%s dbname=test", postgres_conninfo(server)) > 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	pg_run(postgres_conninfo(server), "drop database test with (force)");
	free(database);
	return 0;
}

static void assert_answer(const char *sql, const char *expected)
{
	ssf_auto_free char *value = pg_ask(database, sql);

	assert_string_equal(value, expected);
}

static void assert_migrates(void)
{
	struct ssf_err err = { 0 };

	if (migrate(database, WAIT_MS, &err) < 0)
		fail_msg("%s", err.msg);
	assert_answer("select string_agg(version || ' ' || name || ' ' || length(sha256), ', ' "
		      "order by version) from schema_migration",
		      "1 first 64, 2 second 64, 4 third 64");
	assert_answer("select sum(n) from a", "3");
	assert_answer("select count(*) from b", "1");
	assert_answer("select string_agg(name || ' ' || revision, ', ' order by name) from schema_function",
		      "answer 3, half 3");
	assert_answer("select answer() + half(84)", "84");
}

static void assert_refused(const char *conninfo, enum ssf_code code, const char *text)
{
	struct ssf_err err = { 0 };

	assert_int_equal(migrate(conninfo, 0, &err), -1);
	if (err.code != code || strstr(err.msg, text) == NULL)
		fail_msg("unexpected: %d %s", err.code, err.msg);
}

static void test_empty_and_again(void **state)
{
	(void)state;
	assert_migrates();
	assert_migrates();
}

static void test_goes_on_from_an_older_one(void **state)
{
	(void)state;
	assert_migrates();
	pg_run(database,
	       "delete from schema_migration where version = 4; delete from a where n = 2");
	assert_migrates();
}

static void test_refuses_what_it_does_not_know(void **state)
{
	static const struct {
		const char *change;
		const char *text;
	} cases[] = {
		{ "update schema_migration set sha256 = repeat('0', 64) where version = 2",
		  "migration 2 (second) is not the one that was applied" },
		{ "insert into schema_migration values (5, 'later', repeat('0', 64))",
		  "migration 5, which this program does not know" },
		{ "insert into schema_migration values (3, 'between', repeat('0', 64))",
		  "migration 3, which this program does not know" },
		{ "delete from schema_migration where version = 2",
		  "migration 2 (second) was not applied before later ones" },
	};

	(void)state;
	assert_migrates();
	pg_run(database, "create table kept as select * from schema_migration");
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		pg_run(database, cases[i].change);
		assert_refused(database, SSF_E_CONFLICT, cases[i].text);
		pg_run(database, "truncate schema_migration; "
				 "insert into schema_migration select * from kept");
	}
	assert_migrates();
}

static void test_functions_that_changed_or_disappeared_are_replaced(void **state)
{
	(void)state;
	assert_migrates();
	/* as an older program left them: one more, and one with another signature */
	pg_run(database, "update schema_function set revision = 2, sha256 = 'x' where name = 'half';"
			 "insert into schema_function values ('older', 'x', 2);"
			 "create function older() returns int language sql as 'select 1';"
			 "drop function half(int); create function half(n text) returns int language sql as 'select 1';"
			 "create function mine() returns int language sql as 'select 1'");
	assert_migrates();
	assert_answer("select string_agg(proname || '(' || pg_get_function_arguments(oid) || ')', ', '"
		      " order by proname, pronargs) from pg_proc where pronamespace = 'public'::regnamespace",
		      "answer(), half(), half(n integer), mine()");
}

/* A function must not stand in the way of a migration that drops its result type. */
static void test_functions_go_before_a_migration(void **state)
{
	(void)state;
	assert_migrates();
	pg_run(database, "delete from schema_migration where version = 4; delete from a where n = 2;"
			 "drop function answer(); create function answer() returns setof a language sql as 'select * from a'");
	pg_run(database, "create table kept as select oid from pg_proc where proname = 'half'");
	assert_migrates();
	assert_answer("select count(*) from pg_proc p join kept k on k.oid = p.oid", "0");
}

static void test_refuses_functions_of_a_newer_program(void **state)
{
	(void)state;
	assert_migrates();
	pg_run(database, "update schema_function set revision = 4, sha256 = 'x'");
	assert_refused(database, SSF_E_CONFLICT, "its functions have revision 4, and this program brings 3");
	assert_answer("select count(*) from schema_function where sha256 = 'x'", "2");
}

static void test_failing_sql_leaves_nothing(void **state)
{
	(void)state;
	pg_run(database, "create table c (mine int)");
	assert_refused(database, SSF_E_INTERNAL,
		       "migration second: database: ERROR:  relation \"c\" already exists");
	assert_answer("select to_regclass('schema_migration') is null", "t");
	assert_answer("select to_regclass('b') is null", "t");
	pg_run(database, "drop table c");
	assert_migrates();
}

static void test_two_at_once(void **state)
{
	pid_t pids[2];
	int status;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(migrate(database, WAIT_MS, NULL) < 0);
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_migrates();
}

static void test_unreachable(void **state)
{
	struct ssf_err err = { 0 };
	static const char *const cases[] = {
		"postgresql://hub:hunter2@hunter2@127.0.0.1:1/x",
		"postgresql://hub:hunter2@127.0.0.1:1/x",
		"host=/nonexistent password=hunter2",
		"host=/nonexistent password = 'hunter2",
		"postgresql://hub:pass@[hunter2/x",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		assert_int_equal(migrate(cases[i], 0, &err), -1);
		assert_int_equal(err.code, i < 3 ? SSF_E_UNAVAILABLE : SSF_E_MALFORMED);
		assert_null(strstr(err.msg, "hunter2"));
	}
	assert_refused("host=/nonexistent", SSF_E_UNAVAILABLE, "No such file or directory");
}

/* The cluster is not there yet, and comes while migrate waits for it. */
static void test_waits_for_the_database(void **state)
{
	int status;

	(void)state;
	postgres_stop(server);
	pid_t pid = fork();
	if (pid == 0)
		_exit(migrate(database, 60000, NULL) < 0);
	server = pg_dir_start(server_dir);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_migrates();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goes_on_from_an_older_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_what_it_does_not_know, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_functions_that_changed_or_disappeared_are_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_functions_go_before_a_migration, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_functions_of_a_newer_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failing_sql_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits_for_the_database, setup, teardown),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
