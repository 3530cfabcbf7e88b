/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout that array_recv() of PostgreSQL reads: dimensions, whether there are nulls, element type; then
 * length and lower bound of the one dimension (an empty array has none); then each element after its length,
 * -1 for null. Integers are big-endian.
 */
#include "hub/db/array.h"

#include "lib/ssf/json_text.h"

#include <arpa/inet.h>
#include <string.h>

#define HEAD (5 * sizeof(uint32_t))
#define HEAD_EMPTY (3 * sizeof(uint32_t))
#define JSONB_VERSION 1

/* pg_type.dat: these are part of PostgreSQL's protocol and never change. */
static const uint32_t oids[] = {
	[DB_ELEMENT_TEXT] = 25,	 [DB_ELEMENT_INT8] = 20,    [DB_ELEMENT_BOOL] = 16,
	[DB_ELEMENT_BYTEA] = 17, [DB_ELEMENT_JSONB] = 3802,
};

void db_array_init(struct db_array *a, enum db_element element, size_t max)
{
	static const char head[HEAD];

	*a = (struct db_array){ .element = element };
	ssf_buf_init(&a->bytes, max);
	ssf_buf_add(&a->bytes, head, HEAD); /* db_array_encode() fills it in */
}

void db_array_done(struct db_array *a)
{
	ssf_buf_done(&a->bytes);
}

static void put_32(struct db_array *a, uint32_t n)
{
	n = htonl(n);
	ssf_buf_add(&a->bytes, &n, sizeof(n));
}

void db_array_add_null(struct db_array *a)
{
	put_32(a, UINT32_MAX);
	a->nulls = true;
	a->count++;
}

void db_array_add_bytes(struct db_array *a, const void *bytes, size_t len)
{
	if (bytes == NULL) {
		db_array_add_null(a);
		return;
	}
	put_32(a, (uint32_t)len);
	ssf_buf_add(&a->bytes, bytes, len);
	a->count++;
}

void db_array_add_text(struct db_array *a, const char *text)
{
	db_array_add_bytes(a, text, text != NULL ? strlen(text) : 0);
}

void db_array_add_int(struct db_array *a, int64_t value)
{
	put_32(a, sizeof(value));
	put_32(a, (uint32_t)((uint64_t)value >> 32));
	put_32(a, (uint32_t)value);
	a->count++;
}

void db_array_add_bool(struct db_array *a, bool value)
{
	const char byte = value ? 1 : 0;

	db_array_add_bytes(a, &byte, 1);
}

/* The text is written in place; its length is known, and filled in, afterwards. */
void db_array_add_json(struct db_array *a, const json_t *value)
{
	size_t at = a->bytes.len;
	uint32_t len;

	if (value == NULL) {
		db_array_add_null(a);
		return;
	}
	put_32(a, 0);
	ssf_buf_addc(&a->bytes, JSONB_VERSION);
	if (ssf_json_append(value, false, &a->bytes) < 0)
		return;
	len = htonl((uint32_t)(a->bytes.len - at - sizeof(len)));
	memcpy(a->bytes.ptr + at, &len, sizeof(len));
	a->count++;
}

char *db_array_encode(struct db_array *a, size_t *out_len)
{
	const uint32_t head[] = { htonl(a->count > 0), htonl(a->nulls), htonl(oids[a->element]),
				  htonl(a->count), htonl(1) };

	if (ssf_buf_failed(&a->bytes))
		return NULL;
	memcpy(a->bytes.ptr, head, HEAD);
	*out_len = a->count > 0 ? a->bytes.len : HEAD_EMPTY;
	return ssf_buf_steal(&a->bytes);
}
