/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows the bytes of a request as evhttp reads them, to see one thing: a line with the size of a chunk that
 * does not end. evhttp looks for its end from its beginning whenever something has come, and has no limit
 * for it but that of the body. Pure.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_CHUNK_LINE_MAX 64

struct http_chunks {
	enum { CHUNKS_HEAD, CHUNKS_SIZE, CHUNKS_DATA, CHUNKS_END } at; /* CHUNKS_END: nothing more to see in it */
	bool chunked;
	size_t line_len;
	char line[HTTP_CHUNK_LINE_MAX + 1]; /* the beginning of the one under way */
	uint64_t left;                      /* of the chunk */
};

/* All zero: before a request. */

/* What has come. -1: such a line is too long. */
ssf_nodiscard int http_chunks_feed(struct http_chunks *c, struct ssf_str bytes);
/* How many of the next bytes are not worth to be fed; they are taken as fed. */
size_t http_chunks_skip(struct http_chunks *c, size_t len);
