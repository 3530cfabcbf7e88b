/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the questions that are being asked now. One question is a machine:
 *
 *   ask (GitHub) -> commit (the answer), or retry (later, the row stays)
 *
 * A secret lives here for as long as it takes to hash it.
 */
#include "hub/ingest/attribute.h"

#include "hub/ingest/leak.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"
#include "transmitters/github/webhook.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define AT_ONCE 8
#define AT_ONCE_TEXT "16"   /* more than AT_ONCE, since some may be under way */
#define TICK_MS 1000
#define ATTEMPTS_MAX 8      /* about four minutes; then the repository has to do */
#define BACKOFF_MS 1000
#define BACKOFF_MAX_MS 60000
#define API_TIMEOUT_MS 10000
#define RETRY_AFTER_MAX_S 600

struct question {
	LIST_ENTRY(question) link;
	struct attributor *owner;
	int64_t seq;
	int64_t attempts;
	int64_t epoch;    /* under which its answer is being stored */
	char *source;     /* id */
	char *origin_id;
	char *txn;
	json_t *body;     /* of the webhook's event */
	struct http_call *call;
	struct db_op *op;
};

struct attributor {
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	struct http_client *client;
	const struct master_key *master;
	bool yielding;   /* handed over when what is being stored is */
	struct loop_tick *tick;
	struct db_op *scan;
	bool again;
	size_t asking;
	LIST_HEAD(, question) questions;
};

static void scan(struct attributor *a);
static void yield(struct attributor *a);

static void question_free(struct question *q)
{
	LIST_REMOVE(q, link);
	q->owner->asking--;
	http_call_cancel(q->call);
	db_cancel(q->op);
	json_decref(q->body);
	free(q->source);
	free(q->origin_id);
	free(q->txn);
	free(q);
}

/* --- commit and retry -------------------------------------------------------------------- */

static void on_committed(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct question *q = arg;
	struct attributor *a = q->owner;
	bool refused = err != NULL && err->code == SSF_E_CONFLICT;
	int64_t epoch = q->epoch;

	(void)r;
	q->op = NULL;
	if (err != NULL) /* the row is still there, and the tick finds it */
		log_warn("attribution.commit.failed", log_int("seq", q->seq), log_why(err));
	else
		event_log_wake(a->log);
	question_free(q);
	if (refused) /* which forgets all questions */
		owner_refused(a->owner, OWNER_ATTRIBUTION, epoch);
	if (a->yielding)
		yield(a);
	else if (err == NULL)
		scan(a);
}

static int commit(struct question *q, const uint8_t *fingerprint, json_t *alert,
		  struct ssf_err *err)
{
	const char *repository = json_string_value(json_object_get(q->body, "repository"));
	json_auto_t *detail = json_deep_copy(q->body);
	ssf_auto(drafts) drafts = drafts_new();
	ssf_auto_free char *text = NULL;
	char origin_id[640], seq[24], epoch[24];
	bool known;

	if (detail == NULL || drafts == NULL || (alert != NULL && json_object_update(detail, alert) < 0))
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	json_object_set_new(detail, "via", json_string("alert"));
	snprintf(origin_id, sizeof(origin_id), "%s/%s", q->source, q->origin_id);
	struct draft d = { .origin = EVENT_ORIGIN_ATTRIBUTION, .origin_id = origin_id,
			   .txn = q->txn, .cause = q->seq };
	if (leak_add(drafts, &d, q->owner->registry, detail, fingerprint, repository, &known, err) < 0)
		return -1;
	text = drafts_text(drafts);
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	snprintf(seq, sizeof(seq), "%lld", (long long)q->seq);
	q->epoch = owner_epoch(q->owner->owner, OWNER_ATTRIBUTION);
	snprintf(epoch, sizeof(epoch), "%lld", (long long)q->epoch);
	const char *params[] = { owner_id(q->owner->owner), epoch, seq, text };
	log_info("attribution.done", log_str("txn", q->txn), log_str("agent", known ? "known" : "unknown"),
		 log_str("by", fingerprint != NULL ? "fingerprint" : "repository"));
	return db_exec(q->owner->db, STMT_attribution_commit, params, on_committed, q, &q->op, err);
}

/* Without an answer of GitHub's, the repository has to do. */
static void commit_by(struct question *q, const uint8_t *fingerprint, json_t *alert)
{
	struct ssf_err err;

	if (commit(q, fingerprint, alert, &err) < 0) {
		q->op = NULL;
		log_warn("attribution.commit.failed", log_int("seq", q->seq), log_why(&err));
		question_free(q);
	}
}

static void on_retry_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct question *q = arg;

	struct attributor *a = q->owner;

	(void)r;
	(void)err; /* not stored: asked again sooner */
	q->op = NULL;
	question_free(q);
	if (a->yielding)
		yield(a);
}

static void retry(struct question *q, int retry_after_s)
{
	int64_t cap = BACKOFF_MS << (q->attempts < 6 ? q->attempts : 6), wait;
	uint32_t random = 0;
	char seq[24], ms[24];
	const char *params[] = { seq, ms };

	if (q->attempts + 1 >= ATTEMPTS_MAX) {
		commit_by(q, NULL, NULL);
		return;
	}
	RAND_bytes((unsigned char *)&random, sizeof(random));
	cap = cap < BACKOFF_MAX_MS ? cap : BACKOFF_MAX_MS;
	wait = cap / 2 + (int64_t)(random % (uint64_t)(cap / 2 + 1));
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (retry_after_s > 0 && wait < retry_after_s * 1000LL)
		wait = retry_after_s * 1000LL;
	snprintf(seq, sizeof(seq), "%lld", (long long)q->seq);
	snprintf(ms, sizeof(ms), "%lld", (long long)wait);
	if (db_exec(q->owner->db, STMT_attribution_retry, params, on_retry_stored, q, &q->op, NULL) < 0) {
		q->op = NULL;
		question_free(q);
	}
}

/* --- ask ---------------------------------------------------------------------------------- */

static void on_alert(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct question *q = arg;
	uint8_t fingerprint[SSF_SHA256_LEN];
	json_auto_t *alert = NULL;
	struct ssf_err why;

	q->call = NULL;
	if (err != NULL) {
		log_warn("attribution.api.failed", log_int("seq", q->seq), log_why(err));
		retry(q, 0);
	} else if (r->status == 200) {
		if (github_alert_parse(r->body, fingerprint, &alert, &why) < 0) {
			log_warn("attribution.api.unusable", log_int("seq", q->seq), log_why(&why));
			commit_by(q, NULL, NULL);
		} else {
			commit_by(q, fingerprint, alert);
		}
	} else if (r->status == 429 || r->status >= 500 ||
		   (r->status == 403 && r->retry_after >= 0)) {
		log_warn("attribution.api.failed", log_int("seq", q->seq), log_int("status", r->status));
		retry(q, r->retry_after);
	} else {
		/* no such alert, or no right to see it: asking again would not help */
		log_warn("attribution.api.refused", log_int("seq", q->seq), log_int("status", r->status));
		commit_by(q, NULL, NULL);
	}
}

static int ask(struct question *q, const json_t *api, struct ssf_err *err)
{
	const char *base = json_string_value(json_object_get(api, "url"));
	const char *token = json_string_value(json_object_get(json_object_get(api, "token"), "sealed"));
	const char *repository = json_string_value(json_object_get(q->body, "repository"));
	json_int_t number = json_integer_value(json_object_get(q->body, "alert"));
	ssf_auto_buf url = SSF_BUF(4096);
	ssf_auto_buf authorization = SSF_BUF(8192);
	char context[256];

	snprintf(context, sizeof(context), "source/%s/api.token", q->source);
	if (github_alert_url(base != NULL ? base : "https://api.github.com",
			     repository != NULL ? repository : "", number, &url, err) < 0)
		return -1;
	ssf_buf_adds(&authorization, "Authorization: Bearer ");
	if (unseal(q->owner->master, context, ssf_str_c(token), &authorization, err) < 0)
		return -1;
	struct http_call_spec spec = {
		.method = "GET",
		.url = url.ptr,
		.headers = { "Accept: application/vnd.github+json", "User-Agent: ssfhub",
			     "X-GitHub-Api-Version: 2022-11-28", authorization.ptr },
		.timeout_ms = API_TIMEOUT_MS,
		.max_body = 256 * 1024,
	};
	return http_call_start(q->owner->client, &spec, on_alert, q, &q->call, err);
}

static void question_start(struct attributor *a, struct question *q)
{
	const json_t *source = registry_get(a->registry, KIND_SOURCE, q->source);
	const json_t *api = json_object_get(source, "api");
	struct ssf_err err;

	if (json_object_get(api, "token") == NULL) {
		commit_by(q, NULL, NULL);
	} else if (ask(q, api, &err) < 0) {
		q->call = NULL;
		log_warn("attribution.api.unusable", log_int("seq", q->seq), log_why(&err));
		commit_by(q, NULL, NULL);
	}
}

/* --- finding questions ---------------------------------------------------------------------- */

static bool is_asking(const struct attributor *a, int64_t seq)
{
	const struct question *q;

	LIST_FOREACH(q, &a->questions, link) {
		if (q->seq == seq)
			return true;
	}
	return false;
}

static void take_row(struct attributor *a, const struct db_result *r, size_t row)
{
	const char *origin = db_text(r, row, 2);
	struct question *q;

	if (a->asking >= AT_ONCE || is_asking(a, db_int(r, row, 0)))
		return;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return;
	LIST_INSERT_HEAD(&a->questions, q, link);
	a->asking++;
	q->owner = a;
	q->seq = db_int(r, row, 0);
	q->attempts = db_int(r, row, 1);
	q->source = strdup(strncmp(origin, "source:", 7) == 0 ? origin + 7 : origin);
	q->origin_id = strdup(db_text(r, row, 3));
	q->txn = strdup(db_text(r, row, 4));
	q->body = db_json(r, row, 5);
	if (q->source == NULL || q->origin_id == NULL || q->txn == NULL || q->body == NULL)
		question_free(q);
	else
		question_start(a, q);
}

static void on_scanned(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct attributor *a = arg;

	a->scan = NULL;
	for (size_t row = 0; err == NULL && row < db_rows(r) && !a->yielding; row++)
		take_row(a, r, row);
	if (a->again)
		scan(a);
}

static void scan(struct attributor *a)
{
	const char *params[] = { AT_ONCE_TEXT };

	a->again = a->scan != NULL;
	if (a->again || a->asking >= AT_ONCE || a->yielding || !owner_acts(a->owner, OWNER_ATTRIBUTION))
		return;
	if (db_exec(a->db, STMT_attribution_due, params, on_scanned, a, &a->scan, NULL) < 0)
		a->scan = NULL; /* the tick tries again */
}

static void on_tick(void *arg)
{
	scan(arg);
}

void attributor_wake(struct attributor *a)
{
	scan(a);
}

/* --- ownership -------------------------------------------------------------------------------- */

static void on_taken(void *arg, int unit, bool kept)
{
	struct attributor *a = arg;

	(void)unit;
	(void)kept; /* the rows say what is to be asked */
	a->yielding = false;
	scan(a);
}

/* Whoever has it now asks again; an answer that is being stored is refused if it comes too late. */
static void on_lost(void *arg, int unit)
{
	struct attributor *a = arg;

	(void)unit;
	a->yielding = false;
	db_cancel(a->scan);
	a->scan = NULL;
	while (!LIST_EMPTY(&a->questions))
		question_free(LIST_FIRST(&a->questions));
}

/* What is not being stored is asked by the next owner. */
static void yield(struct attributor *a)
{
	struct question *q, *next;

	for (q = LIST_FIRST(&a->questions); q != NULL; q = next) {
		next = LIST_NEXT(q, link);
		if (q->op == NULL)
			question_free(q);
	}
	if (!LIST_EMPTY(&a->questions))
		return;
	on_lost(a, OWNER_ATTRIBUTION);
	owner_yielded(a->owner, OWNER_ATTRIBUTION);
}

static void on_yield(void *arg, int unit)
{
	struct attributor *a = arg;

	(void)unit;
	a->yielding = true;
	yield(a);
}

static const struct owner_hooks hooks = { on_taken, on_lost, on_lost, on_yield };

int attributor_new(struct loop *loop, struct db *db, struct owner *owner, struct event_log *log,
		   struct registry *registry, struct http_client *client,
		   const struct master_key *master, struct attributor **out, struct ssf_err *err)
{
	struct attributor *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	*a = (struct attributor){ .loop = loop, .db = db, .owner = owner, .log = log,
				  .registry = registry, .client = client, .master = master };
	LIST_INIT(&a->questions);
	a->tick = loop_tick_start(loop, TICK_MS, on_tick, a);
	if (a->tick == NULL) {
		attributor_free(a);
		return ssf_fail(err, SSF_E_NOMEM, "attribution");
	}
	owner_attend(owner, OWNER_ATTRIBUTION, 1, &hooks, a);
	*out = a;
	return 0;
}

void attributor_free(struct attributor *a)
{
	if (a == NULL)
		return;
	while (!LIST_EMPTY(&a->questions))
		question_free(LIST_FIRST(&a->questions));
	db_cancel(a->scan);
	loop_tick_cancel(a->tick);
	free(a);
}
