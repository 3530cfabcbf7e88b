/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push addresses are resolved by several threads at once. There is no database: a transaction whose addresses
 * are allowed fails with SSF_E_UNAVAILABLE, which shows that it got as far as being stored.
 */
#include "hub/registry/resource_writer.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TXNS 60

/* Its name server is slow: the name is resolved when the test says so. */
#define SLOW_HOST "slow.example"
static sem_t slow;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (host != NULL && strcmp(host, SLOW_HOST) == 0) {
		sem_wait(&slow);
		host = "93.184.216.34";
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, service, hints, out);
}

struct fixture {
	struct loop *loop;
	struct loop_timer *deadline;
	struct db *db;
	struct registry *registry;
	struct pool *pool, *resolver;
	struct egress_policy *policy;
	struct resource_writer *writer;
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
	sem_init(&slow, 0, 0);
	if (loop_new(&f->loop, &err) < 0 || db_new(f->loop, &conf, NULL, NULL, &f->db, &err) < 0 ||
	    registry_new(f->loop, f->db, ready, NULL, &f->registry, &err) < 0 ||
	    egress_policy_new(NULL, false, &f->policy, &err) < 0 ||
	    pool_new(f->loop, 2, TXNS, &f->pool, &err) < 0 ||
	    pool_new(f->loop, 4, TXNS, &f->resolver, &err) < 0)
		return -1;
	const struct resource_writer_deps deps = { f->registry, NULL, f->resolver, f->policy };
	if (resource_writer_new(&deps, &f->writer, &err) < 0)
		return -1;
	f->deadline = loop_timer_start(f->loop, 60000, on_deadline, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(f->deadline);
	for (size_t i = 0; i < TXNS; i++)
		sem_post(&slow); /* of a test that has failed */
	pool_free(f->pool);
	pool_free(f->resolver);
	registry_free(f->registry);
	resource_writer_free(f->writer);
	egress_policy_free(f->policy);
	db_free(f->db);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void on_done(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct fixture *f = arg;

	assert_null(versions);
	f->by_code[err->code]++;
	if (++f->told == f->expected)
		loop_stop(f->loop);
}

/* Four streams; the last pushes to url. */
static struct resource_txn *begin(struct fixture *f, const char *actor, const char *url)
{
	struct resource_txn *t = resource_writer_begin(f->writer, actor);
	const struct resource_condition any = { RESOURCE_ANY_VERSION, 0, 0 };
	struct ssf_err err;

	assert_non_null(t);
	for (int i = 0; i < 4; i++) {
		char id[16];
		snprintf(id, sizeof(id), "s%d", i);
		json_t *spec = json_pack("{s:s, s:{s:s, s:s}}", "client", "c", "delivery", "method",
					 "urn:ietf:rfc:8935", "endpoint_url", i == 3 ? url : "https://93.184.216.34/x");
		if (resource_writer_add(t, KIND_STREAM, id, spec, any, &err) < 0)
			fail_msg("%s", err.msg);
	}
	return t;
}

static void start(struct fixture *f, const char *url)
{
	struct ssf_err err;

	if (resource_writer_commit(begin(f, "admin", url), on_done, f, &err) < 0)
		fail_msg("%s", err.msg);
}

static void names_are_resolved_side_by_side(void **state)
{
	static const char *const urls[] = { "https://localhost/x", "https://93.184.216.34/y", "https://[::1]/" };
	struct fixture *f = *state;

	f->expected = TXNS;
	for (size_t i = 0; i < TXNS; i++)
		start(f, urls[i % 3]);
	loop_run(f->loop);
	assert_int_equal(f->by_code[SSF_E_DENIED], TXNS * 2 / 3);
	assert_int_equal(f->by_code[SSF_E_UNAVAILABLE], TXNS / 3);
}

static void the_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	size_t started = 0;
	struct ssf_err err;

	while (resource_writer_commit(begin(f, "admin", "https://localhost/x"), on_done, f, &err) == 0)
		started++;
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_in_range(started, TXNS, 1000000);
	f->expected = started;
	loop_run(f->loop);
	assert_int_equal(f->by_code[SSF_E_DENIED], started);
}

static void a_freed_pool_answers_what_waits(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < TXNS; i++)
		start(f, "https://localhost/x");
	pool_free(SSF_STEAL(f->resolver));
	assert_int_equal(f->told, TXNS);
	assert_int_equal(f->by_code[SSF_E_UNAVAILABLE], TXNS);
}

static void stop(void *arg)
{
	struct fixture *f = arg;

	loop_stop(f->loop);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void signing_does_not_wait_for_names(void **state)
{
	const struct pool_work sign = { nothing, stop, nothing, *state, false };
	struct fixture *f = *state;
	struct pool_job *job;
	struct ssf_err err;

	f->expected = 6;
	for (size_t i = 0; i < f->expected; i++)
		start(f, "https://" SLOW_HOST "/x");
	assert_int_equal(pool_submit(f->pool, &sign, &job, &err), 0);
	loop_run(f->loop);
	assert_int_equal(f->told, 0);
	for (size_t i = 0; i < f->expected; i++)
		sem_post(&slow);
	loop_run(f->loop);
	assert_int_equal(f->by_code[SSF_E_UNAVAILABLE], f->expected);
}

static int start_as(struct fixture *f, const char *actor, const char *url)
{
	struct ssf_err err;
	int r = resource_writer_commit(begin(f, actor, url), on_done, f, &err);

	if (r < 0)
		assert_int_equal(err.code, SSF_E_BUSY);
	return r;
}

static void a_client_resolves_one_at_a_time(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(start_as(f, "client:a", "https://" SLOW_HOST "/x"), 0);
	assert_int_equal(start_as(f, "client:a", "https://93.184.216.34/x"), -1);
	f->expected = 1;
	assert_int_equal(start_as(f, "client:b", "https://93.184.216.34/x"), 0);
	loop_run(f->loop);
	sem_post(&slow);
	f->expected = 2;
	loop_run(f->loop);
	f->expected = 3;
	assert_int_equal(start_as(f, "client:a", "https://93.184.216.34/x"), 0);
	loop_run(f->loop);
	assert_int_equal(f->by_code[SSF_E_UNAVAILABLE], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_resolved_side_by_side),
		TEST(the_queue_is_bounded),
		TEST(a_freed_pool_answers_what_waits),
		TEST(signing_does_not_wait_for_names),
		TEST(a_client_resolves_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
