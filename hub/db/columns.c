/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What array_recv() of PostgreSQL reads: dimensions, whether there are nulls, type; length and lower
 * bound of the one dimension; then each element with its length, -1 for null. Big-endian.
 */
#include "hub/db/columns.h"

#include "lib/ssf/json_text.h"

#include <arpa/inet.h>
#include <string.h>

#define HEAD (5 * sizeof(uint32_t))
#define JSONB_VERSION 1

/* pg_type.dat: these are part of PostgreSQL's protocol and never change. */
static const uint32_t oids[] = {
	[COLUMN_TEXT] = 25, [COLUMN_INT8] = 20, [COLUMN_BOOL] = 16, [COLUMN_BYTEA] = 17, [COLUMN_JSONB] = 3802,
};

void column_init(struct column *c, enum column_type type, size_t max)
{
	static const char head[HEAD];

	*c = (struct column){ .type = type };
	ssf_buf_init(&c->bytes, max);
	ssf_buf_add(&c->bytes, head, HEAD); /* filled in by column_value */
}

void column_done(struct column *c)
{
	ssf_buf_done(&c->bytes);
}

static void put_32(struct column *c, uint32_t n)
{
	n = htonl(n);
	ssf_buf_add(&c->bytes, &n, sizeof(n));
}

void column_add_null(struct column *c)
{
	put_32(c, UINT32_MAX);
	c->nulls = true;
	c->count++;
}

void column_add_bytes(struct column *c, const void *bytes, size_t len)
{
	if (bytes == NULL) {
		column_add_null(c);
		return;
	}
	put_32(c, (uint32_t)len);
	ssf_buf_add(&c->bytes, bytes, len);
	c->count++;
}

void column_add_text(struct column *c, const char *text)
{
	column_add_bytes(c, text, text != NULL ? strlen(text) : 0);
}

void column_add_int(struct column *c, int64_t value)
{
	put_32(c, sizeof(value));
	put_32(c, (uint32_t)((uint64_t)value >> 32));
	put_32(c, (uint32_t)value);
	c->count++;
}

void column_add_bool(struct column *c, bool value)
{
	const char byte = value ? 1 : 0;

	column_add_bytes(c, &byte, 1);
}

/* Written where it belongs; how long it is, is known only then. */
void column_add_json(struct column *c, const json_t *value)
{
	size_t at = c->bytes.len;
	uint32_t len;

	if (value == NULL) {
		column_add_null(c);
		return;
	}
	put_32(c, 0);
	ssf_buf_addc(&c->bytes, JSONB_VERSION);
	if (ssf_json_append(value, false, &c->bytes) < 0)
		return;
	len = htonl((uint32_t)(c->bytes.len - at - sizeof(len)));
	memcpy(c->bytes.ptr + at, &len, sizeof(len));
	c->count++;
}

bool column_value(struct column *c, struct db_value *out)
{
	const uint32_t head[] = { htonl(1), htonl(c->nulls), htonl(oids[c->type]), htonl(c->count), htonl(1) };

	if (ssf_buf_failed(&c->bytes))
		return false;
	memcpy(c->bytes.ptr, head, HEAD);
	*out = (struct db_value){ c->bytes.ptr, c->bytes.len, true };
	return true;
}
