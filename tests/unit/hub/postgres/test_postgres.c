/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/postgres/postgres.h"

#include "hub/db/pq.h"
#include "lib/kit/file.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "tests/unit/support/pg_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CANARY "canary-7f3a9c"
#define NOBODY 65534

static int setup(void **state)
{
	*state = pg_dir_new();
	return 0;
}

static int teardown(void **state)
{
	pg_dir_remove(*state);
	return 0;
}

static char *path_in(const char *dir, const char *name)
{
	char *path = file_join(dir, name);

	assert_non_null(path);
	return path;
}

static bool file_has(const char *path, const char *bytes, size_t len)
{
	ssf_auto_buf b;
	struct ssf_err err = { 0 };

	ssf_buf_init(&b, 1 << 20);
	if (file_read(path, &b, &err) < 0)
		fail_msg("%s", err.msg);
	return memmem(b.ptr, b.len, bytes, len) != NULL;
}

static void write_script(const char *dir, const char *name, const char *text)
{
	ssf_auto_free char *path = path_in(dir, name);
	struct ssf_err err = { 0 };

	if (file_write(path, ssf_str_c(text), 0755, &err) < 0)
		fail_msg("%s", err.msg);
}

static pid_t postmaster_pid(const char *dir)
{
	ssf_auto_free char *path = path_in(dir, "pg/postmaster.pid");
	ssf_auto_buf b;

	ssf_buf_init(&b, 4096);
	return file_read(path, &b, NULL) == 0 && b.len > 0 ? (pid_t)strtol(b.ptr, NULL, 10) : 0;
}

static void assert_fails(const char *dir, const char *bindir, enum ssf_code code, const char *text)
{
	struct postgres *c = NULL;
	struct ssf_err err = { 0 };

	assert_int_equal(postgres_start(dir, bindir, &c, &err), -1);
	assert_null(c);
	if (err.code != code || strstr(err.msg, text) == NULL)
		fail_msg("unexpected: %d %s", err.code, err.msg);
}

static void test_starts_again_with_its_data(void **state)
{
	const char *dir = *state;
	struct postgres *c = pg_dir_start(dir);

	pg_run(postgres_conninfo(c), "create table t (n int); insert into t values (42)");
	postgres_stop(c);
	assert_int_equal(postmaster_pid(dir), 0);

	c = pg_dir_start(dir);
	ssf_auto_free char *n = pg_ask(postgres_conninfo(c), "select n from t");
	assert_string_equal(n, "42");
	postgres_stop(c);
	postgres_stop(NULL);
}

static void test_is_private_and_durable(void **state)
{
	static const char *const expected[][2] = {
		{ "select current_database()", "ssfhub" },
		{ "select current_user", "ssfhub" },
		{ "show server_encoding", "UTF8" },
		{ "show listen_addresses", "" },
		{ "show unix_socket_permissions", "0700" },
		{ "show max_connections", "64" },
		{ "show fsync", "on" },
		{ "show synchronous_commit", "on" },
		{ "show log_min_error_statement", "panic" },
		{ "select count(*) from pg_hba_file_rules", "1" },
	};
	const char *dir = *state;
	ssf_auto_free char *run = path_in(dir, "run");
	ssf_auto_free char *other = NULL;
	struct stat st;

	setenv("SSFHUB_TEST_SECRET", CANARY, 1);
	struct postgres *c = pg_dir_start(dir);
	unsetenv("SSFHUB_TEST_SECRET");
	for (size_t i = 0; i < SSF_ARRAY_SIZE(expected); i++) {
		ssf_auto_free char *value = pg_ask(postgres_conninfo(c), expected[i][0]);

		assert_string_equal(value, expected[i][1]);
	}
	assert_int_equal(stat(run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(asprintf(&other, "%s user=postgres", postgres_conninfo(c)) > 0);
	assert_false(pg_answers(other));
	postgres_stop(c);
}

static void test_secrets_stay_out(void **state)
{
	const char *dir = *state;
	ssf_auto_free char *log = path_in(dir, "postgres.log");
	ssf_auto_free char *environ_path = NULL;
	struct ssf_err err = { 0 };
	pq_auto_conn pg = NULL;

	setenv("SSFHUB_TEST_SECRET", CANARY, 1);
	struct postgres *c = pg_dir_start(dir);
	unsetenv("SSFHUB_TEST_SECRET");
	assert_true(asprintf(&environ_path, "/proc/%d/environ", (int)postmaster_pid(dir)) > 0);
	assert_true(file_has(environ_path, "LC_ALL=C", 8));
	assert_false(file_has(environ_path, CANARY, strlen(CANARY)));

	assert_int_equal(pq_connect(postgres_conninfo(c), NULL, 5, &pg, &err), 0);
	const char *const params[] = { CANARY };
	assert_int_equal(pq_exec(pg, "select '" CANARY "', 1 / 0", NULL, 0, NULL, &err), -1);
	assert_int_equal(pq_exec(pg, "select $1::text, 1 / 0", params, 1, NULL, &err), -1);
	postgres_stop(c);
	assert_true(file_has(log, "division by zero", 16));
	assert_false(file_has(log, CANARY, strlen(CANARY)));
}

/* --- restarts --------------------------------------------------------------------------- */

struct waiting {
	struct loop *loop;
	const char *dir;
	const char *conninfo; /* NULL: wait only for pid to be gone */
	pid_t pid;
	bool done;
};

static void on_poll(void *arg)
{
	struct waiting *w = arg;

	if (w->conninfo == NULL)
		w->done = kill(w->pid, 0) < 0 && errno == ESRCH;
	else
		w->done = postmaster_pid(w->dir) != w->pid && pg_answers(w->conninfo);
	if (w->done)
		loop_stop(w->loop);
}

static void on_deadline(void *arg)
{
	loop_stop(arg);
}

static void run_until_done(struct waiting *w)
{
	struct loop_timer *deadline = loop_timer_start(w->loop, 30000, on_deadline, w->loop);
	struct loop_tick *poll = loop_tick_start(w->loop, 20, on_poll, w);

	loop_run(w->loop);
	loop_tick_cancel(poll);
	assert_true(w->done);
	loop_timer_cancel(deadline);
}

static void test_watch_restarts(void **state)
{
	struct postgres *c = pg_dir_start(*state);
	struct ssf_err err = { 0 };
	struct waiting w = { .dir = *state, .conninfo = postgres_conninfo(c) };

	assert_int_equal(loop_new(&w.loop, &err), 0);
	assert_int_equal(postgres_watch(c, w.loop, &err), 0);
	pg_run(postgres_conninfo(c), "create table t (n int); insert into t values (42)");
	w.pid = postmaster_pid(*state);
	assert_int_equal(kill(w.pid, SIGKILL), 0);
	run_until_done(&w);
	ssf_auto_free char *n = pg_ask(postgres_conninfo(c), "select n from t");
	assert_string_equal(n, "42");

	/* Stopped while it waits to be started again. */
	w.conninfo = NULL;
	w.pid = postmaster_pid(*state);
	assert_int_equal(kill(w.pid, SIGKILL), 0);
	run_until_done(&w);
	postgres_stop(c);
	loop_free(w.loop);
}

static void test_watch_sees_an_earlier_death(void **state)
{
	struct postgres *c = pg_dir_start(*state);
	struct ssf_err err = { 0 };
	struct waiting w = { .dir = *state, .conninfo = postgres_conninfo(c) };
	siginfo_t info;

	w.pid = postmaster_pid(*state);
	assert_int_equal(kill(w.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)w.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(loop_new(&w.loop, &err), 0);
	assert_int_equal(postgres_watch(c, w.loop, &err), 0);
	run_until_done(&w);
	postgres_stop(c);
	loop_free(w.loop);
}

/* --- other hubs ------------------------------------------------------------------------- */

/* A process that starts the cluster in dir, says so, and stops it when it is told to. */
struct hub {
	pid_t pid;
	int from;
	int to;
};

static void hub_main(const char *dir, int in, int out)
{
	struct postgres *c = NULL;
	char byte;

	if (postgres_start(dir, NULL, &c, NULL) < 0 || write(out, "x", 1) != 1 ||
	    read(in, &byte, 1) != 1)
		_exit(1);
	postgres_stop(c);
	_exit(0);
}

static struct hub hub_start(const char *dir)
{
	int from[2], to[2];
	char byte;

	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(from[0]);
		close(to[1]);
		hub_main(dir, to[0], from[1]);
	}
	close(from[1]);
	close(to[0]);
	assert_int_equal(read(from[0], &byte, 1), 1);
	return (struct hub){ .pid = pid, .from = from[0], .to = to[1] };
}

static int hub_end(const struct hub *h)
{
	int status = 0;

	close(h->from);
	close(h->to);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	return status;
}

static void test_ends_with_a_killed_hub(void **state)
{
	const char *dir = *state;
	struct hub hub = hub_start(dir);
	pid_t earlier = postmaster_pid(dir);

	assert_true(earlier > 0);
	assert_int_equal(kill(hub.pid, SIGKILL), 0);
	hub_end(&hub);
	/* At once: it has to wait for the earlier one, which nobody told to end but the kernel. */
	struct postgres *c = pg_dir_start(dir);
	assert_int_not_equal(postmaster_pid(dir), earlier);
	assert_true(pg_answers(postgres_conninfo(c)));
	postgres_stop(c);
}

static void test_waits_for_another_hub(void **state)
{
	const char *dir = *state;
	struct hub hub = hub_start(dir);

	assert_int_equal(write(hub.to, "x", 1), 1);
	struct postgres *c = pg_dir_start(dir);
	assert_true(pg_answers(postgres_conninfo(c)));
	assert_int_equal(hub_end(&hub), 0);
	postgres_stop(c);
}

/* The command line of a running postgres, which backs argv. */
static void read_command(pid_t pid, struct ssf_buf *text, char *argv[32])
{
	ssf_auto_free char *path = NULL;
	size_t n = 0;

	assert_true(asprintf(&path, "/proc/%d/cmdline", (int)pid) > 0);
	assert_int_equal(file_read(path, text, NULL), 0);
	for (size_t i = 0; i < text->len && n < 31; i += strlen(text->ptr + i) + 1)
		argv[n++] = text->ptr + i;
	argv[n] = NULL;
}

/* As that of an earlier hub, but that the kernel does not tell to end when the hub does. */
static pid_t start_by_hand(char *argv[])
{
	const struct passwd *pw = getpwnam("postgres");
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (pw == NULL || setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 ||
				       setuid(pw->pw_uid) < 0))
			_exit(1);
		if (chdir("/") == 0)
			execv(argv[0], argv);
		_exit(1);
	}
	return pid;
}

static void test_stops_an_earlier_one_that_does_not_end(void **state)
{
	const char *dir = *state;
	struct postgres *c = pg_dir_start(dir);
	ssf_auto_free char *conninfo = strdup(postgres_conninfo(c));
	ssf_auto_buf text = SSF_BUF(4096);
	char *argv[32];
	int status;

	read_command(postmaster_pid(dir), &text, argv);
	pg_run(conninfo, "create table t as select 42 as n");
	postgres_stop(c);
	pid_t earlier = start_by_hand(argv);
	while (!pg_answers(conninfo)) {
		assert_int_equal(waitpid(earlier, &status, WNOHANG), 0);
		usleep(50000);
	}
	c = pg_dir_start(dir);
	assert_int_equal(waitpid(earlier, &status, 0), earlier);
	assert_int_not_equal(postmaster_pid(dir), earlier);
	ssf_auto_free char *n = pg_ask(postgres_conninfo(c), "select n from t");
	assert_string_equal(n, "42");
	postgres_stop(c);
}

/* --- folders ---------------------------------------------------------------------------- */

static char *make_folder(const char *dir, const char *name, mode_t mode)
{
	char *path = path_in(dir, name);

	assert_int_equal(mkdir(path, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* Also while there is no postgres, as when a process starts that follows another one. */
static void assert_child_leaves_it(struct postgres *c, const char *dir)
{
	pid_t postgres = postmaster_pid(dir), child;
	siginfo_t info;
	int status;

	assert_int_equal(kill(postgres, SIGINT), 0);
	assert_int_equal(waitid(P_PID, (id_t)postgres, &info, WEXITED | WNOWAIT), 0);
	child = fork();
	if (child == 0) {
		postgres_forget(c);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_long_path_has_a_short_socket(void **state)
{
	static const char name[] = "a-name-that-is-long-enough-for-a-unix-socket-not-to-have-room"
				   "-for-it-when-the-rest-of-the-path-comes-with-it";
	ssf_auto_free char *dir = make_folder(*state, name, 0711);
	ssf_auto_free char *run = NULL;
	char hex[SSF_SHA256_HEX];
	struct stat st;

	ssf_sha256_hex(ssf_str_c(dir), hex);
	assert_true(asprintf(&run, "/tmp/ssfhub-%.8s", hex) > 0);

	/* Anybody may be first in /tmp. */
	assert_int_equal(symlink(dir, run), 0);
	assert_fails(dir, NULL, SSF_E_DENIED, run);
	assert_int_equal(lstat(run, &st), 0);
	assert_int_equal(unlink(run), 0);
	if (geteuid() == 0) {
		assert_int_equal(mkdir(run, 0777), 0);
		assert_int_equal(chown(run, NOBODY, NOBODY), 0);
		assert_fails(dir, NULL, SSF_E_DENIED, "belongs to somebody else");
		assert_int_equal(rmdir(run), 0);
	}

	struct postgres *c = pg_dir_start(dir);
	assert_non_null(strstr(postgres_conninfo(c), run));
	assert_int_equal(lstat(run, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_child_leaves_it(c, dir);
	assert_int_equal(lstat(run, &st), 0);
	postgres_stop(c);
	assert_int_equal(lstat(run, &st), -1);
}

static void test_odd_names(void **state)
{
	ssf_auto_free char *dir = make_folder(*state, "it's a \\ \"name\", isn't it", 0711);
	struct postgres *c = pg_dir_start(dir);

	assert_true(pg_answers(postgres_conninfo(c)));
	postgres_stop(c);
}

static void test_unusable_folders(void **state)
{
	ssf_auto_free char *closed = make_folder(*state, "closed", 0700);
	ssf_auto_free char *data = path_in(closed, "data");
	ssf_auto_free char *file = path_in(*state, "file");
	ssf_auto_free char *missing = path_in(*state, "missing/data");

	if (geteuid() == 0) {
		ssf_auto_free char *advice = NULL;

		assert_true(asprintf(&advice, "\"chmod o+x %s\"", closed) > 0);
		assert_fails(data, NULL, SSF_E_DENIED, advice);
	} else {
		assert_int_equal(chmod(closed, 0), 0);
		assert_fails(data, NULL, SSF_E_INTERNAL, data);
		assert_int_equal(chmod(closed, 0700), 0);
	}
	write_script(*state, "file", "");
	assert_fails(file, NULL, SSF_E_INTERNAL, file);
	assert_fails(missing, NULL, SSF_E_INTERNAL, missing);
}

/* --- programs that fail ----------------------------------------------------------------- */

static void test_programs_that_fail(void **state)
{
	static const char failing[] = "#!/bin/sh\necho 'initdb: error: no moon tonight' >&2\n"
				      ": >\"$2/left-behind\"\nexit 1\n";
	static const char pretending[] = "#!/bin/sh\necho 15 >\"$2/PG_VERSION\"\n";
	static const char dying[] = "#!/bin/sh\necho '2026 [1] LOG:  hello' >&2\n"
				    "echo '2026 [1] FATAL:  out of cheese' >&2\nexit 1\n";
	ssf_auto_free char *bin = make_folder(*state, "bin", 0755);
	ssf_auto_free char *dir = path_in(*state, "data");
	ssf_auto_free char *pg = path_in(*state, "data/pg");
	ssf_auto_free char *second = path_in(*state, "second");
	struct stat st;

	assert_fails(dir, bin, SSF_E_NOT_FOUND, bin);
	write_script(bin, "initdb", failing);
	write_script(bin, "postgres", dying);
	assert_fails(dir, bin, SSF_E_UNAVAILABLE, "initdb failed: initdb: error: no moon tonight");
	assert_int_equal(lstat(pg, &st), -1);

	write_script(bin, "initdb", pretending);
	assert_fails(second, bin, SSF_E_UNAVAILABLE,
		     "did not start: 2026 [1] FATAL:  out of cheese");

	/* What the failed initdb left does not matter. */
	struct postgres *c = pg_dir_start(dir);
	assert_true(pg_answers(postgres_conninfo(c)));
	postgres_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_starts_again_with_its_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_private_and_durable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets_stay_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch_restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch_sees_an_earlier_death, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_with_a_killed_hub, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits_for_another_hub, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stops_an_earlier_one_that_does_not_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_long_path_has_a_short_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unusable_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_programs_that_fail, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
