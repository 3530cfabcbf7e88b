/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the memory in the order of commits: change N is taken over only after all changes before it, whoever made
 * them. Two machines do that.
 *
 * Reading:  IDLE -> (registry_load, or an error) -> SCHEDULED -> READING -> IDLE
 *           more is known to exist by the end of READING -> SCHEDULED
 *
 * A write:  STORING   the statement was sent
 *        -> APPLYING  committed as change N; the memory is not at N yet. If its first change directly follows the
 *                     memory, it is applied from here; otherwise others have changed something in between, and the
 *                     log of changes is read
 *        -> CONFIRMING  the memory is at N; the other processes are not known to be
 *        -> done
 *
 * A write in STORING fails with its statement. A write in APPLYING fails when reading fails, as its outcome
 * here is unknown. Every write fails at registry_stop().
 */
#include "hub/registry/registry.h"

#include "hub/registry/resource_set.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_MS 100
#define READ_MAX 500 /* changes in one statement */

enum write_state { WRITE_STORING, WRITE_APPLYING, WRITE_CONFIRMING };

struct registry_write {
	LIST_ENTRY(registry_write) link;
	struct registry *registry;
	enum write_state state;
	json_t *batch;
	registry_write_f *f;
	void *arg;
	struct db_op *op;           /* STORING */
	json_t *versions;           /* from APPLYING on */
	int64_t change;             /* its last one */
	bool others;                /* there were other processes when it was committed */
	struct owner_wait *barrier; /* CONFIRMING */
};

struct listener {
	STAILQ_ENTRY(listener) link;
	registry_f *f;
	void *arg;
};

struct registry {
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct resource_set *set;
	int64_t change;           /* all changes up to here are in the set */
	bool ready;               /* the first load has succeeded */
	loop_f *on_ready;
	void *on_ready_arg;
	struct loop_timer *timer; /* SCHEDULED */
	struct db_op *reading;    /* READING */
	bool read_again;          /* there is more than the statement under way can see */
	STAILQ_HEAD(, listener) listeners;
	LIST_HEAD(, registry_write) writes;
};

/* --- lookups ----------------------------------------------------------------------------------------- */

const json_t *registry_get(const struct registry *r, enum kind kind, const char *id)
{
	return resource_set_get(r->set, kind, id);
}

const json_t *registry_all(const struct registry *r, enum kind kind)
{
	return resource_set_all(r->set, kind);
}

int64_t registry_version(const struct registry *r, enum kind kind, const char *id)
{
	return resource_set_version(r->set, kind, id);
}

const char *registry_find(const struct registry *r, enum kind kind, const char *member, const char *value)
{
	return resource_set_find(r->set, kind, member, NULL, value);
}

const char *registry_find_within(const struct registry *r, enum kind kind, const char *member,
				 const char *within, const char *value)
{
	return resource_set_find(r->set, kind, member, within, value);
}

bool registry_is_ready(const struct registry *r)
{
	return r->ready;
}

/* --- life ----------------------------------------------------------------------------------------------- */

int registry_new(struct loop *loop, struct db *db, loop_f *ready, void *arg, struct registry **out,
		 struct ssf_err *err)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->set = resource_set_new()) == NULL) {
		free(r);
		return ssf_fail(err, SSF_E_NOMEM, "registry");
	}
	r->loop = loop;
	r->db = db;
	r->on_ready = ready;
	r->on_ready_arg = arg;
	STAILQ_INIT(&r->listeners);
	LIST_INIT(&r->writes);
	*out = r;
	return 0;
}

void registry_free(struct registry *r)
{
	struct listener *l;

	if (r == NULL)
		return;
	registry_stop(r);
	while ((l = STAILQ_FIRST(&r->listeners)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->listeners, link);
		free(l);
	}
	resource_set_free(r->set);
	free(r);
}

void registry_share(struct registry *r, struct owner *owner)
{
	r->owner = owner;
}

int registry_listen(struct registry *r, registry_f *f, void *arg, struct ssf_err *err)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "registry");
	l->f = f;
	l->arg = arg;
	STAILQ_INSERT_TAIL(&r->listeners, l, link);
	return 0;
}

/* --- taking changes over ------------------------------------------------------------------------------------ */

/* spec NULL: deleted. -1: out of memory. */
static int apply_change(struct registry *r, const char *name, const char *id, json_t *spec, int64_t version)
{
	struct listener *l;
	enum kind kind;

	if (kind_find(name, true, &kind) < 0) {
		log_error("registry.kind.unknown", log_str("kind", name), log_id("id", id));
		return 0;
	}
	if (resource_set_put(r->set, kind, id, spec, version) < 0)
		return -1;
	STAILQ_FOREACH(l, &r->listeners, link)
		l->f(l->arg, kind, id, spec);
	return 0;
}

static void finish_write(struct registry_write *w, const struct ssf_err *err)
{
	LIST_REMOVE(w, link);
	w->f(w->arg, err == NULL ? w->versions : NULL, err);
	db_cancel(w->op);
	owner_settle_cancel(w->barrier);
	json_decref(w->versions);
	json_decref(w->batch);
	free(w);
}

static void on_confirmed(void *arg)
{
	struct registry_write *w = arg;

	w->barrier = NULL;
	finish_write(w, NULL);
}

/* APPLYING -> CONFIRMING -> done, as far as the memory is. */
static void advance_write(struct registry_write *w)
{
	struct registry *r = w->registry;

	if (w->state != WRITE_APPLYING || w->change > r->change)
		return;
	w->state = WRITE_CONFIRMING;
	/* without memory for the barrier the caller is told early; the others follow within a second */
	if (!w->others || r->owner == NULL ||
	    owner_settle_start(r->owner, OWNER_CHANGES, w->change, on_confirmed, w, &w->barrier, NULL) < 0) {
		w->barrier = NULL;
		finish_write(w, NULL);
	}
}

static void memory_reached(struct registry *r, int64_t change)
{
	struct registry_write *w, *next;

	r->change = change;
	if (r->owner != NULL)
		owner_applied(r->owner, OWNER_CHANGES, change);
	for (w = LIST_FIRST(&r->writes); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		advance_write(w);
	}
}

/* --- reading -------------------------------------------------------------------------------------------------- */

static void read_changes(void *arg);

static void schedule_read(struct registry *r, int64_t ms)
{
	if (r->reading != NULL)
		r->read_again = true;
	else if (r->timer == NULL)
		r->timer = loop_timer_start(r->loop, ms, read_changes, r);
}

void registry_load(struct registry *r)
{
	schedule_read(r, 0);
}

static void read_failed(struct registry *r, const struct ssf_err *err)
{
	struct registry_write *w, *next;

	log_warn("registry.load.failed", log_why(err));
	for (w = LIST_FIRST(&r->writes); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (w->state == WRITE_APPLYING)
			finish_write(w, err);
	}
	schedule_read(r, RETRY_MS);
}

/* Columns: change, kind, id, version, spec (null: deleted). -1: out of memory, after what was taken over. */
static int apply_changes(struct registry *r, const struct db_result *result)
{
	int64_t change = r->change;
	int ok = 0;

	for (size_t row = 0; ok == 0 && row < db_rows(result); row++) {
		json_auto_t *spec = db_json(result, row, 4);
		int64_t number = db_int(result, row, 0);
		if (number <= change) /* a write of this process came in between */
			continue;
		if (spec == NULL && db_text(result, row, 4) != NULL)
			ok = -1;
		else
			ok = apply_change(r, db_text(result, row, 1), db_text(result, row, 2), spec,
					  db_int(result, row, 3));
		change = ok == 0 ? number : change;
	}
	r->read_again = r->read_again || db_rows(result) == READ_MAX;
	if (change > r->change)
		memory_reached(r, change);
	return ok;
}

/*
 * The first load. The same columns, of all resources; change is the last one of all changes, also in the one row that
 * there is without any resource. -1: out of memory; everything is read again.
 */
static int apply_all(struct registry *r, const struct db_result *result)
{
	struct resource_set *empty = resource_set_new();

	if (empty == NULL)
		return -1;
	resource_set_free(r->set); /* of an earlier try, which had no memory for all of it */
	r->set = empty;
	for (size_t row = 0; row < db_rows(result); row++) {
		json_auto_t *spec = db_json(result, row, 4);
		if (db_text(result, row, 4) == NULL)
			continue;
		if (spec == NULL || apply_change(r, db_text(result, row, 1), db_text(result, row, 2), spec,
						 db_int(result, row, 3)) < 0)
			return -1;
	}
	r->ready = true;
	memory_reached(r, db_int(result, 0, 0));
	r->on_ready(r->on_ready_arg);
	return 0;
}

static void on_read(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct registry *r = arg;
	struct ssf_err why;

	r->reading = NULL;
	if (err == NULL && (r->ready ? apply_changes(r, result) : apply_all(r, result)) < 0) {
		ssf_fail(&why, SSF_E_NOMEM, "resources");
		err = &why;
	}
	if (err != NULL)
		read_failed(r, err);
	else if (r->read_again)
		schedule_read(r, 0);
}

static void read_changes(void *arg)
{
	struct registry *r = arg;
	struct ssf_err err;
	int started;

	r->timer = NULL;
	r->read_again = false;
	if (r->ready)
		started = db_exec(r->db, STMT_resource_changes,
				  DB_PARAMS(db_param_int(r->change), db_param_int(READ_MAX)), on_read, r,
				  &r->reading, &err);
	else
		started = db_exec(r->db, STMT_resource_all, DB_NO_PARAMS, on_read, r, &r->reading, &err);
	if (started < 0) {
		r->reading = NULL;
		read_failed(r, &err);
	}
}

/* --- writing ------------------------------------------------------------------------------------------------- */

/* Columns: kind, id, version, change, others; a row a resource. -1: out of memory. */
static int read_versions(struct registry_write *w, const struct db_result *result, int64_t *first)
{
	size_t rows = db_rows(result);

	w->versions = json_array();
	for (size_t row = 0; row < rows; row++) {
		json_t *item = json_pack("{s:s, s:s, s:I}", "kind", db_text(result, row, 0), "id",
					 db_text(result, row, 1), "version", (json_int_t)db_int(result, row, 2));
		if (json_array_append_new(w->versions, item) < 0)
			return -1;
	}
	if (rows == 0)
		return -1;
	*first = db_int(result, 0, 3);
	w->change = db_int(result, rows - 1, 3);
	w->others = db_bool(result, rows - 1, 4);
	return 0;
}

/* Nobody has changed anything between the memory and this write: it need not be read again. */
static int apply_batch(struct registry *r, const struct registry_write *w)
{
	const json_t *item;
	size_t i;

	json_array_foreach(w->batch, i, item) {
		json_t *spec = json_object_get(item, "spec");
		const json_t *version = json_object_get(json_array_get(w->versions, i), "version");
		if (apply_change(r, json_string_value(json_object_get(item, "kind")),
				 json_string_value(json_object_get(item, "id")),
				 json_is_object(spec) ? spec : NULL, json_integer_value(version)) < 0)
			return -1;
	}
	return 0;
}

/* After an error the write may have been committed all the same, so the memory follows the database. */
static void on_stored(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct registry_write *w = arg;
	struct registry *r = w->registry;
	struct ssf_err why;
	int64_t first = 0;

	w->op = NULL;
	if (err == NULL && read_versions(w, result, &first) < 0) {
		ssf_fail(&why, SSF_E_NOMEM, "resources");
		err = &why;
	}
	if (err != NULL) {
		registry_load(r);
		finish_write(w, err);
		return;
	}
	w->state = WRITE_APPLYING;
	if (w->change <= r->change) /* it was read before this answer came */
		advance_write(w);
	else if (first == r->change + 1 && apply_batch(r, w) == 0)
		memory_reached(r, w->change);
	else
		registry_load(r);
}

int registry_write_start(struct registry *r, json_t *batch, registry_write_f *f, void *arg,
			 struct ssf_err *err)
{
	struct registry_write *w = calloc(1, sizeof(*w));
	const char *self = r->owner != NULL ? owner_id(r->owner) : NULL;

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "registry");
	*w = (struct registry_write){ .registry = r, .state = WRITE_STORING, .f = f, .arg = arg };
	if (db_exec(r->db, STMT_resource_put, DB_PARAMS(db_param_json(batch), db_param_uuid(self)), on_stored, w,
		    &w->op, err) < 0) {
		free(w);
		return -1;
	}
	w->batch = json_incref(batch);
	LIST_INSERT_HEAD(&r->writes, w, link);
	return 0;
}

void registry_stop(struct registry *r)
{
	struct ssf_err err;

	if (r == NULL)
		return;
	loop_timer_cancel(r->timer);
	db_cancel(r->reading);
	r->timer = NULL;
	r->reading = NULL;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	while (!LIST_EMPTY(&r->writes))
		finish_write(LIST_FIRST(&r->writes), &err);
}
