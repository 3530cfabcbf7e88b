/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of push addresses are resolved by several threads at once. There is no database: what is
 * resolved and may be stored is refused as "not now", which says that it got that far.
 */
#include "hub/api/put.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PUTS 60

struct fixture {
	struct loop *loop;
	struct loop_timer *deadline;
	struct db *db;
	struct api api;
	struct netguard *guard;
	size_t expected, told;
	size_t by_code[SSF_E_INTERNAL + 1];
};

static void on_deadline(void *arg)
{
	(void)arg;
	fail_msg("not in time");
}

static void ready(void *arg)
{
	(void)arg;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct db_conf conf = { .conninfo = "host=/nowhere", .connections = 1, .queue_max = 1000, .timeout_ms = 1000 };
	struct ssf_err err;

	*state = f;
	if (loop_new(&f->loop, &err) < 0 || db_new(f->loop, &conf, NULL, NULL, &f->db, &err) < 0 ||
	    registry_new(f->loop, f->db, ready, NULL, &f->api.registry, &err) < 0 ||
	    netguard_new(NULL, false, &f->guard, &err) < 0 ||
	    pool_new(f->loop, 4, PUTS, &f->api.pool, &err) < 0)
		return -1;
	f->api.guard = f->guard;
	f->api.db = f->db;
	f->deadline = loop_timer_start(f->loop, 60000, on_deadline, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(f->deadline);
	pool_free(f->api.pool);
	registry_free(f->api.registry);
	netguard_free(f->guard);
	db_free(f->db);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void on_put(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct fixture *f = arg;

	assert_null(versions);
	f->by_code[err->code]++;
	if (++f->told == f->expected)
		loop_stop(f->loop);
}

/* Streams of one put; the last goes to url. */
static struct put *put_of(struct fixture *f, const char *url)
{
	struct put *p = put_new(&f->api, "admin");
	const struct put_limits any = { PUT_ANY_VERSION, 0, 0 };
	struct ssf_err err;

	assert_non_null(p);
	for (int i = 0; i < 4; i++) {
		char id[16];
		snprintf(id, sizeof(id), "s%d", i);
		json_t *spec = json_pack("{s:s, s:{s:s}}", "client", "c", "delivery", "endpoint_url",
					 i == 3 ? url : "https://93.184.216.34/x");
		if (put_add(p, KIND_STREAM, id, spec, any, &err) < 0)
			fail_msg("%s", err.msg);
	}
	return p;
}

static void start(struct fixture *f, const char *url)
{
	struct ssf_err err;

	if (put_start(put_of(f, url), on_put, f, &err) < 0)
		fail_msg("%s", err.msg);
}

static void names_are_resolved_side_by_side(void **state)
{
	static const char *const urls[] = { "https://localhost/x", "https://93.184.216.34/y", "https://[::1]/" };
	struct fixture *f = *state;

	f->expected = PUTS;
	for (size_t i = 0; i < PUTS; i++)
		start(f, urls[i % 3]);
	loop_run(f->loop);
	assert_int_equal(f->by_code[SSF_E_DENIED], PUTS * 2 / 3);
	assert_int_equal(f->by_code[SSF_E_UNAVAILABLE], PUTS / 3);
}

static void the_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	size_t started = 0;
	struct ssf_err err;

	while (put_start(put_of(f, "https://localhost/x"), on_put, f, &err) == 0)
		started++;
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_in_range(started, PUTS, 1000000);
	f->expected = started;
	loop_run(f->loop);
	assert_int_equal(f->by_code[SSF_E_DENIED], started);
}

/* Whoever waits when the pool goes is told so. */
static void the_pool_goes_first(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PUTS; i++)
		start(f, "https://localhost/x");
	pool_free(SSF_STEAL(f->api.pool));
	assert_int_equal(f->told, PUTS);
	assert_int_equal(f->by_code[SSF_E_UNAVAILABLE], PUTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_resolved_side_by_side),
		TEST(the_queue_is_bounded),
		TEST(the_pool_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
