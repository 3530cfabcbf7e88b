/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the postgres process: starts it, starts it again when it ended by itself, ends it.
 * It never decides that the database is usable: after a restart the hub's connections find out.
 */
#include "hub/postgres/postgres.h"

#include "hub/postgres/data_dir.h"
#include "hub/db/pq.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 60000
#define RECOVERY_MS 600000
#define READY_POLL_MS 50
#define CONNECT_S 5
#define STOP_MS 30000
#define QUIT_MS 10000
#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000
#define HEALTHY_MS 30000
#define ARG_MAX_COUNT 32

struct postgres {
	struct data_dir dir;
	char *conninfo;
	char *argv[ARG_MAX_COUNT + 1];
	int argc;
	pid_t pid;          /* 0: it does not run */
	int64_t started_ms;
	off_t log_start;    /* where in the log this run begins */
	int64_t backoff_ms; /* before the next restart */
	struct loop *loop;
	struct loop_signal *sigchld;
	struct loop_timer *restart;
};

/*
 * On the command line, where they win over the files in the cluster; what is not here may be
 * tuned there. Statements and their values are kept out of the log: they may be secrets.
 */
static const char *const settings[] = {
	"listen_addresses=",
	"port=5432", /* part of the socket's name */
	"unix_socket_permissions=0700",
	"max_connections=64",
	"fsync=on",
	"synchronous_commit=on",
	"log_destination=stderr",
	"logging_collector=off",
	"log_timezone=UTC",
	"log_line_prefix=%m [%p] ",
	"log_checkpoints=off",
	"log_statement=none",
	"log_min_duration_statement=-1",
	"log_min_error_statement=panic",
	"log_parameter_max_length=0",
	"log_parameter_max_length_on_error=0",
	"log_error_verbosity=terse",
};

static void on_restart(void *arg);

/* --- setting up ------------------------------------------------------------------------- */

static __attribute__((format(printf, 3, 4))) int add_arg(struct postgres *c, struct ssf_err *err,
							 const char *fmt, ...)
{
	va_list ap;
	char *arg = NULL;

	va_start(ap, fmt);
	int n = c->argc < ARG_MAX_COUNT ? vasprintf(&arg, fmt, ap) : -1;
	va_end(ap);
	if (n < 0)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	c->argv[c->argc++] = arg;
	return 0;
}

static int make_argv(struct postgres *c, struct ssf_err *err)
{
	const struct data_dir *d = &c->dir;

	if (add_arg(c, err, "%s", d->postgres) < 0 || add_arg(c, err, "-D") < 0 ||
	    add_arg(c, err, "%s", d->pg) < 0 || add_arg(c, err, "--hba_file=%s", d->hba) < 0 ||
	    add_arg(c, err, "--ident_file=%s", d->ident) < 0 ||
	    add_arg(c, err, "--unix_socket_directories=%s", d->run) < 0)
		return -1;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(settings); i++) {
		if (add_arg(c, err, "--%s", settings[i]) < 0)
			return -1;
	}
	return 0;
}

/* As a value of a conninfo. */
static void add_quoted(struct ssf_buf *b, const char *value)
{
	ssf_buf_addc(b, '\'');
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			ssf_buf_addc(b, '\\');
		ssf_buf_addc(b, *value);
	}
	ssf_buf_addc(b, '\'');
}

static int make_conninfo(struct postgres *c, struct ssf_err *err)
{
	ssf_auto_buf b = SSF_BUF(4096);

	ssf_buf_adds(&b, "host=");
	add_quoted(&b, c->dir.run);
	ssf_buf_adds(&b, " port=5432 dbname=ssfhub user=" POSTGRES_ROLE " requirepeer=");
	add_quoted(&b, c->dir.user.name);
	c->conninfo = ssf_buf_steal(&b);
	if (c->conninfo == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

/* --- starting --------------------------------------------------------------------------- */

static int launch(struct postgres *c, struct ssf_err *err)
{
	int fd;

	if (data_dir_open_log(&c->dir, &fd, &c->log_start, err) < 0)
		return -1;
	int r = spawn_start(&c->dir.user, c->argv, fd, &c->pid, err);
	close(fd);
	if (r < 0)
		return -1;
	c->started_ms = loop_now_ms();
	log_info("cluster.started", log_int("pid", c->pid));
	return 0;
}

static int wait_until_ready(struct postgres *c, struct ssf_err *err)
{
	int64_t limit = READY_MS;
	char quote[POSTGRES_LOG_QUOTE];
	int status;

	for (;;) {
		PGPing ping = pq_ping(c->conninfo, "postgres", CONNECT_S);

		if (ping == PQPING_OK)
			return 0;
		/* It is there but takes no one: it recovers, which may take long and does end. */
		if (ping == PQPING_REJECT)
			limit = RECOVERY_MS;
		if (spawn_wait(c->pid, READY_POLL_MS, &status)) {
			c->pid = 0;
			data_dir_quote_log(&c->dir, c->log_start, quote);
			return ssf_fail(err, SSF_E_UNAVAILABLE, "postgres did not start: %s",
					quote);
		}
		if (loop_now_ms() - c->started_ms >= limit) {
			data_dir_quote_log(&c->dir, c->log_start, quote);
			return ssf_fail(err, SSF_E_TIMEOUT, "postgres is not ready in time: %s",
					quote);
		}
	}
}

static int make_database(const struct postgres *c, struct ssf_err *err)
{
	pq_auto_conn pg = NULL;
	pq_auto_result found = NULL;

	if (pq_connect(c->conninfo, "postgres", CONNECT_S, &pg, err) < 0 ||
	    pq_exec(pg, "select from pg_database where datname = 'ssfhub'", NULL, 0, &found, err) <
		    0)
		return -1;
	if (PQntuples(found) > 0)
		return 0;
	return pq_exec(pg, "create database ssfhub", NULL, 0, NULL, err);
}

static void postgres_autop(struct postgres **c)
{
	postgres_stop(*c);
}

int postgres_start(const char *dir, const char *bindir, struct postgres **out, struct ssf_err *err)
{
	ssf_auto(postgres) c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	c->backoff_ms = BACKOFF_MIN_MS;
	/* Where it was ignored (by who started the hub), children could not be waited for. */
	signal(SIGCHLD, SIG_DFL);
	if (data_dir_init(&c->dir, dir, bindir, err) < 0 || make_argv(c, err) < 0 ||
	    make_conninfo(c, err) < 0 || launch(c, err) < 0 || wait_until_ready(c, err) < 0 ||
	    make_database(c, err) < 0)
		return -1;
	*out = SSF_STEAL(c);
	return 0;
}

const char *postgres_conninfo(const struct postgres *c)
{
	return c->conninfo;
}

/* --- restarting ------------------------------------------------------------------------- */

static void plan_restart(struct postgres *c)
{
	c->restart = loop_timer_start(c->loop, c->backoff_ms, on_restart, c);
	if (c->restart == NULL)
		log_error("cluster.abandoned", log_str("error", "out of memory"));
	c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void on_restart(void *arg)
{
	struct postgres *c = arg;
	struct ssf_err err;

	c->restart = NULL;
	if (launch(c, &err) < 0) {
		log_error("cluster.start_failed", log_why(&err));
		plan_restart(c);
	}
}

/* For every child of the hub; only ours is looked at. */
static void on_child(void *arg)
{
	struct postgres *c = arg;
	int status;

	if (c->pid == 0 || !spawn_wait(c->pid, 0, &status))
		return;
	log_error("cluster.exited", log_int("pid", c->pid),
		  log_int("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
		  log_int("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
		  log_str("log", c->dir.log));
	c->pid = 0;
	if (loop_now_ms() - c->started_ms >= HEALTHY_MS)
		c->backoff_ms = BACKOFF_MIN_MS;
	plan_restart(c);
}

int postgres_watch(struct postgres *c, struct loop *loop, struct ssf_err *err)
{
	c->loop = loop;
	c->sigchld = loop_signal_start(loop, SIGCHLD, on_child, c);
	if (c->sigchld == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	on_child(c); /* it may have ended before there was anyone to be told */
	return 0;
}

/* --- stopping --------------------------------------------------------------------------- */

static void stop_postgres(struct postgres *c)
{
	int status;

	kill(c->pid, SIGINT);
	if (spawn_wait(c->pid, STOP_MS, &status))
		return;
	kill(c->pid, SIGQUIT);
	if (spawn_wait(c->pid, QUIT_MS, &status))
		return;
	kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
}

static void postgres_free(struct postgres *c)
{
	loop_signal_cancel(c->sigchld);
	loop_timer_cancel(c->restart);
	for (int i = 0; i < c->argc; i++)
		free(c->argv[i]);
	free(c->conninfo);
	data_dir_done(&c->dir);
	free(c);
}

void postgres_stop(struct postgres *c)
{
	if (c == NULL)
		return;
	if (c->pid != 0)
		stop_postgres(c);
	postgres_free(c);
}

void postgres_forget(struct postgres *c)
{
	if (c == NULL)
		return;
	c->dir.remove_run = false; /* the parent's postgres may be about to start in it */
	postgres_free(c);
}
