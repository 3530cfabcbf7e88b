/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the folder, in an order in which a crash at any point leaves what the
 * next start can go on from. As root it must not follow or change anything inside of
 * the folders that it gave to the server's user.
 */
#include "hub/postgres/data_dir.h"

#include "hub/postgres/pg_bin.h"
#include "lib/kit/file.h"
#include "lib/kit/log.h"
#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EARLIER_WAIT_MS 30000
#define EARLIER_PATIENCE_MS 10000
#define INITDB_MS 300000
#define REMOVE_MS 60000
#define NAP_NS 50000000
#define LOG_MAX (8 << 20)
#define LOG_READ 4096
#define SOCKET_NAME "/.s.PGSQL.5432"

static int fail_nomem(struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_NOMEM, "out of memory");
}

static void nap(void)
{
	const struct timespec ts = { .tv_nsec = NAP_NS };

	nanosleep(&ts, NULL);
}

/* --- the folder itself ------------------------------------------------------------------ */

static int make_root(struct data_dir *d, const char *dir, struct ssf_err *err)
{
	/* The server's user has to pass through, and may not look around. */
	mode_t mode = d->user.other ? 0711 : 0700;

	if (mkdir(dir, mode) == 0) {
		if (chmod(dir, mode) < 0) /* whatever the umask is */
			return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot set its mode: %m", dir);
	} else if (errno != EEXIST) {
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot make the folder: %m", dir);
	}
	d->root = realpath(dir, NULL);
	if (d->root == NULL)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot use the folder: %m", dir);
	/* A file of its own: DIR itself is locked, for a moment, by whoever makes certificates in it. */
	ssf_auto_free char *path = file_join(d->root, "hub.lock");
	if (path == NULL)
		return fail_nomem(err);
	d->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->lock < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot open: %m", path);
	return 0;
}

static int lock_root(const struct data_dir *d, int64_t deadline, struct ssf_err *err)
{
	while (flock(d->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot lock: %m", d->root);
		if (loop_now_ms() >= deadline)
			return ssf_fail(err, SSF_E_CONFLICT, "%s: another hub uses this folder",
					d->root);
		nap();
	}
	return 0;
}

static int set_paths(struct data_dir *d, struct ssf_err *err)
{
	const struct {
		char **path;
		const char *name;
	} paths[] = {
		{ &d->pg, "pg" },
		{ &d->hba, "pg_hba.conf" },
		{ &d->ident, "pg_ident.conf" },
		{ &d->log, "postgres.log" },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(paths); i++) {
		*paths[i].path = file_join(d->root, paths[i].name);
		if (*paths[i].path == NULL)
			return fail_nomem(err);
	}
	return 0;
}

/*
 * Makes a folder of the server's user, or takes the one that is there, if nobody else
 * can have made it: in /tmp anybody may.
 */
static int make_folder_for_server(const struct data_dir *d, const char *path,
				  struct ssf_err *err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot make the folder: %m", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ssf_fail(err, SSF_E_DENIED, "%s: is there and not a folder of ours: %m",
				path);
	bool known = fstat(fd, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == d->user.uid);
	bool set = known && (!d->user.other || fchown(fd, d->user.uid, d->user.gid) == 0) &&
		   fchmod(fd, 0700) == 0;
	close(fd);
	if (!known)
		return ssf_fail(err, SSF_E_DENIED, "%s: belongs to somebody else: remove it", path);
	if (!set)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot set owner and mode: %m", path);
	return 0;
}

static int make_run(struct data_dir *d, struct ssf_err *err)
{
	char hex[SSF_SHA256_HEX];
	size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(SOCKET_NAME);

	d->run = file_join(d->root, "run");
	if (d->run == NULL)
		return fail_nomem(err);
	/* Where libpq and the server take a path, a comma begins the next one. */
	bool usable = strlen(d->run) <= max && strchr(d->run, ',') == NULL;
	if (!usable) {
		ssf_sha256_hex(ssf_str_c(d->root), hex);
		free(d->run);
		if (asprintf(&d->run, "/tmp/ssfhub-%.8s", hex) < 0) {
			d->run = NULL;
			return fail_nomem(err);
		}
	}
	if (make_folder_for_server(d, d->run, err) < 0)
		return -1;
	d->remove_run = !usable;
	return 0;
}

/* --- who may connect -------------------------------------------------------------------- */

static int write_access(const struct data_dir *d, struct ssf_err *err)
{
	static const char hba[] = "# Written by ssfhub at every start.\n"
				  "local all all peer map=ssfhub\n";
	const struct passwd *pw = getpwuid(geteuid());
	ssf_auto_buf ident = SSF_BUF(4096);

	if (pw == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "user id %u has no name in the user database",
				(unsigned)geteuid());
	ssf_buf_adds(&ident, "# Written by ssfhub at every start.\n");
	ssf_buf_addf(&ident, "ssfhub \"%s\" " POSTGRES_ROLE "\n", pw->pw_name);
	if (d->user.other)
		ssf_buf_addf(&ident, "ssfhub \"%s\" " POSTGRES_ROLE "\n", d->user.name);
	if (ssf_buf_failed(&ident))
		return fail_nomem(err);
	if (file_write(d->hba, SSF_STR(hba), 0644, err) < 0)
		return -1;
	return file_write(d->ident, ssf_buf_str(&ident), 0644, err);
}

/* --- an earlier postgres ---------------------------------------------------------------- */

/*
 * Whether process pid is a postgres on our cluster. Its command line tells, which everybody may
 * read: for /proc/PID/cwd of another user's process, root in a container lacks a capability.
 */
static bool is_our_postgres(const struct data_dir *d, long pid)
{
	char path[64];
	ssf_auto_buf args = SSF_BUF(64 << 10);

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	if (file_read(path, &args, NULL) < 0)
		return false;
	for (size_t i = 0; i < args.len; i += strlen(args.ptr + i) + 1) {
		if (strcmp(args.ptr + i, d->pg) == 0)
			return true;
	}
	return false;
}

/* The process that postmaster.pid names, if it is what it was; otherwise 0. */
static long find_earlier_postgres(const struct data_dir *d)
{
	ssf_auto_free char *path = file_join(d->pg, "postmaster.pid");
	ssf_auto_buf text = SSF_BUF(4096);

	if (path == NULL || file_read(path, &text, NULL) < 0 || text.len == 0)
		return 0;
	long pid = strtol(text.ptr, NULL, 10);
	return pid > 0 && is_our_postgres(d, pid) ? pid : 0;
}

/*
 * The kernel has told it to end, in an orderly way. It may not get there: PostgreSQL 15 waits for ever
 * when it is told while it recovers from the crash of one of its processes. The folder is ours by
 * now, and nobody else's who could still use it.
 */
static int wait_for_earlier_postgres(const struct data_dir *d, int64_t deadline,
				     struct ssf_err *err)
{
	int64_t patience = loop_now_ms() + EARLIER_PATIENCE_MS;
	bool told = false;
	long pid;

	while ((pid = find_earlier_postgres(d)) != 0) {
		int64_t now = loop_now_ms();
		if (!told && now >= patience) {
			told = true;
			log_warn("cluster.earlier.stopped", log_int("pid", pid));
			kill((pid_t)pid, SIGQUIT); /* at once; what is committed stays */
		}
		if (now >= deadline)
			return ssf_fail(err, SSF_E_CONFLICT,
					"%s: an earlier postgres (process %ld) does not end", d->pg,
					pid);
		nap();
	}
	return 0;
}

/* --- initdb ----------------------------------------------------------------------------- */

/* What an initdb that did not come to its end has left. */
static int remove_leftover(const struct data_dir *d, char *path, int log_fd,
			   struct ssf_err *err)
{
	char *argv[] = { "/bin/rm", "-rf", "--", path, NULL };

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	/* Emptied by its owner, so that root follows nothing in it; the folder itself is ours. */
	if (spawn_run(&d->user, argv, log_fd, REMOVE_MS, NULL) < 0 && rmdir(path) < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot remove what an earlier start left",
				path);
	return 0;
}

static const char *pick_locale(void)
{
	locale_t l = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);

	if (l == (locale_t)0)
		return "--locale=C";
	freelocale(l);
	return "--locale=C.UTF-8";
}

static int run_initdb(const struct data_dir *d, char *path, int log_fd, struct ssf_err *err)
{
	char locale[32];
	char *argv[] = { d->initdb, "-D", path, "-U", POSTGRES_ROLE, "-E", "UTF8", locale,
			 "-A", "peer", NULL };

	snprintf(locale, sizeof(locale), "%s", pick_locale());
	if (remove_leftover(d, path, log_fd, err) < 0 || make_folder_for_server(d, path, err) < 0)
		return -1;
	return spawn_run(&d->user, argv, log_fd, INITDB_MS, err);
}

static int sync_root(const struct data_dir *d)
{
	int fd = open(d->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd >= 0 ? fsync(fd) : -1;

	if (fd >= 0)
		close(fd);
	return r;
}

static int make_cluster(const struct data_dir *d, struct ssf_err *err)
{
	ssf_auto_free char *path = file_join(d->root, "pg.new");
	char quote[POSTGRES_LOG_QUOTE];
	struct ssf_err why;
	struct stat st;
	off_t end;
	int fd;

	if (path == NULL)
		return fail_nomem(err);
	if (lstat(d->pg, &st) == 0)
		return 0;
	if (data_dir_open_log(d, &fd, &end, err) < 0)
		return -1;
	int r = run_initdb(d, path, fd, &why);
	close(fd);
	if (r < 0) {
		data_dir_quote_log(d, end, quote);
		return ssf_fail(err, why.code, "%s: %s", why.msg, quote);
	}
	if (rename(path, d->pg) < 0 || sync_root(d) < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot rename to pg: %m", path);
	return 0;
}

/* --- the log ---------------------------------------------------------------------------- */

int data_dir_open_log(const struct data_dir *d, int *out_fd, off_t *out_end,
			 struct ssf_err *err)
{
	int fd = open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot open: %m", d->log);
	if (fstat(fd, &st) < 0 || (st.st_size > LOG_MAX && ftruncate(fd, 0) < 0)) {
		close(fd);
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot begin anew: %m", d->log);
	}
	*out_fd = fd;
	*out_end = st.st_size > LOG_MAX ? 0 : st.st_size;
	return 0;
}

/* Reads what was appended, or the end of it. */
static void read_log(const struct data_dir *d, off_t from, char out[LOG_READ])
{
	int fd = open(d->log, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	out[0] = '\0';
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		if (from < st.st_size - (LOG_READ - 1))
			from = st.st_size - (LOG_READ - 1);
		n = pread(fd, out, LOG_READ - 1, from);
	}
	close(fd);
	if (n > 0)
		out[n] = '\0';
}

void data_dir_quote_log(const struct data_dir *d, off_t from, char out[POSTGRES_LOG_QUOTE])
{
	char text[LOG_READ];
	const char *last = "", *before = "";
	char *rest = NULL;

	read_log(d, from, text);
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strstr(line, " LOG: ") != NULL) /* is not why anything failed */
			continue;
		before = last;
		last = line;
	}
	if (*before != '\0')
		snprintf(out, POSTGRES_LOG_QUOTE, "%.*s; %s", POSTGRES_LOG_QUOTE / 2, before, last);
	else
		snprintf(out, POSTGRES_LOG_QUOTE, "%s", last);
}

/* --- all of it -------------------------------------------------------------------------- */

static int prepare(struct data_dir *d, const char *dir, const char *bindir, struct ssf_err *err)
{
	int64_t deadline = loop_now_ms() + EARLIER_WAIT_MS;

	if (spawn_user_find(&d->user, err) < 0 || make_root(d, dir, err) < 0 ||
	    spawn_check_entry(&d->user, d->root, err) < 0 || set_paths(d, err) < 0 ||
	    pg_bin_find(bindir, d->pg, &d->initdb, &d->postgres, err) < 0 ||
	    lock_root(d, deadline, err) < 0 || make_run(d, err) < 0 || write_access(d, err) < 0)
		return -1;
	if (make_cluster(d, err) < 0)
		return -1;
	return wait_for_earlier_postgres(d, deadline, err);
}

int data_dir_init(struct data_dir *d, const char *dir, const char *bindir,
		     struct ssf_err *err)
{
	*d = (struct data_dir){ .lock = -1 };
	if (prepare(d, dir, bindir, err) < 0) {
		data_dir_done(d);
		return -1;
	}
	return 0;
}

void data_dir_done(struct data_dir *d)
{
	if (d->remove_run)
		rmdir(d->run); /* unless an earlier postgres has its socket in it */
	if (d->lock >= 0)
		close(d->lock);
	spawn_user_done(&d->user);
	free(d->root);
	free(d->pg);
	free(d->hba);
	free(d->ident);
	free(d->log);
	free(d->run);
	free(d->initdb);
	free(d->postgres);
	*d = (struct data_dir){ .lock = -1 };
}
