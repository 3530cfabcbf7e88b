/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poll requests that wait on one stream: for events (long polls), or for the stream to be loaded. Bounded in number and
 * in time; a waiter ends when its client goes.
 */
#pragma once

#include <sys/queue.h>

#include "lib/http/http_server.h"
#include "lib/kit/loop.h"

#define POLL_WAITERS_MAX 64

struct poll_waiter;

/* Ends without what it has waited for: its time is over, or its client has gone. The callee answers req. */
typedef void poll_waiter_over_f(void *arg, struct http_req *req, bool for_load);

/* poll_waiters_init() makes an empty list of any memory, which must not move afterwards. */
struct poll_waiters {
	TAILQ_HEAD(, poll_waiter) list;
	size_t count;
	struct loop *loop;
	int64_t wait_ms;
	poll_waiter_over_f *over;
	void *arg;
};

void poll_waiters_init(struct poll_waiters *ws, struct loop *loop, int64_t wait_ms, poll_waiter_over_f *over,
		       void *arg);
/*
 * req waits: for up to max events, and its body is not needed any more; or (for_load) for the stream to be loaded.
 * -1: too many wait, or out of memory.
 */
int poll_waiters_add(struct poll_waiters *ws, struct http_req *req, size_t max, bool for_load);
/* The one that waits for longest, taken out to be answered; NULL: none. */
struct http_req *poll_waiters_take(struct poll_waiters *ws, bool for_load, size_t *max);
/* Ends all of them, as if their time was over. */
void poll_waiters_end(struct poll_waiters *ws);
