/* SPDX-License-Identifier: Apache-2.0 */
/* Reads values in PostgreSQL's text format. */
#include "hub/db/result.h"

#include "hub/db/conn.h"
#include "lib/ssf/json_plain.h"

#include <stdlib.h>

#define PLAIN_DEPTH 64

size_t db_rows(const struct db_result *r)
{
	return (size_t)PQntuples(r->pg);
}

const char *db_text(const struct db_result *r, size_t row, int column)
{
	return PQgetisnull(r->pg, (int)row, column) ? NULL : PQgetvalue(r->pg, (int)row, column);
}

int64_t db_int(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool db_bool(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);

	return text != NULL && text[0] == 't';
}

json_t *db_json(const struct db_result *r, size_t row, int column)
{
	const char *text = db_text(r, row, column);
	json_t *value;

	if (text == NULL)
		return NULL;
	value = ssf_json_plain(ssf_str_c(text), PLAIN_DEPTH);
	if (value != NULL)
		return value;
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	/* 1e20 comes back from jsonb as an integer that is larger than jansson's */
	return value != NULL ? value : json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}
