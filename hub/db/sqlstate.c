/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/db/sqlstate.h"

#include "lib/ssf/attr.h"

#include <string.h>

enum ssf_code sqlstate_code(const char *state)
{
	/*
	 * Connection, resources, locks, operator (shutdown, timeout), I/O, standby, deadlock; and, while a newer program
	 * has replaced the functions: undefined function, changed result type of a prepared statement.
	 */
	static const char *const transient[] = { "08", "53", "55", "57", "58", "25006", "40P01", "42883", "0A000" };

	if (state == NULL)
		return SSF_E_INTERNAL;
	if (strcmp(state, "40001") == 0)
		return SSF_E_CONFLICT;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(transient); i++) {
		if (strncmp(state, transient[i], strlen(transient[i])) == 0)
			return SSF_E_UNAVAILABLE;
	}
	return SSF_E_INTERNAL;
}

const char *sqlstate_public_text(enum ssf_code code)
{
	switch (code) {
	case SSF_E_CONFLICT:
		return "it has changed meanwhile";
	case SSF_E_TIMEOUT:
		return "the database took too long";
	case SSF_E_UNAVAILABLE:
		return "the database is away";
	default:
		return "the database refused a statement; see the log";
	}
}
