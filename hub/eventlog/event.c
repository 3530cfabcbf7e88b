/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the tail of the log in memory. It must never show an event before it is committed, nor
 * out of order: it holds what it has read from the database in seq order, and of what this process has
 * itself committed only the number that follows on its last.
 */
#include "hub/eventlog/event.h"

#include "hub/eventlog/seq_ranges.h"
#include "lib/kit/log.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LISTENERS_MAX 8
#define FOLLOW_BATCH 256
#define FOLLOW_TICK_MS 1000

struct event_log_read {
	LIST_ENTRY(event_log_read) link;
	struct event_log *log;
	int64_t after;
	size_t max;
	event_log_read_f *f;
	void *arg;
	struct loop_defer *defer; /* one of these two is set */
	struct db_op *op;
};

struct event_log {
	struct loop *loop;
	struct db *db;
	struct event *ring[EVENT_RING];
	size_t first, count;      /* oldest at ring[first] */
	size_t bytes;             /* weight of all of them */
	int64_t head;             /* newest seq seen */
	int64_t from;             /* the ring holds every event with seq > from */
	bool started;             /* head is known */
	bool again;               /* woken while reading */
	struct db_op *follow;
	struct seq_ranges spans;       /* of all partitions with events; the last one ends at head */
	struct db_op *recount;
	struct loop_tick *tick;
	struct {
		event_log_f *f;
		void *arg;
	} listeners[LISTENERS_MAX];
	size_t listener_count;
	loop_f *woken;
	void *woken_arg;
	LIST_HEAD(, event_log_read) reads;
};

/* --- events ----------------------------------------------------------------------------- */

struct event *event_ref(struct event *e)
{
	e->refs++;
	return e;
}

void event_free(struct event *e)
{
	if (e == NULL || --e->refs > 0)
		return;
	json_decref(e->sub_id);
	json_decref(e->body);
	free(e->text);
	free(e);
}

/* Copies text to where *at points and moves *at behind it; NULL stays NULL. */
static const char *put_text(char **at, const char *text)
{
	char *start = *at;

	if (text == NULL)
		return NULL;
	*at = stpcpy(start, text) + 1;
	return start;
}

static size_t text_size(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

struct event *event_make(const struct event *like)
{
	ssf_auto(event) e = calloc(1, sizeof(*e));
	const char *const texts[] = { like->origin, like->origin_id, like->type, like->txn, like->agent_id,
				      like->trace };
	const struct ssf_event_type *known;
	size_t size = 0;

	if (e != NULL) {
		*e = *like;
		e->refs = 1;
	} else {
		json_decref(like->body);
		json_decref(like->sub_id);
		return NULL;
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(texts); i++)
		size += text_size(texts[i]);
	char *at = e->text = malloc(size);
	if (e->text == NULL || e->body == NULL ||
	    (e->sub_id != NULL && ssf_subject_key(e->sub_id, e->subject_key) < 0))
		return NULL;
	e->origin = put_text(&at, like->origin);
	e->origin_id = put_text(&at, like->origin_id);
	e->type = put_text(&at, like->type);
	e->txn = put_text(&at, like->txn);
	e->agent_id = put_text(&at, like->agent_id);
	e->trace = put_text(&at, like->trace);
	known = ssf_event_by_uri(e->type);
	e->control = known != NULL && known->control;
	e->weight = sizeof(*e) + size + ssf_json_weight(e->body) + ssf_json_weight(e->sub_id);
	return SSF_STEAL(e);
}

/* Columns as in event_after. NULL when out of memory. */
struct event *event_from_row(const struct db_result *r, size_t row)
{
	struct event like = { .seq = db_int(r, row, 0),
			      .at_ms = db_int(r, row, 1),
			      .origin = db_text(r, row, 2),
			      .origin_id = db_text(r, row, 3),
			      .type = db_text(r, row, 4),
			      .txn = db_text(r, row, 5),
			      .cause = db_int(r, row, 6),
			      .agent_id = db_text(r, row, 7),
			      .sub_id = db_json(r, row, 8),
			      .body = db_json(r, row, 9),
			      .trace = db_text(r, row, 10) };

	if (like.sub_id == NULL && db_text(r, row, 8) != NULL) { /* out of memory */
		json_decref(like.body);
		return NULL;
	}
	return event_make(&like);
}

/* --- how much there is ------------------------------------------------------------------ */

/* Of event_partitions, up to the head: what is above is not ours to know yet. */
static void take_spans(struct event_log *log, const struct db_result *r)
{
	seq_ranges_done(&log->spans);
	for (size_t i = 0; i < db_rows(r) && db_int(r, i, 0) <= log->head; i++) {
		int64_t last = db_int(r, i, 1);
		if (!seq_ranges_add(&log->spans, db_int(r, i, 0), last < log->head ? last : log->head))
			return; /* what is told of the backlog is too little, until it is read again */
	}
}

/* The head has moved. */
static void extend_spans(struct event_log *log)
{
	struct seq_ranges *s = &log->spans;
	struct seq_range *last = s->count > 0 ? &s->items[s->count - 1] : NULL;

	if (last != NULL && last->last / EVENT_PARTITION_SEQS == log->head / EVENT_PARTITION_SEQS)
		last->last = log->head;
	else
		(void)seq_ranges_add(s, log->head, log->head);
}

int64_t event_log_count(const struct event_log *log, int64_t after)
{
	return seq_ranges_count(&log->spans, after);
}

static void on_recounted(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct event_log *log = arg;

	log->recount = NULL;
	if (err == NULL)
		take_spans(log, r);
}

void event_log_recount(struct event_log *log)
{
	if (log->recount == NULL && log->started &&
	    db_exec(log->db, STMT_event_partitions, DB_NO_PARAMS, on_recounted, log, &log->recount, NULL) < 0)
		log->recount = NULL; /* it is counted by what was known */
}

/* --- the tail --------------------------------------------------------------------------- */

static void ring_shift(struct event_log *log)
{
	struct event *oldest = log->ring[log->first];

	log->from = oldest->seq;
	log->bytes -= oldest->weight;
	event_free(oldest);
	log->first = (log->first + 1) % EVENT_RING;
	log->count--;
}

static void ring_add(struct event_log *log, struct event *e)
{
	while (log->count == EVENT_RING || (log->count > 0 && log->bytes + e->weight > EVENT_RING_BYTES))
		ring_shift(log);
	log->ring[(log->first + log->count++) % EVENT_RING] = e;
	log->bytes += e->weight;
	log->head = e->seq;
	extend_spans(log);
}

/* Position in the ring of the first event after seq. */
static size_t ring_find(const struct event_log *log, int64_t seq)
{
	size_t low = 0, high = log->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (log->ring[(log->first + mid) % EVENT_RING]->seq <= seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void follow(struct event_log *log);

static void tell(struct event_log *log)
{
	for (size_t i = 0; i < log->listener_count; i++)
		log->listeners[i].f(log->listeners[i].arg, log->head);
}

static void on_followed(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct event_log *log = arg;
	size_t rows;

	log->follow = NULL;
	if (err != NULL) {
		log_warn("log.follow.failed", log_why(err));
		return; /* the tick tries again */
	}
	if (!log->started) {
		log->started = true;
		log->head = log->from = db_rows(r) > 0 ? db_int(r, db_rows(r) - 1, 1) : 0;
		take_spans(log, r);
		tell(log);
		follow(log);
		return;
	}
	rows = db_rows(r);
	for (size_t i = 0; i < rows; i++) {
		if (db_int(r, i, 0) <= log->head)
			continue; /* taken by event_log_stored meanwhile */
		struct event *e = event_from_row(r, i);
		if (e == NULL) {
			log_error("log.follow.nomem");
			rows = i;
			break;
		}
		ring_add(log, e);
	}
	if (rows > 0)
		tell(log);
	if (rows > 0 || log->again)
		follow(log);
}

static void follow(struct event_log *log)
{
	const struct db_params *params = log->started ? DB_PARAMS(db_param_int(log->head), db_param_int(FOLLOW_BATCH)) : NULL;
	struct ssf_err err;

	if (log->follow != NULL) {
		log->again = true;
		return;
	}
	log->again = false;
	if (db_exec(log->db, log->started ? STMT_event_after : STMT_event_partitions, params, on_followed,
		    log, &log->follow, &err) < 0)
		log->follow = NULL; /* the tick tries again; the database's state is logged elsewhere */
}

static void on_tick(void *arg)
{
	follow(arg);
}

static void say_woken(const struct event_log *log)
{
	if (log->woken != NULL)
		log->woken(log->woken_arg);
}

void event_log_wake(struct event_log *log)
{
	follow(log);
	say_woken(log);
}

void event_log_on_wake(struct event_log *log, loop_f *f, void *arg)
{
	log->woken = f;
	log->woken_arg = arg;
}

void event_log_look(struct event_log *log)
{
	follow(log);
}

/* Of what has come into the log as the draft says, the number after our last: nothing can be in between. */
static bool take_stored(struct event_log *log, const struct drafts *drafts, const struct db_result *r, size_t row)
{
	struct event *e;

	if (!log->started || db_int(r, row, DRAFT_ROW_SEQ) != log->head + 1 ||
	    db_text(r, row, DRAFT_ROW_APPENDED)[0] != 't')
		return false;
	e = drafts_event(drafts, row, log->head + 1, db_int(r, row, DRAFT_ROW_AT_MS));
	if (e == NULL)
		return false;
	ring_add(log, e);
	return true;
}

void event_log_stored(struct event_log *log, const struct drafts *drafts, const struct db_result *r)
{
	size_t rows = db_rows(r), taken = 0;
	bool more = false;

	for (size_t i = 0; i < rows && !more; i++) {
		if (take_stored(log, drafts, r, i))
			taken++;
		else /* a repeat is there already, or it has to be read */
			more = db_int(r, i, DRAFT_ROW_SEQ) > log->head;
	}
	if (taken > 0)
		tell(log);
	if (more)
		follow(log);
	say_woken(log);
}

int event_log_new(struct loop *loop, struct db *db, struct event_log **out, struct ssf_err *err)
{
	struct event_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "event log");
	log->loop = loop;
	log->db = db;
	LIST_INIT(&log->reads);
	log->tick = loop_tick_start(loop, FOLLOW_TICK_MS, on_tick, log);
	if (log->tick == NULL) {
		event_log_free(log);
		return ssf_fail(err, SSF_E_NOMEM, "event log");
	}
	*out = log;
	return 0;
}

void event_log_free(struct event_log *log)
{
	if (log == NULL)
		return;
	while (!LIST_EMPTY(&log->reads))
		event_log_cancel(LIST_FIRST(&log->reads));
	loop_tick_cancel(log->tick);
	db_cancel(log->follow);
	db_cancel(log->recount);
	seq_ranges_done(&log->spans);
	for (size_t i = 0; i < log->count; i++)
		event_free(log->ring[(log->first + i) % EVENT_RING]);
	free(log);
}

void event_log_listen(struct event_log *log, event_log_f *f, void *arg)
{
	assert(log->listener_count < LISTENERS_MAX);
	log->listeners[log->listener_count].f = f;
	log->listeners[log->listener_count].arg = arg;
	log->listener_count++;
}

int64_t event_log_head(const struct event_log *log)
{
	return log->head;
}

int64_t event_log_next_at_ms(const struct event_log *log, int64_t seq)
{
	size_t at = ring_find(log, seq);

	return at < log->count ? log->ring[(log->first + at) % EVENT_RING]->at_ms : 0;
}

bool event_log_recent(const struct event_log *log, int64_t after, struct event **out, size_t max,
		      size_t *count)
{
	*count = 0;
	if (!log->started || after < log->from)
		return false;
	for (size_t at = ring_find(log, after); at < log->count && *count < max; at++)
		out[(*count)++] = log->ring[(log->first + at) % EVENT_RING];
	return true;
}

/* --- reading on ------------------------------------------------------------------------- */

static void read_free(struct event_log_read *r)
{
	LIST_REMOVE(r, link);
	loop_defer_cancel(r->defer);
	db_cancel(r->op);
	free(r);
}

/* Hands the events to the reader, which may start its next read at once. */
static void read_finish(struct event_log_read *r, struct event *const *events, size_t count,
			const struct ssf_err *err)
{
	event_log_read_f *f = r->f;
	void *arg = r->arg;

	read_free(r);
	f(arg, events, count, err);
}

static void on_read_memory(void *arg)
{
	struct event_log_read *r = arg;
	struct event_log *log = r->log;
	struct event *events[EVENT_READ_MAX];
	size_t count;

	r->defer = NULL;
	/* none if the tail has moved past the reader meanwhile: it reads again, from the database */
	event_log_recent(log, r->after, events, r->max, &count);
	for (size_t i = 0; i < count; i++)
		event_ref(events[i]);
	read_finish(r, events, count, NULL);
	for (size_t i = 0; i < count; i++)
		event_free(events[i]);
}

static void on_read_rows(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct event_log_read *r = arg;
	struct event *events[EVENT_READ_MAX];
	size_t count = 0, rows = err == NULL ? db_rows(result) : 0;
	struct ssf_err nomem;

	r->op = NULL;
	for (; count < rows; count++) {
		events[count] = event_from_row(result, count);
		if (events[count] == NULL) {
			ssf_fail(&nomem, SSF_E_NOMEM, "event");
			err = &nomem;
			break;
		}
	}
	read_finish(r, events, err == NULL ? count : 0, err);
	for (size_t i = 0; i < count; i++)
		event_free(events[i]);
}

int event_log_read(struct event_log *log, int64_t after, size_t max, event_log_read_f *f,
		   void *arg, struct event_log_read **out, struct ssf_err *err)
{
	struct event_log_read *r = calloc(1, sizeof(*r));

	assert(max > 0);
	if (r == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "event log");
	r->log = log;
	r->after = after;
	r->max = max < EVENT_READ_MAX ? max : EVENT_READ_MAX;
	r->f = f;
	r->arg = arg;
	LIST_INSERT_HEAD(&log->reads, r, link);
	if (log->started && after >= log->from) {
		r->defer = loop_defer_start(log->loop, on_read_memory, r);
		if (r->defer == NULL) {
			read_free(r);
			return ssf_fail(err, SSF_E_NOMEM, "event log");
		}
	} else {
		if (db_exec(log->db, STMT_event_after, DB_PARAMS(db_param_int(after), db_param_int((int64_t)r->max)),
			    on_read_rows, r, &r->op, err) < 0) {
			read_free(r);
			return -1;
		}
	}
	*out = r;
	return 0;
}

void event_log_cancel(struct event_log_read *r)
{
	if (r != NULL)
		read_free(r);
}
