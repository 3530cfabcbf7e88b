/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the lookups that are running. One lookup is a machine:
 *
 *   ask -> commit (the answer), or retry (later; the row stays)
 *
 * It never sees a secret, only fingerprints.
 */
#include "hub/enrich/attribution.h"

#include "hub/enrich/leak_report.h"
#include "hub/enrich/secret_lookup.h"
#include "lib/kit/backoff.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RUNNING_MAX 8
#define ROWS_MAX 16         /* read at once: more than RUNNING_MAX, since some may be running */
#define TICK_MS 1000
#define ATTEMPTS_MAX 8      /* about four minutes; then the repository decides */
#define BACKOFF_MS 1000
#define BACKOFF_MAX_MS 60000
#define RETRY_AFTER_MAX_S 600

/* One row of the table. */
struct inquiry {
	LIST_ENTRY(inquiry) link;
	struct attribution *owner;
	int64_t seq;
	int64_t attempts;
	int64_t epoch;    /* under which its answer is being stored */
	char *source;     /* id */
	char *origin_id;
	char *txn;
	json_t *detail;   /* of the signal */
	json_t *spec;     /* of the source while it is asked */
	struct secret_lookup *lookup;
	struct db_op *op;
};

struct attribution {
	struct attribution_deps deps;
	bool releasing;  /* the lease is given up when all answers that are being stored are */
	struct loop_tick *tick;
	struct db_op *scan;
	bool scan_again;
	size_t running;
	LIST_HEAD(, inquiry) inquiries;
};

static void scan_rows(struct attribution *a);
static void release_when_idle(struct attribution *a);

static void inquiry_free(struct inquiry *q)
{
	LIST_REMOVE(q, link);
	q->owner->running--;
	secret_lookup_cancel(q->lookup);
	db_cancel(q->op);
	json_decref(q->spec);
	json_decref(q->detail);
	free(q->source);
	free(q->origin_id);
	free(q->txn);
	free(q);
}

/* --- commit and retry -------------------------------------------------------------------- */

static void on_committed(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct inquiry *q = arg;
	struct attribution *a = q->owner;
	bool fenced = err != NULL && err->code == SSF_E_CONFLICT;
	int64_t epoch = q->epoch;

	(void)r;
	q->op = NULL;
	if (err != NULL) /* the row still exists, and the tick finds it */
		log_warn("attribution.commit.failed", log_int("seq", q->seq), log_why(err));
	else
		event_log_wake(a->deps.log);
	inquiry_free(q);
	if (fenced) /* cancels all inquiries */
		owner_refused(a->deps.owner, OWNER_ATTRIBUTION, epoch);
	if (a->releasing)
		release_when_idle(a);
	else if (err == NULL)
		scan_rows(a);
}

static int start_commit(struct inquiry *q, const uint8_t *fingerprint, json_t *more,
			struct ssf_err *err)
{
	const struct attribution_deps *deps = &q->owner->deps;
	const char *repository = json_string_value(json_object_get(q->detail, "repository"));
	json_auto_t *detail = json_deep_copy(q->detail);
	ssf_auto(drafts) drafts = drafts_new();
	ssf_auto_free char *text = NULL;
	char origin_id[640];
	bool known;

	if (detail == NULL || drafts == NULL ||
	    (more != NULL && json_object_update(detail, more) < 0))
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	json_object_set_new(detail, "via", json_string("alert"));
	snprintf(origin_id, sizeof(origin_id), "%s/%s", q->source, q->origin_id);
	struct draft d = { .origin = EVENT_ORIGIN_ATTRIBUTION, .origin_id = origin_id,
			   .txn = q->txn, .cause = q->seq };
	if (leak_report_add(drafts, &d, deps->registry, detail, fingerprint, repository, &known,
			    err) < 0)
		return -1;
	text = drafts_text(drafts);
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	q->epoch = owner_epoch(deps->owner, OWNER_ATTRIBUTION);
	log_info("attribution.done", log_str("txn", q->txn),
		 log_str("agent", known ? "known" : "unknown"),
		 log_str("by", fingerprint != NULL ? "fingerprint" : "repository"));
	return db_exec(deps->db, STMT_attribution_commit,
		       DB_PARAMS(db_param_uuid(owner_id(deps->owner)), db_param_int(q->epoch),
				 db_param_int(q->seq), db_param_json_text(text)),
		       on_committed, q, &q->op, err);
}

/* fingerprint NULL: nobody could tell, so that the repository decides. */
static void commit_answer(struct inquiry *q, const uint8_t *fingerprint, json_t *more)
{
	struct ssf_err err;

	if (start_commit(q, fingerprint, more, &err) < 0) {
		q->op = NULL;
		log_warn("attribution.commit.failed", log_int("seq", q->seq), log_why(&err));
		inquiry_free(q);
	}
}

/* If it was not stored, the row is due again sooner. */
static void on_retry_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct inquiry *q = arg;
	struct attribution *a = q->owner;

	(void)r;
	(void)err;
	q->op = NULL;
	inquiry_free(q);
	if (a->releasing)
		release_when_idle(a);
}

static void retry_later(struct inquiry *q, int retry_after_s)
{
	int64_t wait = backoff_equal_ms(BACKOFF_MS, BACKOFF_MAX_MS, q->attempts + 1);

	if (q->attempts + 1 >= ATTEMPTS_MAX) {
		commit_answer(q, NULL, NULL);
		return;
	}
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (retry_after_s > 0 && wait < retry_after_s * 1000LL)
		wait = retry_after_s * 1000LL;
	if (db_exec(q->owner->deps.db, STMT_attribution_retry,
		    DB_PARAMS(db_param_int(q->seq), db_param_int(wait)), on_retry_stored, q, &q->op,
		    NULL) < 0) {
		q->op = NULL;
		inquiry_free(q);
	}
}

/* --- ask ----------------------------------------------------------------------------------- */

static void on_looked_up(void *arg, const struct secret_lookup_result *r)
{
	struct inquiry *q = arg;

	q->lookup = NULL;
	if (r->outcome == ADAPTER_LOOKUP_RETRY)
		retry_later(q, r->retry_after_s);
	else
		commit_answer(q, r->fingerprint, r->more);
}

static void inquiry_start(struct attribution *a, struct inquiry *q)
{
	const json_t *spec = registry_get(a->deps.registry, KIND_SOURCE, q->source);
	const struct source_adapter *adapter =
		adapter_by_type(json_string_value(json_object_get(spec, "type")));
	struct ssf_err err;

	q->spec = json_incref((json_t *)spec);
	struct secret_lookup_spec ask = { .adapter = adapter,
					  .source = q->source,
					  .spec = q->spec,
					  .detail = q->detail,
					  .seq = q->seq };
	if (adapter == NULL) { /* the source has been deleted since */
		commit_answer(q, NULL, NULL);
	} else if (secret_lookup_start(a->deps.client, a->deps.master, &ask, on_looked_up, q,
				       &q->lookup, &err) < 0) {
		if (err.code != SSF_E_NOT_FOUND)
			log_warn("attribution.api.unusable", log_int("seq", q->seq), log_why(&err));
		if (err.code == SSF_E_NOMEM || err.code == SSF_E_BUSY)
			inquiry_free(q); /* may pass: the tick finds the row again */
		else
			commit_answer(q, NULL, NULL);
	}
}

/* --- finding rows -------------------------------------------------------------------------- */

static bool is_running(const struct attribution *a, int64_t seq)
{
	const struct inquiry *q;

	LIST_FOREACH(q, &a->inquiries, link) {
		if (q->seq == seq)
			return true;
	}
	return false;
}

static void start_row(struct attribution *a, const struct db_result *r, size_t row)
{
	const char *origin = db_text(r, row, 2);
	struct inquiry *q;

	if (a->running >= RUNNING_MAX || is_running(a, db_int(r, row, 0)))
		return;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return;
	LIST_INSERT_HEAD(&a->inquiries, q, link);
	a->running++;
	q->owner = a;
	q->seq = db_int(r, row, 0);
	q->attempts = db_int(r, row, 1);
	q->source = strdup(strncmp(origin, "source:", 7) == 0 ? origin + 7 : origin);
	q->origin_id = strdup(db_text(r, row, 3));
	q->txn = strdup(db_text(r, row, 4));
	q->detail = db_json(r, row, 5);
	if (q->source == NULL || q->origin_id == NULL || q->txn == NULL || q->detail == NULL)
		inquiry_free(q);
	else
		inquiry_start(a, q);
}

static void on_scanned(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct attribution *a = arg;

	a->scan = NULL;
	for (size_t row = 0; err == NULL && row < db_rows(r) && !a->releasing; row++)
		start_row(a, r, row);
	if (a->scan_again)
		scan_rows(a);
}

static void scan_rows(struct attribution *a)
{
	a->scan_again = a->scan != NULL;
	if (a->scan_again || a->running >= RUNNING_MAX || a->releasing ||
	    !owner_acts(a->deps.owner, OWNER_ATTRIBUTION))
		return;
	if (db_exec(a->deps.db, STMT_attribution_due, DB_PARAMS(db_param_int(ROWS_MAX)), on_scanned,
		    a, &a->scan, NULL) < 0)
		a->scan = NULL; /* the tick tries again */
}

static void on_tick(void *arg)
{
	scan_rows(arg);
}

void attribution_wake(struct attribution *a)
{
	scan_rows(a);
}

/* --- the lease ----------------------------------------------------------------------------- */

/* Nothing is remembered between owners: the rows say what is to be asked. */
static void on_lease_acquired(void *arg, int unit, bool retained)
{
	struct attribution *a = arg;

	(void)unit;
	(void)retained;
	a->releasing = false;
	scan_rows(a);
}

/* The next owner asks again; an answer that is still being stored here is refused by its epoch. */
static void on_lease_lost(void *arg, int unit)
{
	struct attribution *a = arg;

	(void)unit;
	a->releasing = false;
	db_cancel(a->scan);
	a->scan = NULL;
	while (!LIST_EMPTY(&a->inquiries))
		inquiry_free(LIST_FIRST(&a->inquiries));
}

/*
 * Drops lookups that have no answer yet: the next owner makes them. Waits for answers being
 * stored.
 */
static void release_when_idle(struct attribution *a)
{
	struct inquiry *q, *next;

	for (q = LIST_FIRST(&a->inquiries); q != NULL; q = next) {
		next = LIST_NEXT(q, link);
		if (q->op == NULL)
			inquiry_free(q);
	}
	if (!LIST_EMPTY(&a->inquiries))
		return;
	on_lease_lost(a, OWNER_ATTRIBUTION);
	owner_yielded(a->deps.owner, OWNER_ATTRIBUTION);
}

static void on_lease_revoked(void *arg, int unit)
{
	struct attribution *a = arg;

	(void)unit;
	a->releasing = true;
	release_when_idle(a);
}

static const struct owner_hooks hooks = { on_lease_acquired, on_lease_lost, on_lease_lost,
					  on_lease_revoked };

int attribution_new(const struct attribution_deps *deps, struct attribution **out,
		    struct ssf_err *err)
{
	struct attribution *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	a->deps = *deps;
	LIST_INIT(&a->inquiries);
	a->tick = loop_tick_start(deps->loop, TICK_MS, on_tick, a);
	if (a->tick == NULL) {
		attribution_free(a);
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	}
	owner_attend(deps->owner, OWNER_ATTRIBUTION, 1, &hooks, a);
	*out = a;
	return 0;
}

void attribution_free(struct attribution *a)
{
	if (a == NULL)
		return;
	while (!LIST_EMPTY(&a->inquiries))
		inquiry_free(LIST_FIRST(&a->inquiries));
	db_cancel(a->scan);
	loop_tick_cancel(a->tick);
	free(a);
}
