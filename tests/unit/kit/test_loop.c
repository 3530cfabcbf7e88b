/* SPDX-License-Identifier: Apache-2.0 */
/* The rules in loop.h's head: order, cancelling inside callbacks, no call from inside _start. */
#include "lib/kit/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct loop *loop;
	char trace[64];
	struct loop_defer *defer;
	struct loop_timer *timer;
	struct loop_tick *tick;
	struct loop_signal *signal;
	struct loop_watch *watch;
	int pipe[2];
	int count;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	return loop_new(&f->loop, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_free(f->loop); /* asserts that nothing is pending */
	free(f);
	return 0;
}

static void note(struct fixture *f, char c)
{
	size_t len = strlen(f->trace);

	assert_true(len + 1 < sizeof(f->trace));
	f->trace[len] = c;
}

static void note_a(void *arg)
{
	note(arg, 'a');
}

static void note_b(void *arg)
{
	note(arg, 'b');
}

static void stop(void *arg)
{
	struct fixture *f = arg;

	note(f, '.');
	loop_stop(f->loop);
}

static void defer_more(void *arg)
{
	struct fixture *f = arg;

	note(f, 'm');
	assert_non_null(loop_defer_start(f->loop, stop, f));
	note(f, 'M');
}

static void deferred_calls_run_in_order(void **state)
{
	struct fixture *f = *state;

	assert_non_null(loop_defer_start(f->loop, note_a, f));
	assert_non_null(loop_defer_start(f->loop, defer_more, f));
	assert_non_null(loop_defer_start(f->loop, note_b, f));
	assert_string_equal(f->trace, "");
	loop_run(f->loop);
	assert_string_equal(f->trace, "amMb.");
}

static void cancel_defer(void *arg)
{
	struct fixture *f = arg;

	note(f, 'c');
	loop_defer_cancel(f->defer);
}

static void deferred_calls_can_be_cancelled(void **state)
{
	struct fixture *f = *state;

	loop_defer_cancel(NULL);
	loop_defer_cancel(loop_defer_start(f->loop, note_b, f));
	assert_non_null(loop_defer_start(f->loop, cancel_defer, f));
	f->defer = loop_defer_start(f->loop, note_a, f);
	assert_non_null(loop_defer_start(f->loop, stop, f));
	loop_run(f->loop);
	assert_string_equal(f->trace, "c.");
}

static void defer_for_ever(void *arg)
{
	struct fixture *f = arg;

	f->defer = loop_defer_start(f->loop, defer_for_ever, f);
}

/* Calls that start one another must not keep the loop from timers and sockets. */
static void deferred_calls_do_not_starve_others(void **state)
{
	struct fixture *f = *state;

	defer_for_ever(f);
	assert_non_null(loop_timer_start(f->loop, 5, stop, f));
	loop_run(f->loop);
	assert_string_equal(f->trace, ".");
	loop_defer_cancel(f->defer);
}

static void stopping_keeps_later_calls(void **state)
{
	struct fixture *f = *state;

	assert_non_null(loop_defer_start(f->loop, stop, f));
	assert_non_null(loop_defer_start(f->loop, stop, f));
	loop_run(f->loop);
	loop_run(f->loop);
	assert_string_equal(f->trace, "..");
}

static void timers_fire_once_and_not_early(void **state)
{
	struct fixture *f = *state;
	int64_t start = loop_now_ms();

	assert_non_null(loop_timer_start(f->loop, 30, stop, f));
	assert_non_null(loop_timer_start(f->loop, 10, note_b, f));
	assert_non_null(loop_timer_start(f->loop, -5, note_a, f));
	loop_run(f->loop);
	assert_string_equal(f->trace, "ab.");
	assert_true(loop_now_ms() - start >= 29); /* both ends are cut to whole milliseconds */
}

static void cancel_timer(void *arg)
{
	struct fixture *f = arg;

	note(f, 'c');
	loop_timer_cancel(f->timer);
}

static void timers_can_be_cancelled(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(NULL);
	assert_non_null(loop_timer_start(f->loop, 0, cancel_timer, f));
	f->timer = loop_timer_start(f->loop, 5, note_a, f);
	assert_non_null(loop_timer_start(f->loop, 10, stop, f));
	loop_run(f->loop);
	assert_string_equal(f->trace, "c.");
}

static void count_tick(void *arg)
{
	struct fixture *f = arg;

	note(f, 't');
	if (++f->count == 3) {
		loop_tick_cancel(f->tick);
		loop_stop(f->loop);
	}
}

static void ticks_repeat_and_cancel_themselves(void **state)
{
	struct fixture *f = *state;

	loop_tick_cancel(NULL);
	f->tick = loop_tick_start(f->loop, 1, count_tick, f);
	loop_run(f->loop);
	assert_string_equal(f->trace, "ttt");
}

static void on_usr1(void *arg)
{
	struct fixture *f = arg;

	note(f, 's');
	if (++f->count == 2) {
		loop_signal_cancel(f->signal);
		loop_stop(f->loop);
	} else {
		raise(SIGUSR1);
	}
}

static void signals_repeat(void **state)
{
	struct fixture *f = *state;

	loop_signal_cancel(NULL);
	f->signal = loop_signal_start(f->loop, SIGUSR1, on_usr1, f);
	raise(SIGUSR1);
	assert_string_equal(f->trace, "");
	loop_run(f->loop);
	assert_string_equal(f->trace, "ss");
}

static void on_readable(void *arg, bool readable, bool writable)
{
	struct fixture *f = arg;
	char byte;

	assert_true(readable);
	assert_false(writable);
	assert_int_equal(read(f->pipe[0], &byte, 1), 1);
	note(f, byte);
	if (byte == 'z') {
		loop_watch_cancel(f->watch);
		loop_stop(f->loop);
	}
}

static void watches_are_level_triggered(void **state)
{
	struct fixture *f = *state;

	loop_watch_cancel(NULL);
	assert_int_equal(pipe(f->pipe), 0);
	f->watch = loop_watch_start(f->loop, f->pipe[0], true, false, on_readable, f);
	assert_int_equal(write(f->pipe[1], "xyz!", 4), 4);
	loop_run(f->loop);
	assert_string_equal(f->trace, "xyz");
	close(f->pipe[0]);
	close(f->pipe[1]);
}

#define BUSY 30

struct busy {
	struct fixture *f;
	struct loop_watch *watch;
	bool called;
};

/* Takes half a millisecond, and makes readable what the urgent one waits for. */
static void on_busy(void *arg, bool readable, bool writable)
{
	struct busy *b = arg;
	int64_t until = loop_now_us() + 500;

	(void)readable;
	(void)writable;
	if (!b->called && b->f->count++ == 0)
		assert_int_equal(write(b->f->pipe[1], "z", 1), 1);
	b->called = true;
	while (loop_now_us() < until)
		;
}

static void what_is_urgent_does_not_wait_for_all_that_is_ready(void **state)
{
	struct fixture *f = *state;
	struct busy busy[BUSY];
	int ready[2];

	assert_int_equal(pipe(f->pipe), 0);
	assert_int_equal(pipe(ready), 0);
	for (int i = 0; i < BUSY; i++) {
		busy[i] = (struct busy){ .f = f };
		busy[i].watch = loop_watch_start(f->loop, ready[1], false, true, on_busy, &busy[i]);
		assert_non_null(busy[i].watch);
	}
	f->watch = loop_watch_urgent_start(f->loop, f->pipe[0], true, false, on_readable, f);
	loop_run(f->loop);
	assert_string_equal(f->trace, "z");
	assert_in_range(f->count, 1, 8); /* of thirty times half a millisecond */
	for (int i = 0; i < BUSY; i++)
		loop_watch_cancel(busy[i].watch);
	for (int i = 0; i < 2; i++) {
		close(f->pipe[i]);
		close(ready[i]);
	}
}

static void on_writable(void *arg, bool readable, bool writable)
{
	struct fixture *f = arg;

	assert_false(readable);
	assert_true(writable);
	loop_watch_cancel(f->watch);
	stop(f);
}

static void watches_for_writing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pipe(f->pipe), 0);
	f->watch = loop_watch_start(f->loop, f->pipe[1], false, true, on_writable, f);
	loop_run(f->loop);
	assert_string_equal(f->trace, ".");
	close(f->pipe[0]);
	close(f->pipe[1]);
}

/* What the child does to its copy of the loop, and signals that it gets, are not the parent's. */
static void a_child_has_a_loop_of_its_own(void **state)
{
	struct fixture *f = *state;
	int status;

	f->signal = loop_signal_start(f->loop, SIGUSR1, on_usr1, f);
	f->timer = loop_timer_start(f->loop, 60000, note_b, f);
	pid_t pid = fork();
	if (pid == 0) {
		struct ssf_err err;
		bool ok = loop_after_fork(f->loop, &err) == 0;
		loop_timer_cancel(f->timer);
		raise(SIGUSR1);
		loop_run(f->loop); /* on_usr1 stops it, and is cancelled */
		loop_free(f->loop);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	loop_timer_start(f->loop, 20, stop, f);
	loop_run(f->loop);
	assert_int_equal(f->count, 0);
	loop_signal_cancel(f->signal);
	loop_timer_cancel(f->timer);
}

static void clocks_are_sane(void **state)
{
	(void)state;
	assert_true(wall_now_ms() > INT64_C(1700000000000));
	assert_true(loop_now_ms() <= loop_now_ms());
}

#define loop_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(deferred_calls_run_in_order),
		loop_test(deferred_calls_can_be_cancelled),
		loop_test(deferred_calls_do_not_starve_others),
		loop_test(stopping_keeps_later_calls),
		loop_test(timers_fire_once_and_not_early),
		loop_test(timers_can_be_cancelled),
		loop_test(ticks_repeat_and_cancel_themselves),
		loop_test(signals_repeat),
		loop_test(watches_are_level_triggered),
		loop_test(watches_for_writing),
		loop_test(what_is_urgent_does_not_wait_for_all_that_is_ready),
		loop_test(a_child_has_a_loop_of_its_own),
		cmocka_unit_test(clocks_are_sane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
