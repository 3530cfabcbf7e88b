/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the processes. It never runs two processes with one number, never ends while one runs, and never
 * keeps a listening socket open that no process accepts from.
 */
#include "hub/server/supervise.h"

#include "hub/server/listen_address.h"
#include "lib/http/http_server.h"
#include "lib/kit/log.h"
#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000
#define HEALTHY_MS 10000

struct worker {
	struct supervisor *supervisor;
	unsigned number;
	pid_t pid;                 /* 0: not running */
	int listen_fd;             /* for the next process; -1: not open, or passed on */
	int ready_fd;              /* the process writes to the other end when it is ready; -1: done */
	struct loop_watch *ready;
	int64_t started_ms, backoff_ms;
	struct loop_timer *start;
	bool was_ready;            /* at least once */
};

struct supervisor {
	const struct supervise_conf *conf;
	struct loop *loop;
	struct worker workers[SUPERVISE_MAX];
	unsigned count;
	unsigned port;
	char listen[LISTEN_ADDRESS_MAX]; /* with the port that the kernel chose */
	bool all_ready, stopping;
	int status;
	struct supervise_child *child; /* filled in a process */
	bool is_child;
	struct loop_signal *sigterm, *sigint, *sighup, *sigchld;
	struct loop_timer *kill;
};

static void on_start(void *arg);

static void mask_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(how, &set, NULL);
}

/* --- sockets -------------------------------------------------------------------------------------------- */

static int open_sockets(struct supervisor *s, struct ssf_err *err)
{
	struct listen_address address;

	if (listen_address_parse(s->conf->listen, &address, err) < 0)
		return ssf_fail_prefix(err, "listen");
	if (http_listen(s->conf->listen, HTTP_SHARED_FIRST, &s->workers[0].listen_fd, &s->port, err) < 0)
		return -1;
	listen_address_text(&address, s->port, s->listen);
	for (unsigned i = 1; i < s->count; i++) {
		if (http_listen(s->listen, HTTP_SHARED, &s->workers[i].listen_fd, &s->port, err) < 0)
			return -1;
	}
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- end ------------------------------------------------------------------------------------------------ */

static void check_end(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->workers[i].pid != 0)
			return;
	}
	if (s->stopping)
		loop_stop(s->loop);
}

static void signal_all(struct supervisor *s, int signo)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->workers[i].pid != 0)
			kill(s->workers[i].pid, signo);
	}
}

static void on_kill(void *arg)
{
	struct supervisor *s = arg;

	s->kill = NULL;
	log_error("process.killed");
	signal_all(s, SIGKILL);
}

static void stop_all(struct supervisor *s, int status)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->status = status;
	for (unsigned i = 0; i < s->count; i++) {
		loop_timer_cancel(s->workers[i].start);
		s->workers[i].start = NULL;
		close_fd(&s->workers[i].listen_fd); /* no client may connect to a process that will not start */
	}
	signal_all(s, SIGTERM);
	s->kill = loop_timer_start(s->loop, s->conf->stop_ms, on_kill, s);
	check_end(s);
}

static void on_stop_signal(void *arg)
{
	stop_all(arg, 0);
}

/* The parent uses no setting that can change. */
static void on_reload(void *arg)
{
	signal_all(arg, SIGHUP);
}

/* --- processes ------------------------------------------------------------------------------------------------ */

static void check_ready(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (!s->workers[i].was_ready)
			return;
	}
	if (!s->all_ready)
		s->conf->ready(s->conf->arg, s->port);
	s->all_ready = true;
}

static void ready_done(struct worker *w)
{
	loop_watch_cancel(w->ready);
	w->ready = NULL;
	close_fd(&w->ready_fd);
}

static void on_ready(void *arg, bool readable, bool writable)
{
	struct worker *w = arg;
	char byte;
	ssize_t n = read(w->ready_fd, &byte, 1);

	(void)readable;
	(void)writable;
	ready_done(w);
	if (n != 1)
		return; /* the process ended instead */
	w->was_ready = true;
	check_ready(w->supervisor);
}

/* In the new process: ends the copy of the parent's loop, so that supervise() returns. */
static void become_child(struct worker *w, int ready_fd, pid_t parent)
{
	struct supervisor *s = w->supervisor;

	/* a process must not outlive its parent: nothing could stop it then */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	*s->child = (struct supervise_child){ w->number, w->listen_fd, ready_fd };
	s->is_child = true;
	w->listen_fd = -1;
	loop_stop(s->loop);
}

/* The parent keeps no copy of the socket: it, and the connections queued at it, end with the process. */
static int start_process(struct worker *w, struct ssf_err *err)
{
	struct supervisor *s = w->supervisor;
	pid_t parent = getpid();
	int fds[2];

	if (w->listen_fd < 0 && http_listen(s->listen, HTTP_SHARED, &w->listen_fd, &s->port, err) < 0)
		return -1;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		close_fd(&w->listen_fd);
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no pipe for a process");
	}
	/* a signal handler in the new process would write into the pipe of the parent's loop */
	mask_signals(SIG_BLOCK);
	w->pid = fork();
	if (w->pid == 0) {
		close(fds[0]);
		become_child(w, fds[1], parent);
		return 0;
	}
	mask_signals(SIG_UNBLOCK);
	int reason = errno;
	close(fds[1]);
	close_fd(&w->listen_fd);
	if (w->pid < 0) {
		w->pid = 0;
		close(fds[0]);
		return ssf_fail(err, SSF_E_UNAVAILABLE, "%s", strerror(reason));
	}
	w->ready_fd = fds[0];
	w->ready = loop_watch_start(s->loop, fds[0], true, false, on_ready, w);
	w->started_ms = loop_now_ms();
	log_info("process.started", log_int("number", w->number), log_int("pid", w->pid));
	return 0;
}

static void start_later(struct worker *w, int64_t ms)
{
	w->start = loop_timer_start(w->supervisor->loop, ms, on_start, w);
	w->backoff_ms = w->backoff_ms * 2 < BACKOFF_MAX_MS ? w->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void on_start(void *arg)
{
	struct worker *w = arg;
	struct ssf_err err;

	w->start = NULL;
	if (start_process(w, &err) < 0) {
		log_error("process.start_failed", log_why(&err));
		start_later(w, w->backoff_ms);
	}
}

static void worker_ended(struct worker *w, int status)
{
	struct supervisor *s = w->supervisor;

	w->pid = 0;
	if (w->ready != NULL)
		ready_done(w);
	if (s->stopping) {
		if (status != 0 && s->status == 0)
			s->status = 1;
		check_end(s);
		return;
	}
	log_error("process.exited", log_int("number", w->number),
		  log_int("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
		  log_int("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
	if (!s->all_ready) { /* the same fault keeps all from starting; the process has printed it */
		stop_all(s, 1);
		return;
	}
	if (loop_now_ms() - w->started_ms >= HEALTHY_MS)
		w->backoff_ms = BACKOFF_MIN_MS;
	start_later(w, w->backoff_ms);
}

static void on_child(void *arg)
{
	struct supervisor *s = arg;
	int status;

	for (unsigned i = 0; i < s->count; i++) {
		if (s->workers[i].pid != 0 && waitpid(s->workers[i].pid, &status, WNOHANG) > 0)
			worker_ended(&s->workers[i], status);
	}
}

/* --- supervise ------------------------------------------------------------------------------------------------------- */

static void supervisor_release(struct supervisor *s)
{
	loop_signal_cancel(s->sigterm);
	loop_signal_cancel(s->sigint);
	loop_signal_cancel(s->sighup);
	loop_signal_cancel(s->sigchld);
	loop_timer_cancel(s->kill);
	for (unsigned i = 0; i < s->count; i++) {
		loop_timer_cancel(s->workers[i].start);
		loop_watch_cancel(s->workers[i].ready);
		close_fd(&s->workers[i].listen_fd);
		close_fd(&s->workers[i].ready_fd);
	}
	if (s->is_child)
		postgres_forget(s->conf->postgres);
	else
		postgres_stop(s->conf->postgres);
	loop_free(s->loop);
}

static int supervisor_begin(struct supervisor *s, struct ssf_err *err)
{
	if (open_sockets(s, err) < 0 || s->conf->opened(s->conf->arg, s->port, err) < 0)
		return -1;
	s->sigterm = loop_signal_start(s->loop, SIGTERM, on_stop_signal, s);
	s->sigint = loop_signal_start(s->loop, SIGINT, on_stop_signal, s);
	s->sighup = loop_signal_start(s->loop, SIGHUP, on_reload, s);
	s->sigchld = loop_signal_start(s->loop, SIGCHLD, on_child, s);
	if (s->sigterm == NULL || s->sigint == NULL || s->sighup == NULL || s->sigchld == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "loop");
	for (unsigned i = 0; i < s->count; i++)
		start_later(&s->workers[i], 0);
	return s->conf->postgres != NULL ? postgres_watch(s->conf->postgres, s->loop, err) : 0;
}

int supervise(const struct supervise_conf *conf, bool *is_child, struct supervise_child *child,
	      struct ssf_err *err)
{
	struct supervisor s = { .conf = conf, .count = conf->processes, .child = child };

	*is_child = false;
	if (loop_new(&s.loop, err) < 0)
		return -1;
	for (unsigned i = 0; i < s.count; i++)
		s.workers[i] = (struct worker){ .supervisor = &s, .number = i + 1, .listen_fd = -1, .ready_fd = -1,
						.backoff_ms = BACKOFF_MIN_MS };
	if (supervisor_begin(&s, err) < 0) {
		supervisor_release(&s);
		return -1;
	}
	mask_signals(SIG_UNBLOCK);
	loop_run(s.loop);
	mask_signals(SIG_BLOCK);
	*is_child = s.is_child;
	if (s.is_child && loop_after_fork(s.loop, err) < 0)
		_exit(1);
	supervisor_release(&s);
	return s.is_child ? 0 : s.status;
}

void supervise_ready(const struct supervise_child *child)
{
	if (write(child->ready_fd, "r", 1) < 0)
		log_warn("supervisor.lost");
	close(child->ready_fd);
}
