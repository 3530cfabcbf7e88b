/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of a statement, typed, in the order of $1, $2, ...:
 *
 *	db_exec(db, STMT_event_after, DB_PARAMS(db_param_int(after), db_param_int(max)), ...)
 *
 * A parameter borrows what it points to until db_exec() returns. stmt.def says which types a statement
 * takes; db_exec() asserts that they match.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/db/array.h"
#include "lib/ssf/err.h"

#define DB_PARAMS_MAX 12


enum db_type {
	DB_NONE,
	DB_NULL, /* a value only: null of any type */
	DB_INT,	 /* bigint */
	DB_BOOL,
	DB_TEXT,
	DB_UUID,
	DB_BYTES, /* bytea */
	DB_JSON,  /* jsonb */
	DB_INT_ARRAY,
	DB_BOOL_ARRAY,
	DB_TEXT_ARRAY,
	DB_BYTES_ARRAY,
	DB_JSON_ARRAY,
};

struct db_param {
	enum db_type type;
	union {
		int64_t number;
		const char *text;
		const void *bytes;
		const json_t *json;
		struct db_array *array;
	};
	size_t len;	/* of bytes */
	bool as_text;	/* text is what the server parses */
};

/* Unused ones are DB_NONE. */
struct db_params {
	struct db_param list[DB_PARAMS_MAX];
};

#define DB_PARAMS(...) (&(const struct db_params){ { __VA_ARGS__ } })
#define DB_NO_PARAMS ((const struct db_params *)NULL)

struct db_param db_param_null(void);
struct db_param db_param_int(int64_t value);
struct db_param db_param_bool(bool value);
/* NULL is SQL null in all of these. */
struct db_param db_param_text(const char *text);
struct db_param db_param_uuid(const char *text);
struct db_param db_param_bytes(const void *bytes, size_t len);
struct db_param db_param_json(const json_t *value);
struct db_param db_param_json_text(const char *text); /* JSON already written */
/* db_exec() takes the bytes out of the array; the caller still calls db_array_done(). */
struct db_param db_param_array(struct db_array *array);

/* What libpq takes. values[i] points into small, or is owned. */
struct db_encoded_params {
	const char *values[DB_PARAMS_MAX];
	int lengths[DB_PARAMS_MAX];
	int formats[DB_PARAMS_MAX]; /* 1: binary */
	char *owned[DB_PARAMS_MAX];
	char small[DB_PARAMS_MAX][sizeof(int64_t)];
};

/* Whether these are count parameters of these types. params NULL: none. */
bool db_params_match(const struct db_params *params, const enum db_type *types, size_t count);
/* out must not move afterwards. SSF_E_NOMEM; then out is to be released, too. */
ssf_nodiscard int db_params_encode(const struct db_params *params, struct db_encoded_params *out,
				   struct ssf_err *err);
void db_encoded_params_done(struct db_encoded_params *e); /* no-op on zeroed memory */
