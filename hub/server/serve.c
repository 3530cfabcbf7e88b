/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a command line to running processes. What blocks (the private PostgreSQL, migrations) happens
 * once, before the loop runs and before there are several processes; each process then starts all parts
 * by itself.
 */
#include "hub/server/serve.h"

#include "hub/db/migrate.h"
#include "hub/metrics/metrics.h"
#include "hub/postgres/postgres.h"
#include "hub/server/lifecycle.h"
#include "hub/server/parts.h"
#include "hub/server/urls.h"
#include "lib/kit/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define DATABASE_WAIT_MS 30000
#define POSTGRES_CONNECTIONS 56 /* of the private one, for all processes */
#define STOP_SLACK_MS 5000

#define STATUS_FAILED 1
#define STATUS_USAGE 2

/* --- before the loop runs ----------------------------------------------------------------------- */

static int prepare_database(struct server *s, struct ssf_err *err)
{
	const char *conninfo = s->conf.database;
	int64_t connections = s->conf.processes * (s->conf.database_connections + 1);

	if (conninfo == NULL) {
		if (connections > POSTGRES_CONNECTIONS)
			return ssf_fail(err, SSF_E_LIMIT,
					"processes: together they may have %d connections to the"
					" private PostgreSQL; lower database_connections",
					POSTGRES_CONNECTIONS);
		if (postgres_start(s->conf.data, s->conf.pg_bindir, &s->postgres, err) < 0)
			return ssf_fail_prefix(err, "private PostgreSQL");
		conninfo = postgres_conninfo(s->postgres);
	}
	s->conninfo = strdup(conninfo);
	if (s->conninfo == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "database");
	if (migrate(s->conninfo, DATABASE_WAIT_MS, err) < 0)
		return ssf_fail_prefix(err, "database");
	return 0;
}

static int prepare(struct server *s, struct ssf_err *err)
{
	if (urls_check(s, err) < 0 ||
	    metrics_open((unsigned)s->conf.processes, (size_t)s->conf.metrics_streams, err) < 0 ||
	    data_files_open(&s->conf, &s->files, err) < 0)
		return -1;
	return prepare_database(s, err);
}

static void release(struct server *s)
{
	postgres_stop(s->postgres);
	urls_done(s);
	free(s->conninfo);
	data_files_done(&s->files);
	metrics_close();
	conf_done(&s->conf);
}

/* A signal that comes while the hub starts is kept until the loop can take it. */
static void mask_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

/* Every connection needs a descriptor. The default soft limit is for programs that use select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* --- processes ---------------------------------------------------------------------------------- */

/* One process, until it is told to end. */
static void run_process(struct server *s)
{
	struct ssf_err err;

	log_set_process(s->child.number);
	metrics_be(s->child.number > 0 ? s->child.number - 1 : 0);
	if (part_list_start(&s->life.parts, s, &err) < 0) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		s->life.status = STATUS_FAILED;
	} else {
		mask_signals(SIG_UNBLOCK);
		loop_run(s->base.loop);
		log_info("hub.stopped");
	}
	part_list_stop(&s->life.parts, s);
}

static int on_port_known(void *arg, unsigned port, struct ssf_err *err)
{
	return urls_set(arg, port, err);
}

/* Returns in each of several processes, and in their parent when all have ended. */
static int run_supervised(struct server *s, struct ssf_err *err)
{
	const struct supervise_conf conf = { .processes = (unsigned)s->conf.processes,
					     .listen = s->conf.listen,
					     .stop_ms = s->conf.drain_timeout + STOP_SLACK_MS,
					     .postgres = SSF_STEAL(s->postgres),
					     .opened = on_port_known,
					     .ready = lifecycle_print_ready,
					     .arg = s };
	bool is_child = false;
	int r = supervise(&conf, &is_child, &s->child, err);

	if (is_child)
		run_process(s);
	else if (r > 0)
		s->life.status = r;
	return r < 0 ? -1 : 0;
}

/* Takes the word out of argv; words is a copy that the caller frees. */
static bool take_flag(const char *flag, int *argc, char **words)
{
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (i == 0 || strcmp(words[i], flag) != 0)
			words[kept++] = words[i];
	}
	bool found = kept < *argc;
	*argc = kept;
	words[kept] = NULL;
	return found;
}

static int print_error(const struct settings_error *e)
{
	char text[512];

	settings_error_text(e, text, sizeof(text));
	fprintf(stderr, "ssfhub: %s\n", text);
	return STATUS_USAGE;
}

int serve(int argc, char *const *argv)
{
	ssf_auto_free char **words = calloc((size_t)argc + 1, sizeof(*words));
	struct server s = { .life.parts = { server_parts, server_part_count, 0 } };
	struct conf_sources sources;
	struct settings_error e;
	struct ssf_err err;
	enum log_level level;
	bool print;

	if (words == NULL)
		return STATUS_FAILED;
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	print = take_flag(SERVE_PRINT_SETTINGS, &argc, words);
	if (conf_load(&s.conf, &sources, argc, words, &e) < 0)
		return print_error(&e);
	if (print) {
		conf_print(&s.conf, &sources, stdout);
		conf_done(&s.conf);
		return 0;
	}
	s.argc = argc;
	s.argv = words;
	if (log_level_parse(s.conf.log_level, &level) == 0)
		log_set_level(level);
	raise_descriptor_limit();
	mask_signals(SIG_BLOCK);
	if (prepare(&s, &err) < 0 || (s.conf.processes > 1 && run_supervised(&s, &err) < 0)) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		s.life.status = STATUS_FAILED;
	} else if (s.conf.processes == 1) {
		run_process(&s);
	}
	release(&s);
	return s.life.status;
}
