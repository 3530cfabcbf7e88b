/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `ssfhub streams`. */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/*
 * streams: "streams" of GET /v1/status; now in seconds since 1970. A line a stream, by id, and a
 * head. What is longest, the last error, is cut so that a line of usual names fits 100 columns.
 */
void streams_print(const json_t *streams, int64_t now, FILE *to);
