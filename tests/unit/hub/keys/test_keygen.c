/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads make keys at once, and some jobs are cancelled. Keys come out sealed. */
#include "hub/keys/keygen.h"

#include "lib/kit/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS 24

static const enum ssf_alg algs[] = { SSF_ALG_ES256, SSF_ALG_RS256 };

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct pool *pool;
	struct master_key *master;
	struct loop_timer *deadline;
	struct keygen *handle[JOBS];
	size_t expected, made;
};

static void on_deadline(void *arg)
{
	(void)arg;
	fail_msg("not in time");
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/keygen_test.XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/master.key", f->dir);
	if (loop_new(&f->loop, &err) < 0 || pool_new(f->loop, 4, JOBS, &f->pool, &err) < 0 ||
	    master_key_open(f->path, &f->master, &err) < 0)
		return -1;
	f->deadline = loop_timer_start(f->loop, 60000, on_deadline, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(f->deadline);
	pool_free(f->pool);
	loop_free(f->loop);
	master_key_free(f->master);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Unseals the private key and compares it with the published half. */
static void check_key(struct fixture *f, const json_t *item, const char *alg)
{
	const char *hex = json_string_value(json_object_get(item, "sealed"));
	ssf_auto_buf sealed = SSF_BUF(128 * 1024);
	ssf_auto_buf pem = SSF_BUF(64 * 1024);
	struct ssf_err err;

	assert_string_equal(json_string_value(json_object_get(item, "alg")), alg);
	assert_null(json_object_get(json_object_get(item, "public"), "d"));
	assert_null(strstr(hex, "PRIVATE"));
	for (const char *p = hex; *p != '\0'; p += 2) {
		unsigned byte;
		assert_int_equal(sscanf(p, "%2x", &byte), 1);
		ssf_buf_addc(&sealed, (char)byte);
	}
	assert_int_equal(unseal(f->master, KEYGEN_CONTEXT, ssf_buf_str(&sealed), &pem, &err), 0);
	assert_non_null(strstr(pem.ptr, "PRIVATE KEY"));
}

static void on_made(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct fixture *f = arg;

	if (err != NULL)
		fail_msg("%s", err->msg);
	assert_int_equal(json_array_size(keys), 2);
	check_key(f, json_array_get(keys, 0), "ES256");
	check_key(f, json_array_get(keys, 1), "RS256");
	if (++f->made == f->expected)
		loop_stop(f->loop);
}

static void start(struct fixture *f, size_t i)
{
	struct ssf_err err;

	if (keygen_start(&(const struct keygen_deps){ f->pool, f->master }, algs, 2, on_made, f, &f->handle[i], &err) < 0)
		fail_msg("%s", err.msg);
}

static void keys_are_made_side_by_side(void **state)
{
	struct fixture *f = *state;

	f->expected = 6;
	for (size_t i = 0; i < f->expected; i++)
		start(f, i);
	loop_run(f->loop);
	assert_int_equal(f->made, 6);
}

/* Cancelled while they wait and while they run; nobody is told. */
static void cancelled_ones_are_not_heard_of(void **state)
{
	struct fixture *f = *state;

	f->expected = 4;
	for (size_t i = 0; i < JOBS; i++)
		start(f, i);
	for (size_t i = 0; i < JOBS; i++) {
		if (i % 6 != 5)
			keygen_cancel(f->handle[i]);
	}
	loop_run(f->loop);
	assert_int_equal(f->made, 4);
}

/* The pool goes while its threads make keys: none is told, nothing is left behind. */
static void the_pool_goes_first(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < JOBS; i++)
		start(f, i);
	while (pool_queued(f->pool) == JOBS)
		usleep(100);
	pool_free(SSF_STEAL(f->pool));
	assert_int_equal(f->made, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_are_made_side_by_side),
		TEST(cancelled_ones_are_not_heard_of),
		TEST(the_pool_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
