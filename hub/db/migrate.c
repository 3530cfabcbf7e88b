/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction at a time: take the lock, compare what is recorded with what is built in,
 * apply the next one, record it. So it does not matter how many do this at once, nor where
 * one of them dies, nor whether a pooler sits before the database. It never goes back, and never
 * touches a database that it does not know.
 */
#include "hub/db/migrate.h"

#include "hub/db/pq.h"
#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 100
#define CONNECT_MIN_S 2 /* libpq takes no less */
#define CONNECT_MAX_S 10

/* The lock's number is arbitrary, and the same in every version of this program. */
static const char begin_sql[] =
	"begin;"
	"set local statement_timeout = 0;"
	"set local lock_timeout = '5min';"
	"select pg_advisory_xact_lock(7309455834021774);"
	"create table if not exists schema_migration ("
	"	version    int         primary key,"
	"	name       text        not null,"
	"	sha256     text        not null,"
	"	applied_at timestamptz not null default clock_timestamp()"
	")";

static int connect_within(const char *conninfo, int wait_ms, PGconn **out, struct ssf_err *err)
{
	const struct timespec nap = { .tv_nsec = RETRY_MS * 1000000L };
	int64_t deadline = loop_now_ms() + wait_ms;
	struct ssf_err why;

	for (;;) {
		int64_t left_s = (deadline - loop_now_ms()) / 1000;
		int timeout_s = left_s < CONNECT_MIN_S	 ? CONNECT_MIN_S
				: left_s > CONNECT_MAX_S ? CONNECT_MAX_S
							 : (int)left_s;

		if (pq_connect(conninfo, NULL, timeout_s, out, &why) == 0)
			return 0;
		if (why.code != SSF_E_UNAVAILABLE || loop_now_ms() + RETRY_MS > deadline)
			return ssf_fail(err, why.code, "%s", why.msg);
		nanosleep(&nap, NULL);
	}
}

static const struct migration *find_migration(int version)
{
	for (const struct migration *m = migrations; m->sql != NULL; m++) {
		if (m->version == version)
			return m;
	}
	return NULL;
}

static int check_one(int version, const char *sha256, struct ssf_err *err)
{
	const struct migration *m = find_migration(version);
	char hex[SSF_SHA256_HEX];

	if (m == NULL)
		return ssf_fail(err, SSF_E_CONFLICT,
				"database: it has migration %d, which this program does not know: "
				"it was used by a newer one",
				version);
	ssf_sha256_hex(ssf_str_c(m->sql), hex);
	if (strcmp(hex, sha256) != 0)
		return ssf_fail(err, SSF_E_CONFLICT,
				"database: migration %d (%s) is not the one that was applied",
				version, m->name);
	return 0;
}

/* Compares what was applied with what is built in. out_next: the one to apply, or NULL. */
static int check_recorded(PGconn *pg, const struct migration **out_next, struct ssf_err *err)
{
	pq_auto_result r = NULL;
	const struct migration *m = migrations;

	if (pq_exec(pg, "select version, sha256 from schema_migration order by version", NULL, 0,
		    &r, err) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++, m++) {
		int version = (int)strtol(PQgetvalue(r, row, 0), NULL, 10);

		if (check_one(version, PQgetvalue(r, row, 1), err) < 0)
			return -1;
		/* Both are sorted, and the program has all that is recorded: this one is extra. */
		if (m->version != version)
			return ssf_fail(err, SSF_E_CONFLICT,
					"database: migration %d (%s) was not applied before "
					"later ones",
					m->version, m->name);
	}
	*out_next = m->sql != NULL ? m : NULL;
	return 0;
}

static int apply(PGconn *pg, const struct migration *m, struct ssf_err *err)
{
	char version[16];
	char hex[SSF_SHA256_HEX];
	const char *const row[] = { version, m->name, hex };

	if (pq_exec(pg, m->sql, NULL, 0, NULL, err) < 0)
		return ssf_fail_prefix(err, "migration %d (%s)", m->version, m->name);
	if (PQtransactionStatus(pg) != PQTRANS_INTRANS)
		return ssf_fail(err, SSF_E_INTERNAL, "migration %d (%s) ends its transaction",
				m->version, m->name);
	snprintf(version, sizeof(version), "%d", m->version);
	ssf_sha256_hex(ssf_str_c(m->sql), hex);
	return pq_exec(pg,
		       "insert into schema_migration (version, name, sha256) values ($1, $2, $3)",
		       row, 3, NULL, err);
}

/* On failure the transaction stays open, for the end of the connection to roll it back. */
static int migrate_one(PGconn *pg, bool *out_done, struct ssf_err *err)
{
	const struct migration *next = NULL;

	if (pq_exec(pg, begin_sql, NULL, 0, NULL, err) < 0 || check_recorded(pg, &next, err) < 0)
		return -1;
	if (next != NULL && apply(pg, next, err) < 0)
		return -1;
	*out_done = next == NULL;
	return pq_exec(pg, "commit", NULL, 0, NULL, err);
}

int migrate(const char *conninfo, int wait_ms, struct ssf_err *err)
{
	pq_auto_conn pg = NULL;
	bool done = false;

	if (connect_within(conninfo, wait_ms, &pg, err) < 0)
		return -1;
	while (!done) {
		if (migrate_one(pg, &done, err) < 0)
			return -1;
	}
	return 0;
}
