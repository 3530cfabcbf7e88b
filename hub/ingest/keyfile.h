/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of GitHub's partner program in files of the operator's (keys_file): read again when a file is
 * another one than before, not for every report, which anybody may send.
 */
#pragma once

#include "lib/kit/file.h"
#include "transmitters/github/partner.h"

#define KEYFILES_MAX 64 /* kept; who was asked for longest ago makes room */

struct keyfiles;

struct keyfiles *keyfiles_new(void); /* NULL: out of memory */
void keyfiles_free(struct keyfiles *f);
SSF_DEFINE_AUTO(keyfiles)

/* Borrowed until the next call. SSF_E_UNAVAILABLE, whatever is wrong with the file: the log says what. SSF_E_NOMEM. */
ssf_nodiscard int keyfiles_get(struct keyfiles *f, const char *path, const struct github_keys **out,
			       struct ssf_err *err);
/* How often one has been read. */
size_t keyfiles_read(const struct keyfiles *f);
