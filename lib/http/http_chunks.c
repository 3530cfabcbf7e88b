/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines end as evhttp has them end (LF, perhaps after CR), and sizes are read as it reads them. Where it would
 * refuse the request there is nothing more to see.
 */
#include "lib/http/http_chunks.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whatever its value is: what is not plainly "chunked" is refused later (http_req.c). */
#define ENCODING "Transfer-Encoding:"

static void header_line(struct http_chunks *c)
{
	if (strncasecmp(c->line, ENCODING, sizeof(ENCODING) - 1) == 0)
		c->chunked = true;
	else if (c->line[0] == '\0')
		c->at = c->chunked ? CHUNKS_SIZE : CHUNKS_END;
}

static void size_line(struct http_chunks *c)
{
	char *end;
	long long n;

	if (c->line[0] == '\0') /* the one that ends a chunk */
		return;
	n = strtoll(c->line, &end, 16);
	c->left = n > 0 ? (uint64_t)n : 0;
	c->at = n > 0 && end != c->line ? CHUNKS_DATA : CHUNKS_END;
}

static void line_ended(struct http_chunks *c)
{
	size_t len = c->line_len < sizeof(c->line) - 1 ? c->line_len : sizeof(c->line) - 1;

	if (len > 0 && len == c->line_len && c->line[len - 1] == '\r')
		len--;
	c->line[len] = '\0';
	c->line_len = 0;
	if (c->at == CHUNKS_HEAD)
		header_line(c);
	else
		size_line(c);
}

size_t http_chunks_skip(struct http_chunks *c, size_t len)
{
	if (c->at == CHUNKS_END)
		return len;
	if (c->at != CHUNKS_DATA)
		return 0;
	if (c->left > len) {
		c->left -= len;
		return len;
	}
	c->at = CHUNKS_SIZE;
	return (size_t)c->left;
}

int http_chunks_feed(struct http_chunks *c, struct ssf_str bytes)
{
	size_t i = 0;

	while ((i += http_chunks_skip(c, bytes.len - i)) < bytes.len) {
		char byte = bytes.ptr[i++];

		if (byte == '\n') {
			line_ended(c);
			continue;
		}
		if (c->line_len < sizeof(c->line) - 1)
			c->line[c->line_len] = byte;
		c->line_len++;
		if (c->at == CHUNKS_SIZE && c->line_len > HTTP_CHUNK_LINE_MAX)
			return -1;
	}
	return 0;
}
