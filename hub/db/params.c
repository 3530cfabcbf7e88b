/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes parameters in the formats that PostgreSQL's receive functions read (binary), but for text and uuid,
 * which go as text. It must never log or report a value: values may be secrets.
 */
#include "hub/db/params.h"

#include "lib/ssf/buf.h"
#include "lib/ssf/json_text.h"

#include <endian.h>
#include <string.h>
#include <stdlib.h>

#define JSON_MAX (256 << 20) /* bytes: more than any caller builds */
#define JSONB_VERSION 1

struct db_param db_param_null(void)
{
	return (struct db_param){ .type = DB_NULL };
}

struct db_param db_param_int(int64_t value)
{
	return (struct db_param){ .type = DB_INT, .number = value };
}

struct db_param db_param_bool(bool value)
{
	return (struct db_param){ .type = DB_BOOL, .number = value };
}

struct db_param db_param_text(const char *text)
{
	return (struct db_param){ .type = text != NULL ? DB_TEXT : DB_NULL, .text = text, .as_text = true };
}

struct db_param db_param_uuid(const char *text)
{
	return (struct db_param){ .type = text != NULL ? DB_UUID : DB_NULL, .text = text, .as_text = true };
}

struct db_param db_param_bytes(const void *bytes, size_t len)
{
	return (struct db_param){ .type = bytes != NULL ? DB_BYTES : DB_NULL, .bytes = bytes, .len = len };
}

struct db_param db_param_json(const json_t *value)
{
	return (struct db_param){ .type = value != NULL ? DB_JSON : DB_NULL, .json = value };
}

struct db_param db_param_json_text(const char *text)
{
	return (struct db_param){ .type = text != NULL ? DB_JSON : DB_NULL, .text = text, .as_text = true };
}

struct db_param db_param_array(struct db_array *array)
{
	static const enum db_type types[] = {
		[DB_ELEMENT_TEXT] = DB_TEXT_ARRAY,	[DB_ELEMENT_INT8] = DB_INT_ARRAY,   [DB_ELEMENT_BOOL] = DB_BOOL_ARRAY,
		[DB_ELEMENT_BYTEA] = DB_BYTES_ARRAY, [DB_ELEMENT_JSONB] = DB_JSON_ARRAY,
	};

	return (struct db_param){ .type = types[array->element], .array = array };
}

bool db_params_match(const struct db_params *params, const enum db_type *types, size_t count)
{
	static const struct db_params none;
	const struct db_param *list = params != NULL ? params->list : none.list;

	for (size_t i = 0; i < count; i++) {
		if (list[i].type != types[i] && list[i].type != DB_NULL)
			return false;
	}
	return count == DB_PARAMS_MAX || list[count].type == DB_NONE;
}

static char *json_encode(const json_t *value, size_t *out_len)
{
	ssf_auto_buf b = SSF_BUF(JSON_MAX);

	ssf_buf_addc(&b, JSONB_VERSION);
	if (ssf_json_append(value, false, &b) < 0)
		return NULL;
	*out_len = b.len;
	return ssf_buf_steal(&b);
}

/* Parameter i of a type whose value is not kept in small. NULL: out of memory. */
static char *param_encode(const struct db_param *p, size_t *out_len)
{
	if (p->as_text) {
		*out_len = strlen(p->text);
		return strdup(p->text);
	}
	switch (p->type) {
	case DB_BYTES:
		*out_len = p->len;
		return ssf_str_dup((struct ssf_str){ p->bytes, p->len });
	case DB_JSON:
		return json_encode(p->json, out_len);
	default:
		return db_array_encode(p->array, out_len);
	}
}

int db_params_encode(const struct db_params *params, struct db_encoded_params *out, struct ssf_err *err)
{
	for (size_t i = 0; params != NULL && i < DB_PARAMS_MAX && params->list[i].type != DB_NONE; i++) {
		const struct db_param *p = &params->list[i];
		uint64_t number = htobe64((uint64_t)p->number);
		size_t len = 0;

		if (p->type == DB_NULL)
			continue;
		out->formats[i] = !p->as_text;
		out->values[i] = out->small[i];
		if (p->type == DB_INT) {
			len = sizeof(number);
			memcpy(out->small[i], &number, len);
		} else if (p->type == DB_BOOL) {
			len = 1;
			out->small[i][0] = p->number != 0;
		} else {
			out->values[i] = out->owned[i] = param_encode(p, &len);
		}
		if (out->values[i] == NULL)
			return ssf_fail(err, SSF_E_NOMEM, "database");
		out->lengths[i] = (int)len;
	}
	return 0;
}

void db_encoded_params_done(struct db_encoded_params *e)
{
	for (size_t i = 0; i < DB_PARAMS_MAX; i++) {
		free(e->owned[i]);
		e->owned[i] = NULL;
	}
}
