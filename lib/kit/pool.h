/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded pool of threads for work that would hold up the loop: RSA-class
 * cryptography, name resolution. Only bytes that the job owns, integers and
 * struct ssf_key references cross; never json_t, PGconn, requests or errors on
 * a stack.
 */
#pragma once

#include "lib/kit/loop.h"

struct pool;
struct pool_job;

struct pool_work {
	void (*work)(void *arg); /* in a pool thread */
	void (*done)(void *arg); /* in the loop's thread, after work; owns arg from here on */
	void (*drop)(void *arg); /* in the loop's thread, instead of done, when cancelled: frees arg */
	void *arg;
	bool later;              /* may wait for others: it gets one turn in eight while they are there */
};

ssf_nodiscard int pool_new(struct loop *loop, unsigned threads, size_t queue_max,
			   struct pool **out, struct ssf_err *err);
/*
 * For shutdown: cancels the jobs that are queued, waits for those that run, drops both, and refuses
 * further ones with SSF_E_UNAVAILABLE. NULL is fine for both functions.
 */
void pool_stop(struct pool *pool);
void pool_free(struct pool *pool);

/* SSF_E_BUSY when queue_max jobs wait: arg stays the caller's, nothing is called. */
ssf_nodiscard int pool_submit(struct pool *pool, const struct pool_work *work,
			      struct pool_job **out, struct ssf_err *err);

/*
 * Queued: dropped before this returns. Running: dropped, on the loop, once work
 * has returned. Not to be called after done or drop.
 */
void pool_cancel(struct pool_job *job);

size_t pool_queued(const struct pool *pool);
