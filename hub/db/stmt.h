/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of the hub, from the table stmt.def: a statement's text and parameters never change. */
#pragma once

#include "hub/db/params.h"

enum stmt {
#define STMT(name, params, sql) STMT_##name,
#include "hub/db/stmt.def"
#undef STMT
	STMT_COUNT
};

struct stmt_info {
	const char *name;
	const char *sql;
	const enum db_type *types; /* of $1, $2 ...: param_count of them */
	size_t param_count;
};

const struct stmt_info *stmt_info(enum stmt stmt);
