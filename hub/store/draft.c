/* SPDX-License-Identifier: Apache-2.0 */
/* Makes drafts. Whatever is put in here must already be without secrets. */
#include "hub/store/draft.h"

#include "hub/store/columns.h"
#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"

#include <openssl/rand.h>

#include <stdio.h>
#include <string.h>

/* What is stored has to fit into indexes, and into a SET to every receiver. */
static int check_size(const struct draft *d, struct ssf_err *err)
{
	if (strlen(d->txn) > DRAFT_NAME_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "txn: longer than %d bytes", DRAFT_NAME_MAX);
	if (strlen(d->type) > DRAFT_NAME_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "event: type longer than %d bytes", DRAFT_NAME_MAX);
	if (ssf_json_longer(d->body, DRAFT_BODY_MAX))
		return ssf_fail(err, SSF_E_LIMIT, "event: larger than %d bytes", DRAFT_BODY_MAX);
	return 0;
}

int draft_add(json_t *drafts, const struct draft *d, struct ssf_err *err)
{
	char evidence[SSF_SHA256_HEX];
	json_t *item;

	if (check_size(d, err) < 0)
		return -1;
	if (d->evidence != NULL)
		ssf_hex(d->evidence, SSF_SHA256_LEN, evidence);
	item = json_pack("{s:s, s:s, s:s, s:s, s:O, s:s*, s:O*, s:s*, s:s*, s:b}", "origin", d->origin,
			 "origin_id", d->origin_id, "type", d->type, "txn", d->txn, "body", d->body,
			 "agent_id", d->agent_id, "sub_id", d->sub_id, "evidence",
			 d->evidence != NULL ? evidence : NULL, "trace", d->trace, "lookup", d->lookup);
	if (item == NULL || (d->cause != 0 &&
			     json_object_set_new(item, "cause", json_integer(d->cause)) < 0)) {
		json_decref(item);
		return ssf_fail(err, SSF_E_NOMEM, "event");
	}
	if (json_array_append_new(drafts, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "event");
	return 0;
}

/* --- appending ---------------------------------------------------------------------------- */

/* The parameters of STMT_append_events, in order. */
static const struct {
	const char *name;
	enum column_type type;
} columns[] = {
	{ "origin", COLUMN_TEXT },    { "origin_id", COLUMN_TEXT }, { "type", COLUMN_TEXT },
	{ "txn", COLUMN_TEXT },       { "cause", COLUMN_INT8 },     { "agent_id", COLUMN_TEXT },
	{ "sub_id", COLUMN_JSONB },   { "body", COLUMN_JSONB },     { "evidence", COLUMN_BYTEA },
	{ "trace", COLUMN_TEXT },     { "lookup", COLUMN_BOOL },
};
#define COLUMNS SSF_ARRAY_SIZE(columns)
#define COLUMN_MAX (256 << 20) /* bytes: more than BATCH_MAX drafts can be */

static void add_evidence(struct column *c, const char *hex)
{
	uint8_t evidence[SSF_SHA256_LEN];
	bool some = hex != NULL && ssf_unhex(ssf_str_c(hex), evidence, sizeof(evidence)) == 0;

	column_add_bytes(c, some ? evidence : NULL, sizeof(evidence));
}

static void add_value(struct column *c, const json_t *value)
{
	if ((value == NULL || json_is_null(value)) && c->type != COLUMN_BOOL)
		column_add_null(c);
	else if (c->type == COLUMN_TEXT)
		column_add_text(c, json_string_value(value));
	else if (c->type == COLUMN_INT8)
		column_add_int(c, json_integer_value(value));
	else if (c->type == COLUMN_BOOL)
		column_add_bool(c, json_is_true(value));
	else if (c->type == COLUMN_BYTEA)
		add_evidence(c, json_string_value(value));
	else
		column_add_json(c, value);
}

int drafts_append(struct db *db, const json_t *drafts, db_done_f *done, void *arg, struct db_op **out,
		  struct ssf_err *err)
{
	struct column filled[COLUMNS];
	struct db_value values[COLUMNS];
	bool good = true;
	size_t n;
	json_t *draft;

	for (size_t i = 0; i < COLUMNS; i++)
		column_init(&filled[i], columns[i].type, COLUMN_MAX);
	json_array_foreach(drafts, n, draft) {
		for (size_t i = 0; i < COLUMNS; i++)
			add_value(&filled[i], json_object_get(draft, columns[i].name));
	}
	for (size_t i = 0; i < COLUMNS; i++)
		good = good && column_value(&filled[i], &values[i]);
	int r = good ? db_exec_values(db, STMT_append_events, values, done, arg, out, err) :
		       ssf_fail(err, SSF_E_NOMEM, "events");
	for (size_t i = 0; i < COLUMNS; i++)
		column_done(&filled[i]);
	return r;
}

/* --- ids ---------------------------------------------------------------------------------- */

/* UUID version 7 (RFC 9562 section 5.7): sorts by time. */
void txn_make(char out[TXN_LEN])
{
	uint8_t b[16];
	uint64_t ms = (uint64_t)wall_now_ms();

	RAND_bytes(b, sizeof(b));
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(ms >> (40 - 8 * i));
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	snprintf(out, TXN_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}
