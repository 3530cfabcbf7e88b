/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays as parameters of a statement, in PostgreSQL's binary format (array_recv): nothing is quoted here
 * or parsed there. An array fails once and stays failed, like its ssf_buf; db_exec() reports it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"

enum db_element { DB_ELEMENT_TEXT, DB_ELEMENT_INT8, DB_ELEMENT_BOOL, DB_ELEMENT_BYTEA, DB_ELEMENT_JSONB };

struct db_array {
	enum db_element element;
	struct ssf_buf bytes;
	uint32_t count;
	bool nulls;
};

/* max: bytes of the whole array. */
void db_array_init(struct db_array *a, enum db_element element, size_t max);
void db_array_done(struct db_array *a); /* no-op on zeroed memory */
#define db_auto_array __attribute__((cleanup(db_array_done))) struct db_array

/* Each appends one element, which must be of the array's type. NULL is SQL null. */
void db_array_add_text(struct db_array *a, const char *text);
void db_array_add_bytes(struct db_array *a, const void *bytes, size_t len); /* DB_ELEMENT_BYTEA */
void db_array_add_int(struct db_array *a, int64_t value);
void db_array_add_bool(struct db_array *a, bool value);
void db_array_add_json(struct db_array *a, const json_t *value);
void db_array_add_null(struct db_array *a);

/* Takes the encoded array out of a, which is empty afterwards; the caller frees it. NULL: out of memory or of max. */
char *db_array_encode(struct db_array *a, size_t *out_len);
