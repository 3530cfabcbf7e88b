/* SPDX-License-Identifier: Apache-2.0 */
/* What tells one version of a file from another without reading it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* Two files with equal signatures have the same bytes. All zero: the file does not exist. */
struct file_signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed; /* of the inode: a writer can set back the other one, but not this */
};

/* Take it before the file is read: a change in between is then seen the next time. NULL: no such file. */
struct file_signature file_signature_of(const char *path);
bool file_signature_equal(const struct file_signature *a, const struct file_signature *b);
bool file_signature_exists(const struct file_signature *s);
