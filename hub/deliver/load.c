/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where streams are, from the database: one statement for all that are new. What their receivers have
 * added and removed of subjects is each outlet's own matter.
 */
#include "hub/deliver/deliver_priv.h"

#include "lib/kit/log.h"

#include <stdlib.h>

#define LOAD_MAX 5000 /* streams in one statement */

static void load(struct deliver *d);

static void unask(struct deliver *d)
{
	struct outlet *o;

	while ((o = TAILQ_FIRST(&d->loading)) != NULL) {
		TAILQ_REMOVE(&d->loading, o, load_link);
		TAILQ_INSERT_TAIL(&d->to_load, o, load_link);
		o->load = LOAD_WANTED;
	}
}

static void on_loaded(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct deliver *d = arg;
	bool more = !TAILQ_EMPTY(&d->to_load);

	d->load = NULL;
	if (err != NULL)
		log_warn("deliver.load.failed", log_why(err));
	for (size_t row = 0; err == NULL && row < db_rows(r); row++) {
		struct outlet *o = deliver_find(d, db_text(r, row, 0));
		if (o == NULL || o->load != LOAD_ASKED) /* another life of it */
			continue;
		load_forget(o);
		outlet_loaded(o, r, row);
	}
	unask(d); /* what is not stored yet; the tick tries again */
	if (err == NULL && more)
		load(d);
}

static void load(struct deliver *d)
{
	json_auto_t *ids = json_array();
	ssf_auto_free char *text = NULL;
	const char *params[1];
	struct outlet *o;

	if (d->load != NULL)
		return;
	while ((o = TAILQ_FIRST(&d->to_load)) != NULL && json_array_size(ids) < LOAD_MAX) {
		json_array_append_new(ids, json_string(o->stream->id));
		TAILQ_REMOVE(&d->to_load, o, load_link);
		TAILQ_INSERT_TAIL(&d->loading, o, load_link);
		o->load = LOAD_ASKED;
	}
	if (json_array_size(ids) == 0)
		return;
	text = db_array(ids);
	params[0] = text;
	if (text == NULL || db_exec(d->db, STMT_stream_positions, params, on_loaded, d, &d->load, NULL) < 0) {
		d->load = NULL;
		unask(d);
	}
}

static void on_soon(void *arg)
{
	struct deliver *d = arg;

	d->load_soon = NULL;
	load(d);
}

void load_soon(struct outlet *o)
{
	struct deliver *d = o->deliver;

	load_forget(o);
	TAILQ_INSERT_TAIL(&d->to_load, o, load_link);
	o->load = LOAD_WANTED;
	if (d->load_soon == NULL && d->load == NULL)
		d->load_soon = loop_defer_start(d->loop, on_soon, d);
}

void load_retry(struct deliver *d)
{
	load(d);
}

void load_forget(struct outlet *o)
{
	struct deliver *d = o->deliver;

	if (o->load == LOAD_WANTED)
		TAILQ_REMOVE(&d->to_load, o, load_link);
	else if (o->load == LOAD_ASKED)
		TAILQ_REMOVE(&d->loading, o, load_link);
	o->load = LOAD_NONE;
}

void load_stop(struct deliver *d)
{
	db_cancel(d->load);
	d->load = NULL;
	loop_defer_cancel(d->load_soon);
	d->load_soon = NULL;
}
