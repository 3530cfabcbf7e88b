/* SPDX-License-Identifier: Apache-2.0 */
/* Owns nothing; every connection and result is its caller's. */
#include "hub/db/pq.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PARAM_MAX 8

struct connect_params {
	const char *names[PARAM_MAX];
	const char *values[PARAM_MAX];
	char timeout[16];
};

/* libpq: the first dbname is taken apart as a conninfo, and of equal names the last one counts. */
static void connect_params_init(struct connect_params *p, const char *conninfo, const char *dbname,
				int timeout_s)
{
	const struct connect_params init = {
		.names = { "fallback_application_name", "dbname", "dbname", "connect_timeout" },
		.values = { "ssfhub", conninfo, dbname, p->timeout },
	};

	*p = init;
	snprintf(p->timeout, sizeof(p->timeout), "%d", timeout_s);
}

static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/*
 * The cause at the end of the first line. What comes before it in connection errors
 * names the host, and in a URL whose password was not escaped that may be a piece of it.
 */
static struct ssf_str last_cause(const char *message)
{
	struct ssf_str line = { message, strcspn(message, "\n") };

	for (size_t i = line.len; i-- > 1;) {
		if (line.ptr[i - 1] == ':' && line.ptr[i] == ' ') {
			i += strspn(line.ptr + i, " ");
			return (struct ssf_str){ line.ptr + i, line.len - i };
		}
	}
	return line;
}

static bool conninfo_is_valid(const char *conninfo)
{
	/* The message is not used: it quotes what it stumbled over. */
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

	PQconninfoFree(options);
	return options != NULL;
}

int pq_connect(const char *conninfo, const char *dbname, int timeout_s, PGconn **out,
	       struct ssf_err *err)
{
	struct connect_params p;

	if (!conninfo_is_valid(conninfo))
		return ssf_fail(err, SSF_E_MALFORMED,
				"database: the connection string is malformed");
	connect_params_init(&p, conninfo, dbname, timeout_s);
	pq_auto_conn pg = PQconnectdbParams(p.names, p.values, 1);
	if (PQstatus(pg) != CONNECTION_OK) {
		struct ssf_str why = last_cause(PQerrorMessage(pg));

		return ssf_fail(err, SSF_E_UNAVAILABLE, "database: cannot connect: %.*s",
				(int)why.len, why.ptr);
	}
	PQsetNoticeProcessor(pg, ignore_notice, NULL);
	*out = SSF_STEAL(pg);
	return 0;
}

PGPing pq_ping(const char *conninfo, const char *dbname, int timeout_s)
{
	struct connect_params p;

	connect_params_init(&p, conninfo, dbname, timeout_s);
	return PQpingParams(p.names, p.values, 1);
}

int pq_exec(PGconn *pg, const char *sql, const char *const *params, int count, PGresult **out,
	    struct ssf_err *err)
{
	pq_auto_result r = count == 0 ? PQexec(pg, sql)
				      : PQexecParams(pg, sql, count, NULL, params, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(r);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		const char *why = PQerrorMessage(pg);
		bool broken = PQstatus(pg) != CONNECTION_OK;

		return ssf_fail(err, broken ? SSF_E_UNAVAILABLE : SSF_E_INTERNAL, "database: %.*s",
				(int)strcspn(why, "\n"), why);
	}
	if (out != NULL)
		*out = SSF_STEAL(r);
	return 0;
}
