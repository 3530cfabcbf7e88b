/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/db/stmt.h"

#include "hub/metrics/metrics.h"

_Static_assert((int)STMT_COUNT <= (int)LABEL_statement_COUNT, "metrics.def: statement");

/* The first entry keeps the list from being empty, which ISO C does not allow, and is not counted. */
#define PARAMS(...) { DB_NONE, ##__VA_ARGS__ }
#define STMT(name, params, sql) static const enum db_type types_##name[] = params;
#include "hub/db/stmt.def"
#undef STMT

static const struct stmt_info statements[STMT_COUNT] = {
#define STMT(name, params, text) \
	[STMT_##name] = { #name, text, types_##name + 1, SSF_ARRAY_SIZE(types_##name) - 1 },
#include "hub/db/stmt.def"
#undef STMT
};

const struct stmt_info *stmt_info(enum stmt stmt)
{
	return &statements[stmt];
}
