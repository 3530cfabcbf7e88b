/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that a statement gave, borrowed by its callback. Columns count from 0. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_result;

size_t db_rows(const struct db_result *r);
const char *db_text(const struct db_result *r, size_t row, int column); /* NULL for SQL null */
int64_t db_int(const struct db_result *r, size_t row, int column);	/* 0 for SQL null */
bool db_bool(const struct db_result *r, size_t row, int column);	/* false for SQL null */
/* A new reference; NULL for SQL null and when out of memory. */
json_t *db_json(const struct db_result *r, size_t row, int column);
