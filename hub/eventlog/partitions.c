/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns when the next step is taken; what it is, event_upkeep() decides in the database. It must never
 * make anybody wait: who reads the log for long is not in the way of what is written, only of what is dropped.
 */
#include "hub/eventlog/partitions.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_RETENTION 6
#define WAIT_MIN_MS 100
#define WAIT_MAX_MS 60000
#define RETRY_MS 5000
#define HELD_MS 60000

struct partitions {
	struct loop *loop;
	struct db *db;
	struct event_log *log;
	int64_t retention_ms, period_ms;
	int64_t held_ms; /* since when the oldest partition is held, or that was said; 0: it is not */
	struct loop_timer *timer;
	struct db_op *op;
};

static void step(void *arg);

static void wait(struct partitions *p, int64_t ms)
{
	p->timer = loop_timer_start(p->loop, ms, step, p);
	if (p->timer == NULL)
		log_error("partition.abandoned");
}

/* Often enough that no period is much longer than it should be. */
static int64_t usual_wait_ms(const struct partitions *p)
{
	int64_t ms = p->period_ms / 10;

	return ms < WAIT_MIN_MS ? WAIT_MIN_MS : ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
}

static int64_t retry_ms(const struct partitions *p)
{
	return usual_wait_ms(p) < RETRY_MS ? usual_wait_ms(p) : RETRY_MS;
}

static void on_dropped(struct partitions *p, const struct db_result *r)
{
	metric_add(retention_partitions, 1);
	metric_add(retention_missed, db_int(r, 0, 4));
	log_info("partition.dropped", log_int("partition", db_int(r, 0, 1)), log_int("from", db_int(r, 0, 2)),
		 log_int("to", db_int(r, 0, 3)), log_int("streams_told", db_int(r, 0, 4)));
	event_log_recount(p->log);
	event_log_wake(p->log); /* streams may have been told */
}

/* Cursors are saved now and then only, so that for a moment it means nothing. */
static void on_held(struct partitions *p, const struct db_result *r)
{
	int64_t now = loop_now_ms();

	if (p->held_ms == 0)
		p->held_ms = now;
	if (now - p->held_ms < HELD_MS)
		return;
	p->held_ms = now;
	log_error("partition.held", log_int("partition", db_int(r, 0, 1)), log_int("to", db_int(r, 0, 3)));
}

/* Whether there may be more to do. */
static bool done(struct partitions *p, const struct db_result *r)
{
	const char *did = db_rows(r) > 0 ? db_text(r, 0, 0) : "";

	if (strcmp(did, "added") == 0)
		log_info("partition.added", log_int("partition", db_int(r, 0, 1)));
	else if (strcmp(did, "begun") == 0)
		log_info("partition.begun", log_int("partition", db_int(r, 0, 1)));
	else if (strcmp(did, "dropped") == 0)
		on_dropped(p, r);
	bool held = strcmp(did, "held") == 0;
	if (held)
		on_held(p, r);
	else
		p->held_ms = 0;
	return did[0] != '\0' && !held;
}

static void on_step(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct partitions *p = arg;

	p->op = NULL;
	if (err != NULL) {
		log_warn("partition.failed", log_why(err));
		wait(p, retry_ms(p));
	} else {
		wait(p, done(p, r) ? 0 : usual_wait_ms(p));
	}
}

static void step(void *arg)
{
	struct partitions *p = arg;

	p->timer = NULL;
	if (db_exec(p->db, STMT_event_upkeep, DB_PARAMS(db_param_int(p->retention_ms), db_param_int(p->period_ms)),
		    on_step, p, &p->op, NULL) < 0)
		wait(p, retry_ms(p)); /* the database's state is logged elsewhere */
}

int partitions_new(struct loop *loop, struct db *db, struct event_log *log,
		   const struct partitions_conf *conf, struct partitions **out, struct ssf_err *err)
{
	struct partitions *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "partitions");
	*p = (struct partitions){ .loop = loop, .db = db, .log = log, .retention_ms = conf->retention_ms };
	p->period_ms = conf->period_ms > 0 ? conf->period_ms : conf->retention_ms / PER_RETENTION;
	p->timer = loop_timer_start(loop, 0, step, p);
	if (p->timer == NULL) {
		free(p);
		return ssf_fail(err, SSF_E_NOMEM, "partitions");
	}
	*out = p;
	return 0;
}

void partitions_free(struct partitions *p)
{
	if (p == NULL)
		return;
	loop_timer_cancel(p->timer);
	db_cancel(p->op);
	free(p);
}
