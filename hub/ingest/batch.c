/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what waits to be appended. It must never tell an owner of success before the commit, nor
 * let one bad event take the rest of its batch with it: when the database refuses a batch, its
 * parts are tried one by one.
 */
#include "hub/ingest/batch.h"

#include "hub/metrics/metrics.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <sys/queue.h>

struct batch_append {
	TAILQ_ENTRY(batch_append) link;
	struct batch *batch;
	struct drafts *drafts;
	batch_done_f *f; /* NULL: cancelled */
	void *arg;
	bool alone;      /* its batch was refused: to be tried by itself */
};

TAILQ_HEAD(append_list, batch_append);

struct batch {
	struct loop *loop;
	struct db *db;
	struct event_log *log;
	struct append_list waiting;
	struct append_list flying;
	size_t events, weight; /* of the drafts in both lists */
	struct drafts *drafts; /* of those that fly, or NULL */
	struct db_op *op;
	int64_t began_us; /* the commit under way */
	struct loop_defer *kick;
};

static void append_free(struct batch_append *a)
{
	a->batch->events -= drafts_count(a->drafts);
	a->batch->weight -= drafts_weight(a->drafts);
	drafts_free(a->drafts);
	free(a);
}

/* Of the list that it is in. */
static void append_finish(struct append_list *list, struct batch_append *a, const struct batch_result *first,
			  const struct ssf_err *err)
{
	TAILQ_REMOVE(list, a, link);
	if (a->f != NULL)
		a->f(a->arg, first, err);
	append_free(a);
}

static void flush(struct batch *b);

static void on_kick(void *arg)
{
	struct batch *b = arg;

	b->kick = NULL;
	flush(b);
}

static void kick(struct batch *b)
{
	if (b->kick == NULL && b->op == NULL && !TAILQ_EMPTY(&b->waiting))
		b->kick = loop_defer_urgent_start(b->loop, on_kick, b);
}

static void fail_all(struct append_list *list, const struct ssf_err *err)
{
	while (!TAILQ_EMPTY(list))
		append_finish(list, TAILQ_FIRST(list), NULL, err);
}

/* Back to the head of the queue, each to be sent by itself. */
static void split(struct batch *b, struct append_list *list)
{
	struct batch_append *a;

	while ((a = TAILQ_LAST(list, append_list)) != NULL) {
		TAILQ_REMOVE(list, a, link);
		a->alone = true;
		TAILQ_INSERT_HEAD(&b->waiting, a, link);
	}
}

static void count(const struct batch *b, const struct db_result *r, const struct ssf_err *err)
{
	size_t rows = err == NULL ? db_rows(r) : 0;
	int64_t fresh = 0;

	if (err != NULL) {
		metric_add(commit_failures, 1);
		return;
	}
	for (size_t i = 0; i < rows; i++)
		fresh += db_text(r, i, DRAFT_ROW_APPENDED)[0] == 't';
	metric_add_of(ingest_events, LABEL_stored_new, fresh);
	metric_add_of(ingest_events, LABEL_stored_duplicate, (int64_t)rows - fresh);
	metric_observe(commit_events, (int64_t)rows);
	metric_observe(commit_seconds, loop_now_us() - b->began_us);
}

static void answer_all(struct append_list *list, const struct db_result *r)
{
	size_t row = 0;

	while (!TAILQ_EMPTY(list)) {
		struct batch_append *a = TAILQ_FIRST(list);
		struct batch_result first = { db_int(r, row, DRAFT_ROW_SEQ), db_text(r, row, DRAFT_ROW_TXN),
					      db_text(r, row, DRAFT_ROW_APPENDED)[0] == 't' };
		row += drafts_count(a->drafts);
		append_finish(list, a, &first, NULL);
	}
}

/* What waits is sent first: the database works on it while those who are done are told. */
static void on_appended(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct batch *b = arg;
	struct append_list done = TAILQ_HEAD_INITIALIZER(done);
	ssf_auto(drafts) drafts = SSF_STEAL(b->drafts);

	b->op = NULL;
	count(b, r, err);
	TAILQ_CONCAT(&done, &b->flying, link);
	if (err != NULL && err->code == SSF_E_INTERNAL && TAILQ_NEXT(TAILQ_FIRST(&done), link) != NULL)
		split(b, &done);
	flush(b);
	if (err != NULL) {
		fail_all(&done, err);
		return;
	}
	event_log_stored(b->log, drafts, r);
	answer_all(&done, r);
}

/* Moves as much as fits into one commit from waiting to flying. */
static void take(struct batch *b)
{
	struct batch_append *a;

	b->drafts = drafts_new();
	while (b->drafts != NULL && (a = TAILQ_FIRST(&b->waiting)) != NULL) {
		size_t have = drafts_count(b->drafts);
		if (have > 0 && (a->alone || have + drafts_count(a->drafts) > BATCH_MAX ||
				 drafts_weight(b->drafts) + drafts_weight(a->drafts) > BATCH_BYTES))
			break;
		if (drafts_extend(b->drafts, a->drafts, NULL) < 0)
			break; /* in the next one */
		TAILQ_REMOVE(&b->waiting, a, link);
		TAILQ_INSERT_TAIL(&b->flying, a, link);
		if (a->alone)
			break;
	}
}

static void flush(struct batch *b)
{
	struct ssf_err err;

	if (b->op != NULL || TAILQ_EMPTY(&b->waiting))
		return;
	take(b);
	b->began_us = loop_now_us();
	if (TAILQ_EMPTY(&b->flying)) {
		drafts_free(SSF_STEAL(b->drafts));
		kick(b); /* out of memory for the moment */
	} else if (drafts_append(b->db, b->drafts, on_appended, b, &b->op, &err) < 0) {
		b->op = NULL;
		drafts_free(SSF_STEAL(b->drafts));
		fail_all(&b->flying, &err);
		kick(b);
	}
}

int batch_new(struct loop *loop, struct db *db, struct event_log *log, struct batch **out,
	      struct ssf_err *err)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "batch");
	b->loop = loop;
	b->db = db;
	b->log = log;
	TAILQ_INIT(&b->waiting);
	TAILQ_INIT(&b->flying);
	*out = b;
	return 0;
}

void batch_free(struct batch *b)
{
	struct ssf_err err;

	if (b == NULL)
		return;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	db_cancel(b->op);
	loop_defer_cancel(b->kick);
	/* requests have to be answered; some may be stored all the same */
	fail_all(&b->flying, &err);
	fail_all(&b->waiting, &err);
	drafts_free(b->drafts);
	free(b);
}

size_t batch_pending(const struct batch *b)
{
	return b->events;
}

int batch_append_start(struct batch *b, struct drafts *drafts, batch_done_f *f, void *arg,
		       struct batch_append **out, struct ssf_err *err)
{
	size_t count = drafts_count(drafts);
	struct batch_append *a;

	if (count == 0 || count > BATCH_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "more than %d events at once", BATCH_MAX);
	if (b->events + count > BATCH_QUEUE || b->weight + drafts_weight(drafts) > BATCH_QUEUE_BYTES)
		return ssf_fail(err, SSF_E_BUSY, "too many events are waiting to be stored");
	if (!db_is_up(b->db))
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the database is away");
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "event");
	*a = (struct batch_append){ .batch = b, .drafts = drafts_ref(drafts), .f = f, .arg = arg };
	TAILQ_INSERT_TAIL(&b->waiting, a, link);
	b->events += count;
	b->weight += drafts_weight(drafts);
	kick(b);
	*out = a;
	return 0;
}

void batch_append_cancel(struct batch_append *a)
{
	if (a != NULL)
		a->f = NULL;
}
