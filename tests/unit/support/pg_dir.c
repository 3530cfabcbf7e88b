/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/pg_dir.h"

#include "hub/postgres/postgres.h"
#include "hub/db/pq.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

char *pg_dir_new(void)
{
	const char *base = getenv("SSF_TMP");
	char *dir;

	assert_true(asprintf(&dir, "%s/ssfhub-test-XXXXXX", base != NULL ? base : "/tmp") > 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0711), 0);
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void pg_dir_remove(char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

struct postgres *pg_dir_start(const char *dir)
{
	struct postgres *c = NULL;
	struct ssf_err err = { 0 };

	if (postgres_start(dir, NULL, &c, &err) < 0)
		fail_msg("%s", err.msg);
	return c;
}

char *pg_ask(const char *conninfo, const char *sql)
{
	struct ssf_err err = { 0 };
	pq_auto_conn pg = NULL;
	pq_auto_result r = NULL;

	if (pq_connect(conninfo, NULL, 5, &pg, &err) < 0 ||
	    pq_exec(pg, sql, NULL, 0, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(PQntuples(r) > 0);
	return strdup(PQgetvalue(r, 0, 0));
}

void pg_run(const char *conninfo, const char *sql)
{
	struct ssf_err err = { 0 };
	pq_auto_conn pg = NULL;

	if (pq_connect(conninfo, NULL, 5, &pg, &err) < 0 ||
	    pq_exec(pg, sql, NULL, 0, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

bool pg_answers(const char *conninfo)
{
	pq_auto_conn pg = NULL;

	return pq_connect(conninfo, NULL, 5, &pg, NULL) == 0;
}
