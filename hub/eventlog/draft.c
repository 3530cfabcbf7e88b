/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes drafts: each is the event that it will be, still without its number. Whatever is put in here must
 * already be without secrets.
 */
#include "hub/eventlog/draft.h"

#include "hub/db/array.h"
#include "hub/eventlog/event.h"
#include "lib/kit/loop.h"
#include "lib/ssf/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_MAX (256 << 20) /* bytes: more than what is appended at once can be */

struct item {
	struct event *event;
	uint8_t evidence[SSF_SHA256_LEN];
	bool has_evidence;
	bool lookup;
};

struct drafts {
	unsigned refs;
	struct item *items;
	size_t count, size;
	size_t weight;
};

/* --- the list ----------------------------------------------------------------------------- */

struct drafts *drafts_new(void)
{
	struct drafts *ds = calloc(1, sizeof(*ds));

	if (ds != NULL)
		ds->refs = 1;
	return ds;
}

struct drafts *drafts_ref(struct drafts *ds)
{
	ds->refs++;
	return ds;
}

void drafts_free(struct drafts *ds)
{
	if (ds == NULL || --ds->refs > 0)
		return;
	for (size_t i = 0; i < ds->count; i++)
		event_free(ds->items[i].event);
	free(ds->items);
	free(ds);
}

size_t drafts_count(const struct drafts *ds)
{
	return ds->count;
}

size_t drafts_weight(const struct drafts *ds)
{
	return ds->weight;
}

static int reserve(struct drafts *ds, size_t more, struct ssf_err *err)
{
	size_t size = ds->count + more;
	struct item *grown;

	if (size <= ds->size)
		return 0;
	if (ds->size > 0 && size < 2 * ds->size)
		size = 2 * ds->size;
	grown = realloc(ds->items, size * sizeof(*grown));
	if (grown == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "event");
	ds->items = grown;
	ds->size = size;
	return 0;
}

int drafts_extend(struct drafts *ds, const struct drafts *others, struct ssf_err *err)
{
	if (reserve(ds, others->count, err) < 0)
		return -1;
	for (size_t i = 0; i < others->count; i++) {
		ds->items[ds->count] = others->items[i];
		event_ref(ds->items[ds->count++].event);
	}
	ds->weight += others->weight;
	return 0;
}

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

int draft_add(struct drafts *ds, const struct draft *d, struct ssf_err *err)
{
	struct event like = { .origin = d->origin,
			      .origin_id = d->origin_id,
			      .type = d->type,
			      .txn = d->txn,
			      .cause = d->cause,
			      .agent_id = d->agent_id,
			      .trace = d->trace };

	if (check_size(d, err) < 0 || reserve(ds, 1, err) < 0)
		return -1;
	like.body = json_incref((json_t *)d->body);
	like.sub_id = json_is_null(d->sub_id) ? NULL : json_incref((json_t *)d->sub_id);
	struct item *item = &ds->items[ds->count];
	*item = (struct item){ .event = event_make(&like), .lookup = d->lookup };
	if (item->event == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "event");
	if (d->evidence != NULL) {
		memcpy(item->evidence, d->evidence, SSF_SHA256_LEN);
		item->has_evidence = true;
	}
	ds->weight += sizeof(*item) + item->event->weight;
	ds->count++;
	return 0;
}

/* --- appending ---------------------------------------------------------------------------- */

/* The parameters of STMT_append_events, in order. */
enum { ORIGIN, ORIGIN_ID, TYPE, TXN, CAUSE, AGENT_ID, SUB_ID, BODY, EVIDENCE, TRACE, LOOKUP, COLUMNS };

static const enum db_element elements[COLUMNS] = {
	[ORIGIN] = DB_ELEMENT_TEXT,  [ORIGIN_ID] = DB_ELEMENT_TEXT, [TYPE] = DB_ELEMENT_TEXT,
	[TXN] = DB_ELEMENT_TEXT,     [CAUSE] = DB_ELEMENT_INT8,	    [AGENT_ID] = DB_ELEMENT_TEXT,
	[SUB_ID] = DB_ELEMENT_JSONB, [BODY] = DB_ELEMENT_JSONB,	    [EVIDENCE] = DB_ELEMENT_BYTEA,
	[TRACE] = DB_ELEMENT_TEXT,   [LOOKUP] = DB_ELEMENT_BOOL,
};

static void add_row(struct db_array c[COLUMNS], const struct item *item)
{
	const struct event *e = item->event;

	db_array_add_text(&c[ORIGIN], e->origin);
	db_array_add_text(&c[ORIGIN_ID], e->origin_id);
	db_array_add_text(&c[TYPE], e->type);
	db_array_add_text(&c[TXN], e->txn);
	if (e->cause != 0)
		db_array_add_int(&c[CAUSE], e->cause);
	else
		db_array_add_null(&c[CAUSE]);
	db_array_add_text(&c[AGENT_ID], e->agent_id);
	db_array_add_json(&c[SUB_ID], e->sub_id);
	db_array_add_json(&c[BODY], e->body);
	db_array_add_bytes(&c[EVIDENCE], item->has_evidence ? item->evidence : NULL, SSF_SHA256_LEN);
	db_array_add_text(&c[TRACE], e->trace);
	db_array_add_bool(&c[LOOKUP], item->lookup);
}

int drafts_append(struct db *db, const struct drafts *ds, db_done_f *done, void *arg, struct db_op **out,
		  struct ssf_err *err)
{
	struct db_array columns[COLUMNS];
	struct db_params params = { 0 };

	assert(ds->count > 0);
	for (size_t i = 0; i < COLUMNS; i++) {
		db_array_init(&columns[i], elements[i], COLUMN_MAX);
		params.list[i] = db_param_array(&columns[i]);
	}
	for (size_t i = 0; i < ds->count; i++)
		add_row(columns, &ds->items[i]);
	int r = db_exec(db, STMT_append_events, (const struct db_params *)&params, done, arg, out, err);
	for (size_t i = 0; i < COLUMNS; i++)
		db_array_done(&columns[i]);
	return r;
}

static json_t *item_json(const struct item *item)
{
	const struct event *e = item->event;
	char evidence[SSF_SHA256_HEX];

	if (item->has_evidence)
		ssf_hex(item->evidence, SSF_SHA256_LEN, evidence);
	return json_pack("{s:s, s:s, s:s, s:s, s:o*, s:O, s:s*, s:O*, s:s*, s:s*, s:b}", "origin", e->origin,
			 "origin_id", e->origin_id, "type", e->type, "txn", e->txn, "cause",
			 e->cause != 0 ? json_integer(e->cause) : NULL, "body", e->body, "agent_id",
			 e->agent_id, "sub_id", e->sub_id, "evidence", item->has_evidence ? evidence : NULL,
			 "trace", e->trace, "lookup", item->lookup);
}

char *drafts_text(const struct drafts *ds)
{
	json_auto_t *array = json_array();

	for (size_t i = 0; i < ds->count; i++) {
		if (json_array_append_new(array, item_json(&ds->items[i])) < 0)
			return NULL;
	}
	return json_dumps(array, JSON_COMPACT);
}

struct event *drafts_event(const struct drafts *ds, size_t i, int64_t seq, int64_t at_ms)
{
	struct event *e = ds->items[i].event;

	if (ssf_json_has_real(e->body) || ssf_json_has_real(e->sub_id))
		return NULL;
	e->seq = seq;
	e->at_ms = at_ms;
	return event_ref(e);
}
