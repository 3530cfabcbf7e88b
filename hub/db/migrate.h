/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered forward-only migrations (sql/NNNN_name.sql), built into the program.
 * Each runs in one transaction with the row that records it (version, name,
 * SHA-256 of its text). Two hubs starting at once take turns by an advisory lock.
 */
#pragma once

#include "lib/ssf/err.h"

struct migration {
	int version;
	const char *name;
	const char *sql;
};

/* From the generated file; ends with sql NULL. */
extern const struct migration migrations[];

/*
 * Brings the database up to date; waits up to wait_ms for it to take connections. Blocks.
 * SSF_E_UNAVAILABLE (cannot connect), SSF_E_CONFLICT (a recorded migration differs from
 * the one built in, or the database is newer than this program).
 */
ssf_nodiscard int migrate(const char *conninfo, int wait_ms, struct ssf_err *err);
