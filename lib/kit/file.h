/* SPDX-License-Identifier: Apache-2.0 */
/* Small files: settings, keys, tokens. */
#pragma once

#include <sys/types.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/* Appends the whole file to out; SSF_E_NOT_FOUND, SSF_E_LIMIT above out->max, SSF_E_INTERNAL. */
ssf_nodiscard int file_read(const char *path, struct ssf_buf *out, struct ssf_err *err);

/* Writes beside path, fsyncs, renames over it: readers see the old or the new file. */
ssf_nodiscard int file_write(const char *path, struct ssf_str bytes, mode_t mode,
			     struct ssf_err *err);

/* Makes the directory (one level) if it is not there. */
ssf_nodiscard int file_mkdir(const char *path, mode_t mode, struct ssf_err *err);

/* "dir/name" in a new string; NULL when out of memory. */
char *file_join(const char *dir, const char *name);
