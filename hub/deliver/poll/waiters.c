/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the waiting requests until they are taken or over. */
#include "hub/deliver/poll/waiters.h"

#include <stdlib.h>

struct poll_waiter {
	TAILQ_ENTRY(poll_waiter) link;
	struct poll_waiters *of;
	struct http_req *req;
	size_t max;
	bool for_load;
	struct loop_timer *timer;
};

void poll_waiters_init(struct poll_waiters *ws, struct loop *loop, int64_t wait_ms, poll_waiter_over_f *over,
		       void *arg)
{
	*ws = (struct poll_waiters){ .loop = loop, .wait_ms = wait_ms, .over = over, .arg = arg };
	TAILQ_INIT(&ws->list);
}

static struct http_req *waiter_end(struct poll_waiter *w)
{
	struct http_req *req = w->req;

	http_on_cancel(req, NULL, NULL);
	TAILQ_REMOVE(&w->of->list, w, link);
	w->of->count--;
	loop_timer_cancel(w->timer);
	free(w);
	return req;
}

static void waiter_over(struct poll_waiter *w)
{
	struct poll_waiters *ws = w->of;
	bool for_load = w->for_load;

	ws->over(ws->arg, waiter_end(w), for_load);
}

static void on_timeout(void *arg)
{
	struct poll_waiter *w = arg;

	w->timer = NULL;
	waiter_over(w);
}

static void on_client_gone(void *arg)
{
	waiter_over(arg); /* the answer goes nowhere */
}

int poll_waiters_add(struct poll_waiters *ws, struct http_req *req, size_t max, bool for_load)
{
	struct poll_waiter *w = ws->count < POLL_WAITERS_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (w == NULL)
		return -1;
	*w = (struct poll_waiter){ .of = ws, .req = req, .max = max, .for_load = for_load };
	w->timer = loop_timer_start(ws->loop, ws->wait_ms, on_timeout, w);
	if (w->timer == NULL) {
		free(w);
		return -1;
	}
	TAILQ_INSERT_TAIL(&ws->list, w, link);
	ws->count++;
	if (!for_load)
		http_release_body(req);
	http_on_cancel(req, on_client_gone, w);
	return 0;
}

struct http_req *poll_waiters_take(struct poll_waiters *ws, bool for_load, size_t *max)
{
	struct poll_waiter *w;

	TAILQ_FOREACH(w, &ws->list, link) {
		if (w->for_load == for_load) {
			*max = w->max;
			return waiter_end(w);
		}
	}
	return NULL;
}

void poll_waiters_end(struct poll_waiters *ws)
{
	while (!TAILQ_EMPTY(&ws->list))
		waiter_over(TAILQ_FIRST(&ws->list));
}
