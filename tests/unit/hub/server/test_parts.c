/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real table of parts on a PostgreSQL of its own: every prefix of it starts and stops, whatever was
 * pending. What this test proves is that the sanitizer finds nothing.
 */
#include "hub/server/parts.h"

#include "hub/db/migrate.h"
#include "hub/postgres/postgres.h"
#include "hub/server/lifecycle.h"
#include "hub/server/server.h"
#include "hub/server/urls.h"
#include "lib/kit/log.h"
#include "tests/unit/support/pg_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PARTS_MAX 64
#define WAIT_MS 60000

static char *server_dir, *data_dir;
static struct postgres *postgres;

static int set_up(void **state)
{
	struct ssf_err err;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	server_dir = pg_dir_new();
	data_dir = pg_dir_new();
	postgres = pg_dir_start(server_dir);
	return migrate(postgres_conninfo(postgres), WAIT_MS, &err);
}

static int tear_down(void **state)
{
	(void)state;
	postgres_stop(postgres);
	pg_dir_remove(server_dir);
	pg_dir_remove(data_dir);
	return 0;
}

/* A server that is prepared as serve() does it, with a copy of the table to change. */
struct fixture {
	struct server server;
	struct part table[PARTS_MAX];
	struct loop_timer *timer;
};

static void prepare(struct fixture *f)
{
	struct server *s = &f->server;
	char *argv[] = { "serve", "--data", data_dir, "--listen", "127.0.0.1:0", "--metrics-listen",
			 "127.0.0.1:0", "--key-rotation", "0s", "--database", NULL };
	struct conf_sources sources;
	struct settings_error e;
	struct ssf_err err;

	memset(f, 0, sizeof(*f));
	argv[10] = (char *)(uintptr_t)postgres_conninfo(postgres);
	assert_int_equal(conf_load(&s->conf, &sources, 11, argv, &e), 0);
	assert_int_equal(data_files_open(&s->conf, &s->files, &err), 0);
	s->conninfo = strdup(postgres_conninfo(postgres));
	assert_true(server_part_count <= PARTS_MAX);
	memcpy(f->table, server_parts, server_part_count * sizeof(f->table[0]));
	s->life.parts = (struct part_list){ f->table, server_part_count, 0 };
}

static void release(struct fixture *f)
{
	part_list_stop(&f->server.life.parts, &f->server);
	urls_done(&f->server);
	free(f->server.conninfo);
	data_files_done(&f->server.files);
	conf_done(&f->server.conf);
}

static int fail_to_start(struct server *s, struct ssf_err *err)
{
	(void)s;
	return ssf_fail(err, SSF_E_INTERNAL, "injected");
}

static int (*real_start)(struct server *s, struct ssf_err *err);

static int fail_after_start(struct server *s, struct ssf_err *err)
{
	return real_start(s, err) < 0 ? -1 : fail_to_start(s, err);
}

/* Each part in turn fails; nothing has run. */
static void fail_at_each_part(int (*start)(struct server *, struct ssf_err *))
{
	for (size_t i = 0; i < server_part_count; i++) {
		struct fixture f;
		struct ssf_err err = { .msg = "" };

		prepare(&f);
		real_start = f.table[i].start;
		f.table[i].start = start;
		assert_int_equal(part_list_start(&f.server.life.parts, &f.server, &err), -1);
		assert_string_equal(err.msg, "injected");
		assert_int_equal(f.server.life.parts.started, i + 1);
		release(&f);
	}
}

static void a_part_that_cannot_start_leaves_nothing_behind(void **state)
{
	(void)state;
	fail_at_each_part(fail_to_start);
}

static void a_part_that_fails_after_it_has_started_leaves_nothing_behind(void **state)
{
	(void)state;
	fail_at_each_part(fail_after_start);
}

static void on_timer(void *arg)
{
	struct fixture *f = arg;

	f->timer = NULL;
	loop_stop(f->server.base.loop);
}

static void run_for(struct fixture *f, int64_t ms)
{
	f->timer = loop_timer_start(f->server.base.loop, ms, on_timer, f);
	loop_run(f->server.base.loop);
	loop_timer_cancel(f->timer);
}

/* Statements, key generation and connections are pending when a prefix stops. */
static void every_prefix_stops_while_it_works(void **state)
{
	static const int64_t durations_ms[] = { 0, 2, 10, 40 };

	(void)state;
	for (size_t n = 1; n <= server_part_count; n++) {
		struct fixture f;
		struct ssf_err err;

		prepare(&f);
		f.server.life.parts.count = n;
		assert_int_equal(part_list_start(&f.server.life.parts, &f.server, &err), 0);
		run_for(&f, durations_ms[n % SSF_ARRAY_SIZE(durations_ms)]);
		release(&f);
	}
}

static void wait_for(struct fixture *f, const bool *flag)
{
	int64_t deadline = loop_now_ms() + WAIT_MS;

	while (!*flag) {
		assert_true(loop_now_ms() < deadline);
		run_for(f, 5);
	}
}

static void a_server_that_is_ready_stops_at_once_or_after_draining(void **state)
{
	(void)state;
	for (int drain = 0; drain < 2; drain++) {
		struct fixture f;
		struct ssf_err err;

		prepare(&f);
		assert_int_equal(part_list_start(&f.server.life.parts, &f.server, &err), 0);
		wait_for(&f, &f.server.api.readiness.running);
		if (drain) {
			lifecycle_drain(&f.server);
			assert_true(f.server.api.readiness.draining);
			loop_run(f.server.base.loop); /* ends when all parts are drained */
			assert_true(part_list_is_drained(&f.server.life.parts, &f.server));
			assert_true(f.server.life.deliver_drained && f.server.life.owner_left);
		}
		assert_int_equal(f.server.life.status, 0);
		release(&f);
	}
}

struct answer {
	const struct server *server;
	unsigned calls;
	enum ssf_code code;
	bool all_parts_alive;
};

static void on_statement(void *arg, const struct db_result *rows, const struct ssf_err *err)
{
	struct answer *a = arg;
	const struct server *s = a->server;

	(void)rows;
	a->calls++;
	a->code = err != NULL ? err->code : SSF_OK;
	/* the handle of a part that was freed is NULL */
	a->all_parts_alive = s->base.owner != NULL && s->base.registry != NULL && s->api.bearer != NULL &&
			     s->work.deliver != NULL && s->work.activity != NULL;
}

static void a_pending_statement_is_answered_while_all_parts_are_alive(void **state)
{
	struct fixture f;
	struct answer a = { .server = &f.server };
	struct db_op *op;
	struct ssf_err err;

	(void)state;
	prepare(&f);
	assert_int_equal(part_list_start(&f.server.life.parts, &f.server, &err), 0);
	wait_for(&f, &f.server.api.readiness.running);
	assert_int_equal(db_exec(f.server.base.db, STMT_signing_keys, NULL, on_statement, &a, &op, &err),
			 0);
	release(&f);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.code, SSF_E_UNAVAILABLE);
	assert_true(a.all_parts_alive);
}

static size_t place_of(const char *name)
{
	for (size_t i = 0; i < server_part_count; i++) {
		if (strcmp(server_parts[i].name, name) == 0)
			return i;
	}
	fail_msg("there is no part %s", name);
	return 0;
}

/* What parts.c promises in its head comment. */
static void the_table_keeps_its_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < server_part_count; i++) {
		assert_non_null(server_parts[i].start);
		/* statements are cancelled after everything that has some */
		if (server_parts[i].cancel != NULL)
			assert_true(i >= place_of("database"));
	}
	assert_non_null(server_parts[place_of("database")].cancel);
	assert_true(place_of("listen") < place_of("auth"));
	assert_true(place_of("listen") < place_of("deliver"));
	assert_true(place_of("listen") < place_of("resolver pool"));
	assert_true(place_of("crypto pool") < place_of("keys"));
	assert_int_equal(place_of("lifecycle"), server_part_count - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_keeps_its_order),
		cmocka_unit_test(a_part_that_cannot_start_leaves_nothing_behind),
		cmocka_unit_test(a_part_that_fails_after_it_has_started_leaves_nothing_behind),
		cmocka_unit_test(every_prefix_stops_while_it_works),
		cmocka_unit_test(a_server_that_is_ready_stops_at_once_or_after_draining),
		cmocka_unit_test(a_pending_statement_is_answered_while_all_parts_are_alive),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
