/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings a database to the schema of this program: sql/schema/NNNN_name.sql, numbered and forward-only, and
 * sql/functions/NAME.sql, the code in the database, which is replaced as a whole. Both are built into the program.
 *
 * Everything that is missing is applied in one transaction with the rows that record it: schema_migration (version,
 * name, SHA-256) and schema_function (name, SHA-256, revision). Processes that start at once take turns by an
 * advisory lock.
 *
 * One version at a time uses a database: a program refuses one that a newer program has used, by the version of the
 * schema or by the revision of the functions (sql/functions/REVISION). An older program that still runs meanwhile
 * loses nothing: statements whose functions have changed fail as unavailable, and are not acknowledged.
 */
#pragma once

#include "lib/ssf/err.h"

struct migration {
	int version;
	const char *name;
	const char *sql;
};

struct sql_function {
	const char *name; /* of all functions that its text creates */
	const char *sql;
};

/* From the generated file; both end with sql NULL. */
extern const struct migration migrations[];
extern const struct sql_function sql_functions[];
extern const int sql_functions_revision;

/*
 * Waits up to wait_ms for the database to take connections. Blocks. SSF_E_UNAVAILABLE (cannot connect),
 * SSF_E_CONFLICT (a recorded migration differs from the one built in, or the database is newer than this program).
 */
ssf_nodiscard int migrate(const char *conninfo, int wait_ms, struct ssf_err *err);
