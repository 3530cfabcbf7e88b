/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synchronous libpq, for what is done before the loop runs. Errors say what the server
 * or the system said, in one line, and nothing of the conninfo: it may hold a password.
 */
#pragma once

#include <libpq-fe.h>

#include "lib/ssf/err.h"

static inline void pq_conn_autop(PGconn **p)
{
	PQfinish(*p);
}

static inline void pq_result_autop(PGresult **p)
{
	PQclear(*p);
}

#define pq_auto_conn __attribute__((cleanup(pq_conn_autop))) PGconn *
#define pq_auto_result __attribute__((cleanup(pq_result_autop))) PGresult *

/* dbname NULL: that of conninfo. SSF_E_MALFORMED (conninfo), SSF_E_UNAVAILABLE. */
ssf_nodiscard int pq_connect(const char *conninfo, const char *dbname, int timeout_s,
			     PGconn **out, struct ssf_err *err);

/* How the server feels: PQping with the same arguments. */
PGPing pq_ping(const char *conninfo, const char *dbname, int timeout_s);

/*
 * Runs sql: several statements, or one with count parameters in text format. out may be NULL.
 * SSF_E_UNAVAILABLE when the connection broke, SSF_E_INTERNAL when the statement failed.
 */
ssf_nodiscard int pq_exec(PGconn *pg, const char *sql, const char *const *params, int count,
			  PGresult **out, struct ssf_err *err);
