/* SPDX-License-Identifier: Apache-2.0 */
/* `ssfhub deadletters`: what streams have given up on, as a table. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A page of GET /v1/deadletters (docs/reference/api.md); head: with the names of the columns. */
void deadletters_print(const json_t *letters, bool head, FILE *to);

/* Where the next page begins, as a query: "after=..."; of a stream alone, or of all. */
#define DEADLETTERS_AFTER_MAX 160
void deadletters_after(const json_t *last, bool one_stream, char out[DEADLETTERS_AFTER_MAX]);
