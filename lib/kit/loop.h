/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a process, over libevent. Everything here belongs to the
 * loop's thread. Rules that hold for every asynchronous call in this project:
 *
 *   - _start returns a handle or NULL with err; the handle is valid until its
 *     callback fires or it is cancelled, whichever is first;
 *   - a cancelled callback never fires; _cancel(NULL) is a no-op;
 *   - a callback never fires from inside _start;
 *   - repeated ones (watch, tick, signal) stay valid until cancelled.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/ssf/err.h"

struct event_base;
struct loop;

ssf_nodiscard int loop_new(struct loop **out, struct ssf_err *err); /* ignores SIGPIPE */
void loop_free(struct loop *loop);          /* asserts that nothing is pending in debug builds */
void loop_run(struct loop *loop);           /* until loop_stop */
void loop_stop(struct loop *loop);          /* returns from loop_run after the current callback */
/* In a child, before anything else: what it does to its copy is not seen by the parent any more. */
ssf_nodiscard int loop_after_fork(struct loop *loop, struct ssf_err *err);
struct event_base *loop_base(struct loop *loop); /* for lib/kit only */

int64_t loop_now_ms(void);                  /* monotonic */
int64_t loop_now_us(void);                  /* the same clock, finer */
int64_t wall_now_ms(void);                  /* since 1970, UTC */

typedef void loop_f(void *arg);

/* Calls f once from the loop, after the current callback has returned. */
struct loop_defer;
struct loop_defer *loop_defer_start(struct loop *loop, loop_f *f, void *arg);
/* The same before all that is not urgent: within a few milliseconds. */
struct loop_defer *loop_defer_urgent_start(struct loop *loop, loop_f *f, void *arg);
void loop_defer_cancel(struct loop_defer *d);

/* Calls f once, ms milliseconds from now. */
struct loop_timer;
struct loop_timer *loop_timer_start(struct loop *loop, int64_t ms, loop_f *f, void *arg);
void loop_timer_cancel(struct loop_timer *t);

/* Calls f every ms milliseconds until cancelled; f may cancel it. */
struct loop_tick;
struct loop_tick *loop_tick_start(struct loop *loop, int64_t ms, loop_f *f, void *arg);
void loop_tick_cancel(struct loop_tick *t);

/* Calls f for every signal signo until cancelled. */
struct loop_signal;
struct loop_signal *loop_signal_start(struct loop *loop, int signo, loop_f *f, void *arg);
void loop_signal_cancel(struct loop_signal *s);

/*
 * Calls f whenever fd is ready, level-triggered, until cancelled; f may cancel it. An urgent one is called
 * before all others that are ready, and within a few milliseconds whatever else there is to do.
 */
typedef void loop_watch_f(void *arg, bool readable, bool writable);
struct loop_watch;
struct loop_watch *loop_watch_start(struct loop *loop, int fd, bool read, bool write,
				    loop_watch_f *f, void *arg);
struct loop_watch *loop_watch_urgent_start(struct loop *loop, int fd, bool read, bool write,
					   loop_watch_f *f, void *arg);
void loop_watch_cancel(struct loop_watch *w);
/* All of the _start above return NULL only when out of memory. */
