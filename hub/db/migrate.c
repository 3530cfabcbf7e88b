/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction: take the lock, compare what is recorded with what is built in, apply what is missing, record it. So
 * it does not matter how many processes do this at once, where one of them dies, or whether a pooler sits before the
 * database. It never goes back, and never touches a database that it does not know.
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
	");"
	"create table if not exists schema_function ("
	"	name     text primary key,"
	"	sha256   text not null,"
	"	revision int  not null"
	");"
	/* a function may name one that is created after it */
	"set local check_function_bodies = off";

/* Of every function that schema_function names, in each of its signatures. */
static const char drop_sql[] =
	"do $$ declare f regprocedure; begin"
	"	for f in select p.oid from pg_proc p join schema_function s on s.name = p.proname"
	"		where p.pronamespace = current_schema()::regnamespace loop"
	"		execute 'drop function ' || f;"
	"	end loop;"
	"end $$;"
	"delete from schema_function";

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

/* A text of several statements, which must not end the transaction. */
static int run_text(PGconn *pg, const char *what, const char *name, const char *sql, struct ssf_err *err)
{
	if (pq_exec(pg, sql, NULL, 0, NULL, err) < 0)
		return ssf_fail_prefix(err, "%s %s", what, name);
	if (PQtransactionStatus(pg) != PQTRANS_INTRANS)
		return ssf_fail(err, SSF_E_INTERNAL, "%s %s ends its transaction", what, name);
	return 0;
}

static int apply_migrations(PGconn *pg, const struct migration *m, struct ssf_err *err)
{
	char version[16], hex[SSF_SHA256_HEX];

	for (; m->sql != NULL; m++) {
		const char *const row[] = { version, m->name, hex };

		snprintf(version, sizeof(version), "%d", m->version);
		ssf_sha256_hex(ssf_str_c(m->sql), hex);
		if (run_text(pg, "migration", m->name, m->sql, err) < 0 ||
		    pq_exec(pg, "insert into schema_migration (version, name, sha256) values ($1, $2, $3)", row, 3, NULL,
			    err) < 0)
			return -1;
	}
	return 0;
}

/* out_same: the recorded functions are those that are built in. */
static int check_functions(PGconn *pg, bool *out_same, struct ssf_err *err)
{
	const struct sql_function *f = sql_functions;
	char hex[SSF_SHA256_HEX];
	pq_auto_result r = NULL;
	int row = 0;

	if (pq_exec(pg, "select name, sha256, revision from schema_function order by name collate \"C\"", NULL, 0, &r,
		    err) < 0)
		return -1;
	*out_same = true;
	for (; row < PQntuples(r); row++) {
		int revision = (int)strtol(PQgetvalue(r, row, 2), NULL, 10);

		if (revision > sql_functions_revision)
			return ssf_fail(err, SSF_E_CONFLICT,
					"database: its functions have revision %d, and this program brings %d: "
					"it was used by a newer one",
					revision, sql_functions_revision);
		if (f->sql != NULL)
			ssf_sha256_hex(ssf_str_c(f->sql), hex);
		*out_same = *out_same && f->sql != NULL && strcmp(f->name, PQgetvalue(r, row, 0)) == 0 &&
			    strcmp(hex, PQgetvalue(r, row, 1)) == 0;
		if (f->sql != NULL)
			f++;
	}
	*out_same = *out_same && f->sql == NULL;
	return 0;
}

static int create_functions(PGconn *pg, struct ssf_err *err)
{
	char revision[16], hex[SSF_SHA256_HEX];

	snprintf(revision, sizeof(revision), "%d", sql_functions_revision);
	for (const struct sql_function *f = sql_functions; f->sql != NULL; f++) {
		const char *const row[] = { f->name, hex, revision };

		ssf_sha256_hex(ssf_str_c(f->sql), hex);
		if (run_text(pg, "function", f->name, f->sql, err) < 0 ||
		    pq_exec(pg, "insert into schema_function (name, sha256, revision) values ($1, $2, $3)", row, 3, NULL,
			    err) < 0)
			return -1;
	}
	return 0;
}

/*
 * On failure the transaction stays open, and the end of the connection rolls it back. The functions go before the tables
 * change, so that they never stand in the way of a migration.
 */
int migrate(const char *conninfo, int wait_ms, struct ssf_err *err)
{
	const struct migration *next = NULL;
	pq_auto_conn pg = NULL;
	bool same = false;

	if (connect_within(conninfo, wait_ms, &pg, err) < 0 || pq_exec(pg, begin_sql, NULL, 0, NULL, err) < 0 ||
	    check_recorded(pg, &next, err) < 0 || check_functions(pg, &same, err) < 0)
		return -1;
	if ((next != NULL || !same) &&
	    (pq_exec(pg, drop_sql, NULL, 0, NULL, err) < 0 || (next != NULL && apply_migrations(pg, next, err) < 0) ||
	     create_functions(pg, err) < 0))
		return -1;
	return pq_exec(pg, "commit", NULL, 0, NULL, err);
}
