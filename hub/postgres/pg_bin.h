/* SPDX-License-Identifier: Apache-2.0 */
/* Where PostgreSQL's server programs are. */
#pragma once

#include "lib/ssf/err.h"

/*
 * Of several versions, the one that made the cluster in folder pg, if there is one. bindir: there
 * and nowhere else, or NULL: /usr/lib/postgresql/VERSION/bin of that cluster, PATH, the newest
 * /usr/lib/postgresql/N/bin. The paths are the caller's to free.
 */
ssf_nodiscard int pg_bin_find(const char *bindir, const char *pg, char **out_initdb,
			      char **out_postgres, struct ssf_err *err);
