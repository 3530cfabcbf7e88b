/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between fork and exec there may be locks that other threads held: what a child calls
 * must be safe there (signal-safety(7)), so names and groups are looked up before.
 */
#include "hub/postgres/spawn.h"

#include "lib/kit/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER_USER "postgres"
#define NAP_NS 10000000
#define ENTRY_CHECK_MS 10000
#define EXIT_BROKEN 126 /* as shells have it: found, but could not be run */

int spawn_user_find(struct spawn_user *out, struct ssf_err *err)
{
	bool root = geteuid() == 0;
	const struct passwd *pw = root ? getpwnam(SERVER_USER) : getpwuid(geteuid());
	struct spawn_user user = { .other = root, .group_count = SPAWN_GROUPS_MAX };

	if (pw == NULL && root)
		return ssf_fail(err, SSF_E_NOT_FOUND,
				"there is no user " SERVER_USER
				", as whom root has to run PostgreSQL");
	if (pw == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "user id %u has no name in the user database",
				(unsigned)geteuid());
	user.uid = pw->pw_uid;
	user.gid = pw->pw_gid;
	if (root && getgrouplist(pw->pw_name, pw->pw_gid, user.groups, &user.group_count) < 0)
		return ssf_fail(err, SSF_E_LIMIT,
				"user " SERVER_USER " is in more than %d groups", SPAWN_GROUPS_MAX);
	user.name = strdup(pw->pw_name);
	if (user.name == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	*out = user;
	return 0;
}

void spawn_user_done(struct spawn_user *user)
{
	free(user->name);
	user->name = NULL;
}

/* --- in the child ----------------------------------------------------------------------- */

static void child_say(const char *s)
{
	/* There is nowhere else to say it. */
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		return;
}

static _Noreturn void child_fail(const char *what)
{
	const char *why = strerrorname_np(errno);

	child_say("ssfhub: cannot ");
	child_say(what);
	child_say(": ");
	child_say(why != NULL ? why : "unknown error");
	child_say("\n");
	_exit(EXIT_BROKEN);
}

static void child_set_output(int out_fd)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out_fd < 0 ? null : out_fd, STDOUT_FILENO) < 0 ||
	    dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		_exit(EXIT_BROKEN);
	closefrom(STDERR_FILENO + 1);
}

static void child_enter(const struct spawn_user *user, pid_t parent, int out_fd)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &dfl, NULL);
	child_set_output(out_fd);
	umask(077);
	/* Ctrl-C on the hub's terminal is for the hub, which then stops its child itself. */
	if (setpgid(0, 0) < 0 || chdir("/") < 0)
		child_fail("leave the hub's process group and folder");
	if (user->other && (setgroups((size_t)user->group_count, user->groups) < 0 ||
			    setresgid(user->gid, user->gid, user->gid) < 0 ||
			    setresuid(user->uid, user->uid, user->uid) < 0))
		child_fail("become user " SERVER_USER);
	/* Changing the user clears it, so not before. The parent may be gone already. */
	if (prctl(PR_SET_PDEATHSIG, SIGINT) < 0)
		child_fail("ask for a signal when the hub ends");
	if (getppid() != parent)
		_exit(EXIT_BROKEN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As fork(2), but the child has already left everything of the hub behind. */
static pid_t fork_as(const struct spawn_user *user, int out_fd)
{
	pid_t parent = getpid();
	sigset_t all, before;

	/* A handler that runs in the child would write into the pipe of the hub's loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0) {
		child_enter(user, parent, out_fd);
		return 0;
	}
	int saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

/* Length of the leading part of path that has depth components, of all of it if it has fewer. */
static size_t prefix_len(const char *path, int depth)
{
	size_t len = 0;

	while (path[len] != '\0' && depth-- > 0)
		len += 1 + strcspn(path + len + 1, "/");
	return len;
}

static _Noreturn void child_check_entry(char *path)
{
	int depth = 0;
	size_t len;

	do {
		len = prefix_len(path, ++depth);
		char c = path[len];
		path[len] = '\0';
		if (access(path, X_OK) < 0)
			_exit(depth < EXIT_BROKEN ? depth : EXIT_BROKEN - 1);
		path[len] = c;
	} while (path[len] != '\0');
	_exit(0);
}

/* --- in the hub ------------------------------------------------------------------------- */

int spawn_check_entry(const struct spawn_user *user, const char *dir, struct ssf_err *err)
{
	int status = 0;
	char *path;

	if (!user->other)
		return 0;
	/* By trying, since access control lists and security modules have a say too. */
	path = strdup(dir);
	pid_t pid = path != NULL ? fork_as(user, -1) : -1;
	if (pid == 0)
		child_check_entry(path);
	free(path);
	if (pid < 0)
		return ssf_fail(err, SSF_E_NOMEM, "cannot start a process: %m");
	if (!spawn_wait(pid, ENTRY_CHECK_MS, &status)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return ssf_fail(err, SSF_E_TIMEOUT, "%s: the file system does not answer", dir);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) == EXIT_BROKEN)
		return ssf_fail(err, SSF_E_DENIED, "cannot become user %s", user->name);
	int depth = WEXITSTATUS(status);
	if (depth == 0)
		return 0;
	int len = (int)prefix_len(dir, depth);
	return ssf_fail(err, SSF_E_DENIED,
			"user %s, who runs PostgreSQL, may not enter %.*s: run \"chmod o+x %.*s\" "
			"or choose another data folder",
			user->name, len, dir, len, dir);
}

int spawn_start(const struct spawn_user *user, char *const *argv, int out_fd, pid_t *out,
		struct ssf_err *err)
{
	/* The hub's own may hold secrets, and settings of libpq that are not for its server. */
	static char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
					     NULL };
	pid_t pid = fork_as(user, out_fd);

	if (pid < 0)
		return ssf_fail(err, SSF_E_NOMEM, "cannot start a process: %m");
	if (pid == 0) {
		execve(argv[0], argv, environment);
		child_fail(argv[0]);
	}
	*out = pid;
	return 0;
}

bool spawn_wait(pid_t pid, int64_t ms, int *out_status)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	int64_t deadline = loop_now_ms() + ms;

	for (;;) {
		pid_t r = waitpid(pid, out_status, WNOHANG);

		if (r == pid)
			return true;
		if (r < 0 && errno != EINTR) { /* not ours to wait for: it can only have ended */
			*out_status = W_EXITCODE(EXIT_BROKEN, 0);
			return true;
		}
		if (loop_now_ms() >= deadline)
			return false;
		nanosleep(&nap, NULL);
	}
}

int spawn_run(const struct spawn_user *user, char *const *argv, int out_fd, int64_t ms,
	      struct ssf_err *err)
{
	pid_t pid = 0;
	int status;

	if (spawn_start(user, argv, out_fd, &pid, err) < 0)
		return -1;
	if (!spawn_wait(pid, ms, &status)) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return ssf_fail(err, SSF_E_TIMEOUT, "%s did not end in time", argv[0]);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "%s failed", argv[0]);
	return 0;
}
