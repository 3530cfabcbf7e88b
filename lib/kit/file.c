/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking file access for start-up and rare changes; never on the path of a request. */
#include "lib/kit/file.h"

#include "lib/ssf/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fd_autoclose(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define auto_fd __attribute__((cleanup(fd_autoclose))) int

static int fail_errno(struct ssf_err *err, const char *what, const char *path)
{
	enum ssf_code code = errno == ENOENT || errno == ENOTDIR ? SSF_E_NOT_FOUND
								 : SSF_E_INTERNAL;

	return ssf_fail(err, code, "%s: cannot %s: %m", path, what);
}

int file_read(const char *path, struct ssf_buf *out, struct ssf_err *err)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return fail_errno(err, "open", path);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, "read", path);
		size_t room = out->max - out->len;
		int r = ssf_buf_add(out, chunk, (size_t)n);
		OPENSSL_cleanse(chunk, (size_t)n);
		if (r < 0 && (size_t)n > room)
			return ssf_fail(err, SSF_E_LIMIT, "%s: larger than %zu bytes", path,
					out->max);
		if (r < 0)
			return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", path);
	}
	return 0;
}

static int write_all(int fd, struct ssf_str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

/* The new name must survive a power cut as well as the bytes do. */
static int sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	ssf_auto_free char *dir = len > 0 ? strndup(path, len) : strdup(".");

	if (dir == NULL)
		return -1;
	auto_fd fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

int file_write(const char *path, struct ssf_str bytes, mode_t mode, struct ssf_err *err)
{
	ssf_auto_free char *beside = NULL;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0) {
		beside = NULL;
		return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", path);
	}
	auto_fd fd = mkostemp(beside, O_CLOEXEC); /* 0600 until the bytes are complete */
	if (fd < 0)
		return fail_errno(err, "create a file beside", path);
	if (write_all(fd, bytes) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
	    rename(beside, path) < 0) {
		fail_errno(err, "write", path);
		unlink(beside);
		return -1;
	}
	if (sync_dir_of(path) < 0)
		return fail_errno(err, "sync the folder of", path);
	return 0;
}

int file_mkdir(const char *path, mode_t mode, struct ssf_err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return fail_errno(err, "make the folder", path);
	if (stat(path, &st) < 0)
		return fail_errno(err, "look at", path);
	if (!S_ISDIR(st.st_mode))
		return ssf_fail(err, SSF_E_INTERNAL, "%s: is there and not a folder", path);
	return 0;
}

char *file_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	const char *sep = len > 0 && dir[len - 1] == '/' ? "" : "/";
	char *out = NULL;

	return asprintf(&out, "%s%s%s", dir, sep, name) < 0 ? NULL : out;
}
