/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows on their way into a statement, as one array a column, in PostgreSQL's binary format
 * (array_recv): nothing has to be quoted here or parsed there.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "hub/db/db.h"

enum column_type { COLUMN_TEXT, COLUMN_INT8, COLUMN_BOOL, COLUMN_BYTEA, COLUMN_JSONB };

/* An array that grows; a column fails once and stays failed, as its ssf_buf does. */
struct column {
	enum column_type type;
	struct ssf_buf bytes;
	uint32_t count;
	bool nulls;
};

/* max: of all its bytes. */
void column_init(struct column *c, enum column_type type, size_t max);
void column_done(struct column *c);

/* Each adds a row; the value has to be of the column's type. NULL is SQL null. */
void column_add_text(struct column *c, const char *text);
void column_add_bytes(struct column *c, const void *bytes, size_t len); /* COLUMN_BYTEA */
void column_add_int(struct column *c, int64_t value);
void column_add_bool(struct column *c, bool value);
void column_add_json(struct column *c, const json_t *value);
void column_add_null(struct column *c);

/* The finished array, of at least one row; borrowed until the column changes. false: out of memory or of max. */
bool column_value(struct column *c, struct db_value *out);
