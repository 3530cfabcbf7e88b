/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint is composed and then stored:
 *
 *   idle -> composing (a slice each turn of the loop) -> storing (one statement) -> idle
 *
 * It names the shards whose streams are in it, each with the epoch under which it was composed: when one of them is not
 * this process's any more, the database refuses all of it.
 */
#include "hub/deliver/positions.h"

#include "lib/kit/log.h"
#include "lib/ssf/json_text.h"

#include <stdlib.h>

#define LOAD_MAX 5000      /* streams in one statement */
#define SLICE 256          /* streams */
#define SHARE 20           /* checkpoints take at most one twentieth of the time, */
#define EACH_STREAM_MS 3   /* come no sooner than so long for each stream that was in the last one, */
#define WAIT_MAX_MS 3000   /* but no less often than this */
#define TEXT_MAX (256 * 1024 * 1024)
#define IDS_MAX (16 * 1024 * 1024) /* bytes */
#define DELETED_MAX 10000  /* beyond, what is saved of a deleted stream stays, and means nothing */
#define SWEEP_SEQS 8192    /* between two looks at streams that nothing concerns */

struct checkpoint {
	struct ssf_buf entries, redelivered; /* members of objects by stream */
	bool has_shard[OWNER_SHARDS];
	int64_t epochs[OWNER_SHARDS];
	size_t left;  /* of the unsaved, those to be looked at */
	size_t count; /* streams in it */
	int64_t began_ms;
};

struct positions {
	struct positions_deps deps;
	struct work_list loading;
	struct db_op *load;
	struct loop_defer *load_soon;
	struct work_list saving;      /* in the checkpoint under way */
	struct checkpoint checkpoint;
	struct loop_defer *compose;   /* one of these is set while one is under way */
	struct db_op *store;
	int64_t number;               /* of the last checkpoint */
	int64_t next_ms;              /* not before that */
	bool failed;                  /* the last one */
	json_t *deleted;              /* object: ids of streams that may be in the stored checkpoint */
	int64_t swept;                /* seq */
};

/* --- loading ---------------------------------------------------------------------------------- */

static void load(struct positions *p);

static struct subscription_position position_of(const struct db_result *r, size_t row)
{
	return (struct subscription_position){
		.rewound = db_int(r, row, 1),
		.cursor = db_int(r, row, 2),
		.settled = db_text(r, row, 3),
		.delivered = db_int(r, row, 4),
		.success_at_ms = db_int(r, row, 5),
		.error_at_ms = db_int(r, row, 6),
		.error = db_text(r, row, 7),
		.active_at_ms = db_int(r, row, 8),
		.heartbeat_at_ms = db_int(r, row, 9),
		.heartbeat_seq = db_int(r, row, 10),
		.redeliveries = db_text(r, row, 11),
		.failing = db_bool(r, row, 12),
		.backlog = db_int(r, row, 13),
		.backlog_base = db_int(r, row, 14),
		.dead_letters = db_int(r, row, 15),
		.again_at_ms = db_int(r, row, 16),
		.has_filter = db_bool(r, row, 17),
	};
}

static void on_loaded(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct positions *p = arg;
	bool more = p->deps.lists->to_load.count > 0;

	p->load = NULL;
	if (err != NULL)
		log_warn("deliver.load.failed", log_why(err));
	for (size_t row = 0; err == NULL && row < db_rows(r); row++) {
		struct subscription *s = subscription_set_find(p->deps.set, db_text(r, row, 0));
		struct subscription_position position = position_of(r, row);
		if (s != NULL && s->nodes.load.list == &p->loading) /* else it was made, or rewound, since */
			subscription_load(s, &position);
	}
	work_list_move(&p->loading, &p->deps.lists->to_load); /* not stored yet: the tick tries again */
	if (err == NULL && more)
		load(p);
}

static void load(struct positions *p)
{
	db_auto_array ids;
	struct subscription *s;

	db_array_init(&ids, DB_ELEMENT_TEXT, IDS_MAX);
	if (p->load != NULL)
		return;
	while (p->loading.count < LOAD_MAX && (s = work_list_pop(&p->deps.lists->to_load)) != NULL) {
		db_array_add_text(&ids, s->id);
		work_list_push(&p->loading, &s->nodes.load, s);
	}
	if (p->loading.count == 0)
		return;
	if (db_exec(p->deps.db, STMT_stream_positions, DB_PARAMS(db_param_array(&ids)), on_loaded, p, &p->load, NULL) < 0) {
		p->load = NULL;
		work_list_move(&p->loading, &p->deps.lists->to_load);
	}
}

static void on_load_soon(void *arg)
{
	struct positions *p = arg;

	p->load_soon = NULL;
	load(p);
}

void positions_load_soon(void *arg)
{
	struct positions *p = arg;

	if (p->load_soon == NULL && p->load == NULL)
		p->load_soon = loop_defer_start(p->deps.loop, on_load_soon, p);
}

/* --- text ------------------------------------------------------------------------------------- */

static void add_time(struct ssf_buf *out, const char *name, int64_t ms)
{
	if (ms != 0)
		ssf_buf_addf(out, ",\"%s\":%lld.%03lld", name, (long long)(ms / 1000), (long long)(ms % 1000));
}

int position_text(const struct subscription *s, bool redelivered, struct ssf_buf *out)
{
	const struct delivery_health *h = &s->report.health;
	const struct activity *a = &s->report.activity;

	ssf_buf_addf(out, "{\"rewound\":%lld,\"cursor\":%lld,\"delivered\":%lld,\"failing\":%s,\"backlog\":%lld",
		     (long long)s->rewound, (long long)window_cursor(&s->window), (long long)h->delivered,
		     h->failing ? "true" : "false", (long long)subscription_backlog_to_save(s));
	ssf_buf_addf(out, ",\"backlog_base\":%lld", (long long)s->backlog.base);
	if (window_has_settled(&s->window)) {
		ssf_buf_adds(out, ",\"acked\":\"");
		window_settled_text(&s->window, out);
		ssf_buf_addc(out, '"');
	}
	if (redelivered) {
		ssf_buf_adds(out, ",\"paid\":\"");
		redelivery_text(&s->redelivery.set, out);
		ssf_buf_addc(out, '"');
	}
	add_time(out, "success_at", h->success_at_ms);
	add_time(out, "error_at", h->error_at_ms);
	if (h->error_at_ms != 0) {
		ssf_buf_adds(out, ",\"error\":");
		ssf_json_append_string(ssf_str_c(h->error), out);
	}
	add_time(out, "active_at", a->active_at_ms);
	if (a->heartbeat_seq != 0) {
		add_time(out, "heartbeat_at", a->heartbeat_at_ms);
		ssf_buf_addf(out, ",\"heartbeat_seq\":%lld", (long long)a->heartbeat_seq);
	}
	return ssf_buf_addc(out, '}');
}

/* What was redelivered is noted in another row, which is rarely written. */
static int redelivered_text(const struct subscription *s, struct ssf_buf *out)
{
	ssf_buf_addf(out, "{\"rewound\":%lld,\"paid\":\"", (long long)s->rewound);
	redelivery_text(&s->redelivery.set, out);
	return ssf_buf_adds(out, "\"}");
}

static int add_member(struct ssf_buf *object, const char *name, const struct ssf_buf *value)
{
	ssf_buf_addc(object, object->len == 0 ? '{' : ',');
	ssf_json_append_string(ssf_str_c(name), object);
	ssf_buf_addc(object, ':');
	return ssf_buf_add(object, value->ptr, value->len);
}

/* --- checkpoints ------------------------------------------------------------------------------ */

bool positions_are_saving(const struct positions *p)
{
	return p->compose != NULL || p->store != NULL;
}

bool positions_are_saved(const struct positions *p)
{
	return p->deps.lists->unsaved.count == 0 && !positions_are_saving(p);
}

bool positions_have_failed(const struct positions *p)
{
	return p->failed;
}

/* The longer checkpoints take and the more is in them, the less often they are made. */
static void plan_next(struct positions *p)
{
	const struct checkpoint *c = &p->checkpoint;
	int64_t wait = SHARE * (loop_now_ms() - c->began_ms), streams = EACH_STREAM_MS * (int64_t)c->count;

	wait = wait > streams ? wait : streams;
	p->next_ms = c->began_ms + (wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS);
}

static void end(struct positions *p, bool saved)
{
	struct subscription *s;

	while ((s = work_list_pop(&p->saving)) != NULL)
		subscription_saved(s, saved);
	p->failed = !saved;
	plan_next(p);
	ssf_buf_done(&p->checkpoint.entries);
	ssf_buf_done(&p->checkpoint.redelivered);
	p->deps.ended(p->deps.arg);
}

static void fail(struct positions *p, const struct ssf_err *err)
{
	log_warn("deliver.checkpoint.failed", log_why(err));
	/* another process owns some of these streams: nothing was saved */
	for (int i = 0; err->code == SSF_E_CONFLICT && i < OWNER_SHARDS; i++) {
		if (p->checkpoint.has_shard[i])
			owner_refused(p->deps.owner, i, p->checkpoint.epochs[i]);
	}
	end(p, false);
}

static void on_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct positions *p = arg;

	p->store = NULL;
	if (err != NULL) {
		fail(p, err);
		return;
	}
	for (size_t row = 0; row < db_rows(r); row++) {
		struct subscription *s = subscription_set_find(p->deps.set, db_text(r, row, 0));
		if (s != NULL && s->position_known)
			subscription_reload(s); /* it was rewound, which was not known here yet */
	}
	end(p, true);
}

static int store(struct positions *p, struct ssf_err *err)
{
	struct checkpoint *c = &p->checkpoint;
	db_auto_array shards, epochs, deleted;
	const char *id;
	json_t *value;

	db_array_init(&shards, DB_ELEMENT_INT8, IDS_MAX);
	db_array_init(&epochs, DB_ELEMENT_INT8, IDS_MAX);
	db_array_init(&deleted, DB_ELEMENT_TEXT, IDS_MAX);
	for (int i = 0; i < OWNER_SHARDS; i++) {
		if (c->has_shard[i]) {
			db_array_add_int(&shards, i);
			db_array_add_int(&epochs, c->epochs[i]);
		}
	}
	json_object_foreach(p->deleted, id, value)
		db_array_add_text(&deleted, id);
	ssf_buf_adds(&c->entries, c->entries.len == 0 ? "{}" : "}");
	if (c->redelivered.len > 0)
		ssf_buf_addc(&c->redelivered, '}');
	if (ssf_buf_failed(&c->entries) || ssf_buf_failed(&c->redelivered))
		return ssf_fail(err, SSF_E_NOMEM, "checkpoint");
	if (db_exec(p->deps.db, STMT_stream_checkpoint,
		    DB_PARAMS(db_param_uuid(owner_id(p->deps.owner)), db_param_int(++p->number),
			      db_param_array(&shards), db_param_array(&epochs), db_param_json_text(c->entries.ptr),
			      db_param_json_text(c->redelivered.len > 0 ? c->redelivered.ptr : NULL),
			      db_param_array(&deleted)),
		    on_stored, p, &p->store, err) < 0) {
		p->store = NULL;
		return -1;
	}
	json_object_clear(p->deleted);
	return 0;
}

/* One stream, with what it has redelivered. -1: no memory. */
static int compose_stream(struct checkpoint *c, struct subscription *s)
{
	ssf_auto_buf entry = SSF_BUF(POSITION_TEXT_MAX), redelivered = SSF_BUF(POSITION_TEXT_MAX);

	if (position_text(s, false, &entry) < 0)
		return -1;
	if (redelivery_is_unsaved(&s->redelivery.set) && (redelivered_text(s, &redelivered) < 0 ||
							   add_member(&c->redelivered, s->id, &redelivered) < 0))
		return -1;
	return add_member(&c->entries, s->id, &entry);
}

/* Up to SLICE of the unsaved streams. -1: no memory. */
static int compose_slice(struct positions *p)
{
	struct checkpoint *c = &p->checkpoint;
	struct subscription *s;

	for (int i = 0; i < SLICE && c->left > 0; i++) {
		s = work_list_pop(&p->deps.lists->unsaved);
		c->left = s != NULL ? c->left - 1 : 0;
		if (s == NULL || !s->position_known)
			continue;
		if (!owner_holds(p->deps.owner, s->shard)) { /* not now */
			work_list_push(&p->deps.lists->unsaved, &s->nodes.unsaved, s);
			continue;
		}
		if (compose_stream(c, s) < 0) {
			work_list_push(&p->deps.lists->unsaved, &s->nodes.unsaved, s);
			return -1;
		}
		if (!c->has_shard[s->shard])
			c->epochs[s->shard] = owner_epoch(p->deps.owner, s->shard);
		c->has_shard[s->shard] = true;
		c->count++;
		subscription_saving(s);
		work_list_push(&p->saving, &s->nodes.saving, s);
	}
	return 0;
}

static void on_compose(void *arg)
{
	struct positions *p = arg;
	struct ssf_err err;

	p->compose = NULL;
	if (compose_slice(p) < 0) {
		ssf_fail(&err, SSF_E_NOMEM, "checkpoint");
		fail(p, &err);
	} else if (p->checkpoint.left > 0) {
		p->compose = loop_defer_start(p->deps.loop, on_compose, p);
		if (p->compose == NULL && store(p, &err) < 0) /* what there is; the rest stays unsaved */
			fail(p, &err);
	} else if (p->checkpoint.count == 0 && json_object_size(p->deleted) == 0) {
		end(p, true);
	} else if (store(p, &err) < 0) {
		fail(p, &err);
	}
}

void positions_checkpoint(struct positions *p)
{
	if (positions_are_saving(p) || (p->deps.lists->unsaved.count == 0 && json_object_size(p->deleted) == 0))
		return;
	p->checkpoint = (struct checkpoint){ .entries = SSF_BUF(TEXT_MAX), .redelivered = SSF_BUF(TEXT_MAX),
					     .left = p->deps.lists->unsaved.count, .began_ms = loop_now_ms() };
	on_compose(p);
}

/* The stored cursor of a stream that nothing concerns moves only now and then. */
static void sweep(struct positions *p)
{
	struct subscription *s = NULL;

	if (p->deps.dispatched->done - p->swept < SWEEP_SEQS)
		return;
	p->swept = p->deps.dispatched->done;
	while ((s = subscription_set_next(p->deps.set, s)) != NULL) {
		if (subscription_is_stale(s))
			subscription_mark_unsaved(s);
	}
}

void positions_tick(struct positions *p)
{
	load(p);
	sweep(p);
	if (loop_now_ms() >= p->next_ms)
		positions_checkpoint(p);
}

/* --- deleted streams -------------------------------------------------------------------------- */

void positions_stream_deleted(struct positions *p, const char *id)
{
	if (json_object_size(p->deleted) < DELETED_MAX)
		json_object_set_new(p->deleted, id, json_true());
}

void positions_stream_exists(struct positions *p, const char *id)
{
	json_object_del(p->deleted, id);
}

/* --- its life --------------------------------------------------------------------------------- */

int positions_new(const struct positions_deps *deps, struct positions **out, struct ssf_err *err)
{
	struct positions *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->deleted = json_object()) == NULL) {
		free(p);
		return ssf_fail(err, SSF_E_NOMEM, "positions");
	}
	p->deps = *deps;
	work_list_init(&p->loading, NULL, NULL);
	work_list_init(&p->saving, NULL, NULL);
	*out = p;
	return 0;
}

void positions_free(struct positions *p)
{
	if (p == NULL)
		return;
	db_cancel(p->load);
	db_cancel(p->store);
	loop_defer_cancel(p->load_soon);
	loop_defer_cancel(p->compose);
	ssf_buf_done(&p->checkpoint.entries);
	ssf_buf_done(&p->checkpoint.redelivered);
	json_decref(p->deleted);
	free(p);
}
