/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the event base and the list of deferred calls. Every handle is one small
 * allocation with the libevent event inside. One-shot handles are freed before
 * their callback runs, so that the callback may do anything; repeated ones are
 * not touched after it.
 */
#include "lib/kit/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#define FREE_TURNS 1000
#define TURN_US 3000 /* of calls that are not urgent, before the loop looks again at what is ready */
enum { PRIORITY_URGENT, PRIORITY_OTHER, PRIORITIES };

struct loop_defer {
	TAILQ_ENTRY(loop_defer) entry;
	struct deferred *of;
	loop_f *f;
	void *arg;
	uint64_t seq;
};

/* Calls of one priority. */
struct deferred {
	struct loop *loop;
	struct event event;
	TAILQ_HEAD(, loop_defer) calls;
	uint64_t seq;
};

struct loop {
	struct event_base *base;
	struct deferred deferred[PRIORITIES];
	size_t pending; /* handles that are alive */
};

struct loop_timer {
	struct event event;
	struct loop *loop;
	loop_f *f;
	void *arg;
};

struct loop_tick {
	struct event event;
	struct loop *loop;
	loop_f *f;
	void *arg;
};

struct loop_signal {
	struct event event;
	struct loop *loop;
	loop_f *f;
	void *arg;
};

struct loop_watch {
	struct event event;
	struct loop *loop;
	loop_watch_f *f;
	void *arg;
};

static void on_deferred(evutil_socket_t fd, short what, void *arg);

int loop_new(struct loop **out, struct ssf_err *err)
{
	struct event_config *config = event_config_new();
	struct loop *loop = calloc(1, sizeof(*loop));
	const struct timeval turn = { .tv_usec = TURN_US };

	if (config != NULL && loop != NULL) {
		/* Exact clocks: a timer of 10 ms started late in a long callback must not be early. */
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
						      EVENT_BASE_FLAG_NO_CACHE_TIME |
						      EVENT_BASE_FLAG_PRECISE_TIMER |
						      EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
		event_config_set_max_dispatch_interval(config, &turn, -1, PRIORITY_OTHER);
		loop->base = event_base_new_with_config(config);
	}
	if (config != NULL)
		event_config_free(config);
	/* events that nobody says anything of get the middle priority, which is the lower one of two */
	if (loop == NULL || loop->base == NULL || event_base_priority_init(loop->base, PRIORITIES) < 0) {
		if (loop != NULL && loop->base != NULL)
			event_base_free(loop->base);
		free(loop);
		return ssf_fail(err, SSF_E_NOMEM, "loop: cannot make an event base");
	}
	for (int i = 0; i < PRIORITIES; i++) {
		struct deferred *ds = &loop->deferred[i];
		ds->loop = loop;
		TAILQ_INIT(&ds->calls);
		evtimer_assign(&ds->event, loop->base, on_deferred, ds);
		event_priority_set(&ds->event, i);
	}
	signal(SIGPIPE, SIG_IGN);
	*out = loop;
	return 0;
}

/*
 * What was freed may have callbacks of libevent's before it that were due and not called, as connections have: their
 * memory is given back when those have run, and would never be with the base.
 */
static void finish_active(struct loop *loop)
{
	for (int i = 0; i < FREE_TURNS && event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ACTIVE) > 0; i++)
		event_base_loop(loop->base, EVLOOP_NONBLOCK);
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	assert(loop->pending == 0);
	finish_active(loop);
	for (int i = 0; i < PRIORITIES; i++)
		event_del(&loop->deferred[i].event);
	event_base_free(loop->base);
	free(loop);
}

void loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

int loop_after_fork(struct loop *loop, struct ssf_err *err)
{
	if (event_reinit(loop->base) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "loop: cannot make the event base anew");
	return 0;
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t loop_now_us(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t wall_now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static struct timeval ms_to_timeval(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

/* Deferred calls run in the order of their start, and those started meanwhile in the next turn. */
static int defer_arm(struct deferred *ds)
{
	const struct timeval now = { 0 };

	return event_add(&ds->event, &now);
}

/*
 * Sockets have their turn after a while, however many calls wait: one event to a thousand streams is a
 * thousand calls, and what comes in must not have to wait for all of them.
 */
static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
	struct deferred *ds = arg;
	struct loop_defer *d;
	uint64_t end = ds->seq;
	int64_t until_us = loop_now_us() + TURN_US;

	(void)fd;
	(void)what;
	/* Armed before the calls, because one of them may stop the loop. */
	defer_arm(ds);
	while ((d = TAILQ_FIRST(&ds->calls)) != NULL && d->seq < end &&
	       !event_base_got_break(ds->loop->base) && loop_now_us() < until_us) {
		loop_f *f = d->f;
		void *f_arg = d->arg;

		loop_defer_cancel(d);
		f(f_arg);
	}
	if (TAILQ_EMPTY(&ds->calls))
		event_del(&ds->event);
}

static struct loop_defer *defer_start(struct deferred *ds, loop_f *f, void *arg)
{
	struct loop_defer *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	if (!evtimer_pending(&ds->event, NULL) && defer_arm(ds) < 0) {
		free(d);
		return NULL;
	}
	d->of = ds;
	d->f = f;
	d->arg = arg;
	d->seq = ds->seq++;
	TAILQ_INSERT_TAIL(&ds->calls, d, entry);
	ds->loop->pending++;
	return d;
}

struct loop_defer *loop_defer_start(struct loop *loop, loop_f *f, void *arg)
{
	return defer_start(&loop->deferred[PRIORITY_OTHER], f, arg);
}

struct loop_defer *loop_defer_urgent_start(struct loop *loop, loop_f *f, void *arg)
{
	return defer_start(&loop->deferred[PRIORITY_URGENT], f, arg);
}

void loop_defer_cancel(struct loop_defer *d)
{
	if (d == NULL)
		return;
	TAILQ_REMOVE(&d->of->calls, d, entry);
	d->of->loop->pending--;
	free(d);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;
	loop_f *f = t->f;
	void *f_arg = t->arg;

	(void)fd;
	(void)what;
	loop_timer_cancel(t);
	f(f_arg);
}

struct loop_timer *loop_timer_start(struct loop *loop, int64_t ms, loop_f *f, void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));
	const struct timeval tv = ms_to_timeval(ms);

	if (t == NULL)
		return NULL;
	t->loop = loop;
	t->f = f;
	t->arg = arg;
	if (evtimer_assign(&t->event, loop->base, on_timer, t) < 0 ||
	    event_add(&t->event, &tv) < 0) {
		free(t);
		return NULL;
	}
	loop->pending++;
	return t;
}

void loop_timer_cancel(struct loop_timer *t)
{
	if (t == NULL)
		return;
	event_del(&t->event);
	t->loop->pending--;
	free(t);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop_tick *t = arg;

	(void)fd;
	(void)what;
	t->f(t->arg);
}

struct loop_tick *loop_tick_start(struct loop *loop, int64_t ms, loop_f *f, void *arg)
{
	struct loop_tick *t = calloc(1, sizeof(*t));
	/* Not less than 1 ms: a tick of zero would keep the processor busy for nothing. */
	const struct timeval tv = ms_to_timeval(ms > 0 ? ms : 1);

	if (t == NULL)
		return NULL;
	t->loop = loop;
	t->f = f;
	t->arg = arg;
	if (event_assign(&t->event, loop->base, -1, EV_PERSIST, on_tick, t) < 0 ||
	    event_add(&t->event, &tv) < 0) {
		free(t);
		return NULL;
	}
	loop->pending++;
	return t;
}

void loop_tick_cancel(struct loop_tick *t)
{
	if (t == NULL)
		return;
	event_del(&t->event);
	t->loop->pending--;
	free(t);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)fd;
	(void)what;
	s->f(s->arg);
}

struct loop_signal *loop_signal_start(struct loop *loop, int signo, loop_f *f, void *arg)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->f = f;
	s->arg = arg;
	if (evsignal_assign(&s->event, loop->base, signo, on_signal, s) < 0 ||
	    event_add(&s->event, NULL) < 0) {
		free(s);
		return NULL;
	}
	loop->pending++;
	return s;
}

void loop_signal_cancel(struct loop_signal *s)
{
	if (s == NULL)
		return;
	event_del(&s->event);
	s->loop->pending--;
	free(s);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct loop_watch *w = arg;

	(void)fd;
	w->f(w->arg, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
}

static struct loop_watch *watch_start(struct loop *loop, int fd, short what, int priority, loop_watch_f *f,
				      void *arg)
{
	struct loop_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->loop = loop;
	w->f = f;
	w->arg = arg;
	if (event_assign(&w->event, loop->base, fd, what | EV_PERSIST, on_watch, w) < 0 ||
	    event_priority_set(&w->event, priority) < 0 || event_add(&w->event, NULL) < 0) {
		free(w);
		return NULL;
	}
	loop->pending++;
	return w;
}

struct loop_watch *loop_watch_start(struct loop *loop, int fd, bool read, bool write,
				    loop_watch_f *f, void *arg)
{
	return watch_start(loop, fd, (read ? EV_READ : 0) | (write ? EV_WRITE : 0), PRIORITY_OTHER, f, arg);
}

struct loop_watch *loop_watch_urgent_start(struct loop *loop, int fd, bool read, bool write,
					   loop_watch_f *f, void *arg)
{
	return watch_start(loop, fd, (read ? EV_READ : 0) | (write ? EV_WRITE : 0), PRIORITY_URGENT, f, arg);
}

void loop_watch_cancel(struct loop_watch *w)
{
	if (w == NULL)
		return;
	event_del(&w->event);
	w->loop->pending--;
	free(w);
}
