/* SPDX-License-Identifier: Apache-2.0 */
/* One stat(2), which blocks for as long as the file system does: not for network file systems. */
#include "lib/kit/file_signature.h"

#include <sys/stat.h>

struct file_signature file_signature_of(const char *path)
{
	struct stat st;

	if (path == NULL || stat(path, &st) < 0)
		return (struct file_signature){ 0 };
	return (struct file_signature){ st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_signature_equal(const struct file_signature *a, const struct file_signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

bool file_signature_exists(const struct file_signature *s)
{
	return s->inode != 0;
}
