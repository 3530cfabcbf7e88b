/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the tail of the log in memory. It must never show an event before it is committed, nor
 * out of order: it only ever holds what it has read back from the database, in seq order.
 */
#include "hub/store/event.h"

#include "lib/kit/log.h"
#include "lib/ssf/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LISTENERS_MAX 8
#define FOLLOW_BATCH "256"
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
	int64_t head;             /* newest seq seen */
	int64_t from;             /* the ring holds every event with seq > from */
	bool started;             /* head is known */
	bool again;               /* woken while reading */
	struct db_op *follow;
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

/* Columns as in event_after. NULL when out of memory. */
static struct event *event_from_row(const struct db_result *r, size_t row)
{
	ssf_auto(event) e = calloc(1, sizeof(*e));
	size_t size = 0;

	if (e == NULL)
		return NULL;
	e->refs = 1;
	for (int column = 2; column <= 7; column++)
		size += text_size(db_text(r, row, column));
	e->text = malloc(size);
	e->body = db_json(r, row, 9);
	if (e->text == NULL || e->body == NULL)
		return NULL;
	char *at = e->text;
	e->seq = db_int(r, row, 0);
	e->at_ms = db_int(r, row, 1);
	e->origin = put_text(&at, db_text(r, row, 2));
	e->origin_id = put_text(&at, db_text(r, row, 3));
	e->type = put_text(&at, db_text(r, row, 4));
	e->txn = put_text(&at, db_text(r, row, 5));
	e->cause = db_int(r, row, 6);
	e->agent_id = put_text(&at, db_text(r, row, 7));
	if (db_text(r, row, 8) != NULL) {
		e->sub_id = db_json(r, row, 8);
		if (e->sub_id == NULL || ssf_subject_key(e->sub_id, e->subject_key) < 0)
			return NULL;
	}
	return SSF_STEAL(e);
}

/* --- the tail --------------------------------------------------------------------------- */

static void ring_add(struct event_log *log, struct event *e)
{
	if (log->count == EVENT_RING) {
		struct event *oldest = log->ring[log->first];
		log->from = oldest->seq;
		event_free(oldest);
		log->first = (log->first + 1) % EVENT_RING;
		log->count--;
	}
	log->ring[(log->first + log->count++) % EVENT_RING] = e;
	log->head = e->seq;
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
		log->head = log->from = db_int(r, 0, 0);
		tell(log);
		follow(log);
		return;
	}
	rows = db_rows(r);
	for (size_t i = 0; i < rows; i++) {
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
	char after[24];
	const char *params[] = { after, FOLLOW_BATCH };
	struct ssf_err err;

	if (log->follow != NULL) {
		log->again = true;
		return;
	}
	log->again = false;
	snprintf(after, sizeof(after), "%lld", (long long)log->head);
	if (db_exec(log->db, log->started ? STMT_event_after : STMT_event_head, params, on_followed,
		    log, &log->follow, &err) < 0)
		log->follow = NULL; /* the tick tries again; the database's state is logged elsewhere */
}

static void on_tick(void *arg)
{
	follow(arg);
}

void event_log_wake(struct event_log *log)
{
	follow(log);
	if (log->woken != NULL)
		log->woken(log->woken_arg);
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
	char seq[24], limit[24];
	const char *params[] = { seq, limit };

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
		snprintf(seq, sizeof(seq), "%lld", (long long)after);
		snprintf(limit, sizeof(limit), "%zu", r->max);
		if (db_exec(log->db, STMT_event_after, params, on_read_rows, r, &r->op, err) < 0) {
			r->op = NULL;
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
