/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the threads, the queue of waiting jobs and the list of finished ones.
 * Under the lock: both lists, the state of each job and the eventfd's count. A
 * job's cancelled flag belongs to the loop's thread alone, and so do done and
 * drop; the pool's threads call nothing but work.
 */
#include "lib/kit/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#define LATER_TURN 8

struct pool_job {
	TAILQ_ENTRY(pool_job) entry; /* in waiting, later or finished, in neither while it runs */
	struct pool *pool;
	struct pool_work work;
	bool waiting;
	bool cancelled;
};

TAILQ_HEAD(job_list, pool_job);

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work_there; /* something waits, or stopping */
	struct job_list waiting;
	struct job_list later;
	unsigned turn;         /* counts what is taken, so that later ones have theirs */
	struct job_list finished;
	struct job_list ended; /* taken from finished; the loop's thread alone */
	bool calling;          /* callbacks run; what is freed meanwhile is given back after them */
	bool freed;
	atomic_size_t queued; /* length of waiting and later, changed under the lock */
	size_t queue_max;
	bool stopping;
	int wake_fd; /* readable while finished is not empty */
	struct loop_watch *watch;
	unsigned n_threads;
	pthread_t threads[];
};

static struct job_list *queue_of(struct pool *pool, const struct pool_job *job)
{
	return job->work.later ? &pool->later : &pool->waiting;
}

static struct pool_job *next_waiting(struct pool *pool)
{
	struct pool_job *now = TAILQ_FIRST(&pool->waiting);
	struct pool_job *later = TAILQ_FIRST(&pool->later);

	if (later != NULL && (now == NULL || pool->turn++ % LATER_TURN == 0))
		return later;
	return now;
}

static struct pool_job *take_waiting(struct pool *pool)
{
	struct pool_job *job;

	while ((job = next_waiting(pool)) == NULL && !pool->stopping)
		pthread_cond_wait(&pool->work_there, &pool->lock);
	if (pool->stopping)
		return NULL;
	TAILQ_REMOVE(queue_of(pool, job), job, entry);
	job->waiting = false;
	atomic_fetch_sub(&pool->queued, 1);
	return job;
}

static void *run_thread(void *arg)
{
	struct pool *pool = arg;
	struct pool_job *job;

	pthread_mutex_lock(&pool->lock);
	while ((job = take_waiting(pool)) != NULL) {
		pthread_mutex_unlock(&pool->lock);
		job->work.work(job->work.arg);
		pthread_mutex_lock(&pool->lock);
		if (TAILQ_EMPTY(&pool->finished))
			eventfd_write(pool->wake_fd, 1);
		TAILQ_INSERT_TAIL(&pool->finished, job, entry);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void drop_job(struct pool_job *job)
{
	struct pool_work work = job->work;

	free(job);
	work.drop(work.arg);
}

static void finish_job(struct pool_job *job)
{
	struct pool_work work = job->work;

	if (job->cancelled) {
		drop_job(job);
		return;
	}
	free(job);
	work.done(work.arg);
}

/*
 * All that have finished by now, in one go: a turn of the loop for each costs more than many of them.
 * A callback may cancel others of them, and even free the pool.
 */
static void on_finished(void *arg, bool readable, bool writable)
{
	struct pool *pool = arg;
	struct pool_job *job;
	eventfd_t count;

	(void)readable;
	(void)writable;
	pthread_mutex_lock(&pool->lock);
	TAILQ_CONCAT(&pool->ended, &pool->finished, entry);
	eventfd_read(pool->wake_fd, &count);
	pthread_mutex_unlock(&pool->lock);
	pool->calling = true;
	while ((job = TAILQ_FIRST(&pool->ended)) != NULL) { /* none any more when it was freed */
		TAILQ_REMOVE(&pool->ended, job, entry);
		finish_job(job);
	}
	pool->calling = false;
	if (pool->freed)
		free(pool);
}

/* Signals are the loop's: the threads start with all of them blocked. */
static int start_threads(struct pool *pool, unsigned threads)
{
	sigset_t all;
	sigset_t old;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r == 0 && pool->n_threads < threads) {
		r = pthread_create(&pool->threads[pool->n_threads], NULL, run_thread, pool);
		if (r == 0)
			pool->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r == 0 ? 0 : -1;
}

int pool_new(struct loop *loop, unsigned threads, size_t queue_max, struct pool **out,
	     struct ssf_err *err)
{
	struct pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));

	if (pool == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "pool: out of memory");
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work_there, NULL);
	TAILQ_INIT(&pool->waiting);
	TAILQ_INIT(&pool->later);
	TAILQ_INIT(&pool->finished);
	TAILQ_INIT(&pool->ended);
	pool->queue_max = queue_max;
	pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->wake_fd >= 0)
		pool->watch = loop_watch_start(loop, pool->wake_fd, true, false, on_finished, pool);
	if (pool->watch == NULL || start_threads(pool, threads) < 0) {
		pool_free(pool);
		return ssf_fail(err, SSF_E_INTERNAL, "pool: cannot start its threads");
	}
	*out = pool;
	return 0;
}

static void drop_all(struct job_list *list)
{
	struct pool_job *job;

	while ((job = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, job, entry);
		drop_job(job);
	}
}

void pool_stop(struct pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work_there);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	drop_all(&pool->ended);
	drop_all(&pool->finished);
	drop_all(&pool->waiting);
	drop_all(&pool->later);
	pool->n_threads = 0;
}

void pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	pool_stop(pool);
	loop_watch_cancel(pool->watch);
	if (pool->wake_fd >= 0)
		close(pool->wake_fd);
	pthread_cond_destroy(&pool->work_there);
	pthread_mutex_destroy(&pool->lock);
	pool->freed = true;
	if (!pool->calling)
		free(pool);
}

int pool_submit(struct pool *pool, const struct pool_work *work, struct pool_job **out,
		struct ssf_err *err)
{
	struct pool_job *job;

	/* Only this thread adds jobs, so the length can but shrink until the insert below. */
	if (pool->stopping)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	if (atomic_load(&pool->queued) >= pool->queue_max)
		return ssf_fail(err, SSF_E_BUSY, "pool: the queue is full");
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "pool: out of memory");
	job->pool = pool;
	job->work = *work;
	job->waiting = true;
	pthread_mutex_lock(&pool->lock);
	TAILQ_INSERT_TAIL(queue_of(pool, job), job, entry);
	atomic_fetch_add(&pool->queued, 1);
	pthread_cond_signal(&pool->work_there);
	pthread_mutex_unlock(&pool->lock);
	*out = job;
	return 0;
}

void pool_cancel(struct pool_job *job)
{
	struct pool *pool;
	bool waiting;

	if (job == NULL)
		return;
	pool = job->pool;
	pthread_mutex_lock(&pool->lock);
	waiting = job->waiting;
	if (waiting) {
		TAILQ_REMOVE(queue_of(pool, job), job, entry);
		atomic_fetch_sub(&pool->queued, 1);
	}
	pthread_mutex_unlock(&pool->lock);
	if (waiting)
		drop_job(job);
	else
		job->cancelled = true;
}

size_t pool_queued(const struct pool *pool)
{
	return atomic_load(&pool->queued);
}
