/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool's promises: exactly one of done and drop for each job, in the loop's
 * thread; BUSY at the bound; the three cases of cancelling; freeing with work.
 * Jobs wait at a gate, so that no test depends on time.
 */
#include "lib/kit/pool.h"

#include "lib/ssf/attr.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct loop *loop;
	struct pool *pool;
	pthread_t loop_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool gate_open;
	unsigned started;
	unsigned done;
	unsigned dropped;
	unsigned expected; /* done plus dropped, for stopping the loop */
	bool free_in_done;
	bool later; /* what is submitted from now on */
	unsigned order[64]; /* which of them have begun, by their number; only with one thread */
	unsigned submitted;
};

struct job {
	struct fixture *f;
	struct pool_job *handle;
	bool waits;
	unsigned number;
	unsigned result; /* written in the pool, read in the loop: the pool must order the two */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	f->loop_thread = pthread_self();
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	return loop_new(&f->loop, &err) < 0 || pool_new(f->loop, 2, 4, &f->pool, &err) < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	pool_free(f->pool);
	loop_free(f->loop);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

static void work(void *arg)
{
	struct job *j = arg;
	struct fixture *f = j->f;

	pthread_mutex_lock(&f->lock);
	if (f->started < SSF_ARRAY_SIZE(f->order))
		f->order[f->started] = j->number;
	f->started++;
	pthread_cond_broadcast(&f->changed);
	while (j->waits && !f->gate_open)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
	j->result = 42;
}

static void wait_started(struct fixture *f, unsigned n)
{
	pthread_mutex_lock(&f->lock);
	while (f->started < n)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

static void open_gate(struct fixture *f)
{
	pthread_mutex_lock(&f->lock);
	f->gate_open = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void settle(struct fixture *f)
{
	assert_true(pthread_equal(pthread_self(), f->loop_thread));
	if (f->done + f->dropped == f->expected)
		loop_stop(f->loop);
}

static void on_done(void *arg)
{
	struct job *j = arg;
	struct fixture *f = j->f;

	assert_int_equal(j->result, 42);
	f->done++;
	free(j);
	settle(f);
	if (f->free_in_done) {
		pool_free(f->pool);
		f->pool = NULL;
	}
}

static void on_drop(void *arg)
{
	struct job *j = arg;
	struct fixture *f = j->f;

	f->dropped++;
	free(j);
	settle(f);
}

static struct job *submit(struct fixture *f, bool waits)
{
	struct job *j = calloc(1, sizeof(*j));
	const struct pool_work w = { work, on_done, on_drop, j, f->later };
	struct ssf_err err;

	j->f = f;
	j->waits = waits;
	j->number = f->submitted++;
	assert_int_equal(pool_submit(f->pool, &w, &j->handle, &err), 0);
	return j;
}

static void runs_everything(void **state)
{
	struct fixture *f = *state;

	f->expected = 1;
	for (int i = 0; i < 50; i++) {
		submit(f, false);
		loop_run(f->loop);
		f->expected++;
	}
	assert_int_equal(f->done, 50);
	assert_int_equal(f->dropped, 0);
}

static void is_busy_when_the_queue_is_full(void **state)
{
	struct fixture *f = *state;
	const struct pool_work w = { work, on_done, on_drop, NULL, false };
	struct pool_job *handle = NULL;
	struct ssf_err err;

	submit(f, true);
	submit(f, true);
	wait_started(f, 2);
	assert_int_equal(pool_queued(f->pool), 0);
	for (int i = 0; i < 4; i++)
		submit(f, false);
	assert_int_equal(pool_queued(f->pool), 4);
	assert_int_equal(pool_submit(f->pool, &w, &handle, &err), -1);
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_null(handle);
	f->expected = 6;
	open_gate(f);
	loop_run(f->loop);
	assert_int_equal(f->done, 6);
	assert_int_equal(pool_queued(f->pool), 0);
}

static void drops_a_queued_job_at_once(void **state)
{
	struct fixture *f = *state;

	submit(f, true);
	submit(f, true);
	wait_started(f, 2);
	struct job *queued = submit(f, false);
	pool_cancel(NULL);
	pool_cancel(queued->handle);
	assert_int_equal(f->dropped, 1);
	assert_int_equal(pool_queued(f->pool), 0);
	f->expected = 3;
	open_gate(f);
	loop_run(f->loop);
	assert_int_equal(f->done, 2);
	assert_int_equal(f->started, 2);
}

static void drops_a_running_job_on_the_loop(void **state)
{
	struct fixture *f = *state;
	struct job *running = submit(f, true);

	wait_started(f, 1);
	pool_cancel(running->handle);
	assert_int_equal(f->dropped, 0);
	f->expected = 1;
	open_gate(f);
	loop_run(f->loop);
	assert_int_equal(f->dropped, 1);
	assert_int_equal(f->done, 0);
}

static void freeing_drops_queued_and_running(void **state)
{
	struct fixture *f = *state;

	submit(f, true);
	submit(f, true);
	wait_started(f, 2);
	submit(f, false);
	submit(f, false);
	open_gate(f);
	pool_free(f->pool);
	f->pool = NULL;
	assert_int_equal(f->done, 0);
	assert_int_equal(f->dropped, 4);
}

static void a_stopped_pool_has_dropped_its_jobs_and_takes_no_more(void **state)
{
	struct fixture *f = *state;
	const struct pool_work work = { 0 };
	struct pool_job *job;
	struct ssf_err err;

	submit(f, true);
	wait_started(f, 1);
	submit(f, false);
	open_gate(f);
	pool_stop(f->pool);
	assert_int_equal(f->done, 0);
	assert_int_equal(f->dropped, 2);
	assert_int_equal(pool_submit(f->pool, &work, &job, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	pool_stop(f->pool);
	pool_stop(NULL);
}

static void can_be_freed_in_done(void **state)
{
	struct fixture *f = *state;

	f->free_in_done = true;
	f->expected = 3;
	for (int i = 0; i < 3; i++)
		submit(f, false);
	loop_run(f->loop);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->dropped, 2);
	pool_free(NULL);
}

/* One thread, held up by the first job while twenty that may wait and twenty others come. */
static void what_may_wait_has_one_turn_in_eight(void **state)
{
	struct fixture *f = *state;
	struct ssf_err err;
	unsigned between = 0;

	pool_free(f->pool);
	assert_int_equal(pool_new(f->loop, 1, 64, &f->pool, &err), 0);
	submit(f, true);
	wait_started(f, 1);
	f->later = true;
	for (int i = 0; i < 20; i++)
		submit(f, false); /* 1 to 20 */
	f->later = false;
	for (int i = 0; i < 20; i++)
		submit(f, false); /* 21 to 40 */
	open_gate(f);
	f->expected = 41;
	loop_run(f->loop);
	assert_int_equal(f->done, 41);
	for (unsigned i = 1; i <= 23; i++)
		between += f->order[i] <= 20;
	assert_int_equal(between, 3); /* the others are the twenty */
	for (unsigned i = 24; i < 41; i++)
		assert_true(f->order[i] <= 20);
}

#define pool_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pool_test(runs_everything),
		pool_test(is_busy_when_the_queue_is_full),
		pool_test(drops_a_queued_job_at_once),
		pool_test(drops_a_running_job_on_the_loop),
		pool_test(freeing_drops_queued_and_running),
		pool_test(a_stopped_pool_has_dropped_its_jobs_and_takes_no_more),
		pool_test(can_be_freed_in_done),
		pool_test(what_may_wait_has_one_turn_in_eight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
