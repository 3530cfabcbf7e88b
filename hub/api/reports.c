/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator may read: status from memory, everything else from the database; and the one
 * thing that is changed where it is read, lifting a revocation.
 */
#include "hub/api/api_priv.h"

#include "hub/api/forward.h"
#include "hub/eventlog/draft.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

/* --- status --------------------------------------------------------------------------------------------- */

static json_t *unread(const struct api *api, int64_t cursor)
{
	return json_integer(cursor >= 0 ? (json_int_t)event_log_count(api->log, cursor) : 0);
}

/* Of this process; the cursor of the rules is -1 if another one applies them. */
static json_t *status_document(const struct api *api)
{
	json_t *resources = json_object();

	for (int k = 0; k < KIND_COUNT; k++)
		json_object_set_new(resources, kind_name((enum kind)k),
				    json_integer((json_int_t)json_object_size(
					    registry_all(api->registry, (enum kind)k))));
	return json_pack("{s:s, s:I, s:b, s:b, s:i, s:{s:b, s:b}, s:{s:I, s:I}, s:{s:I, s:o, s:I}, s:o, s:o}",
			 "issuer", api->issuer.url, "uptime_s",
			 (json_int_t)((loop_now_ms() - api->started_ms) / 1000), "ready",
			 api->ready && db_is_up(api->db), "draining", api->draining, "processes", 1,
			 "database", "up", db_is_up(api->db), "owner", owner_is_up(api->owner), "log", "head",
			 (json_int_t)event_log_head(api->log), "waiting_to_be_stored",
			 (json_int_t)batch_pending(api->batch), "rules", "cursor",
			 (json_int_t)rules_consumer_cursor(api->rules), "unread_seqs",
			 unread(api, rules_consumer_cursor(api->rules)), "active",
			 (json_int_t)rules_consumer_rules(api->rules), "streams",
			 deliver_status(api->deliver), "resources", resources);
}

static bool applies_rules(const json_t *doc)
{
	return json_integer_value(json_object_get(json_object_get(doc, "rules"), "cursor")) >= 0;
}

/* What each of the others delivers and does, beside our own. */
static void merge(json_t *doc, const json_t *others)
{
	json_t *waiting = json_object_get(doc, "log"), *other;
	json_int_t stored = json_integer_value(json_object_get(waiting, "waiting_to_be_stored"));
	size_t i;

	json_array_foreach(others, i, other) {
		json_array_extend(json_object_get(doc, "streams"), json_object_get(other, "streams"));
		if (applies_rules(other))
			json_object_set(doc, "rules", json_object_get(other, "rules"));
		stored += json_integer_value(
			json_object_get(json_object_get(other, "log"), "waiting_to_be_stored"));
	}
	json_object_set_new(waiting, "waiting_to_be_stored", json_integer(stored));
	json_object_set_new(doc, "processes", json_integer((json_int_t)(1 + json_array_size(others))));
}

static void on_others(void *arg, struct http_req *req, const json_t *others)
{
	const struct api *api = arg;
	json_t *doc = status_document(api);

	merge(doc, others);
	if (!applies_rules(doc)) /* nobody does at this moment */
		json_object_set_new(json_object_get(doc, "rules"), "cursor", json_integer(0));
	reply_json(req, 200, doc);
}

void api_status(const struct call *c)
{
	if (c->peer)
		reply_json(c->req, 200, status_document(c->api));
	else
		forward_gather(c, on_others, c->api);
}

/* --- queries ---------------------------------------------------------------------------------------------- */

/* One request that waits for one statement. */
struct query {
	struct http_req *req;
	json_t *(*row)(const struct db_result *r, size_t row);
	bool single; /* answer with the first row, or 404 */
};

static json_t *row_json(const struct db_result *r, size_t row)
{
	return db_json(r, row, 0);
}

static json_t *row_event(const struct db_result *r, size_t row)
{
	json_t *e = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s*, s:o, s:o*, s:s*, s:s*}", "seq",
			      (json_int_t)db_int(r, row, 0), "at_ms", (json_int_t)db_int(r, row, 1),
			      "origin", db_text(r, row, 2), "origin_id", db_text(r, row, 3), "type",
			      db_text(r, row, 4), "txn", db_text(r, row, 5), "cause",
			      (json_int_t)db_int(r, row, 6), "agent", db_text(r, row, 7), "body",
			      db_json(r, row, 9), "sub_id", db_json(r, row, 8), "trace",
			      db_text(r, row, 10), "evidence_sha256", db_text(r, row, 11));

	if (db_int(r, row, 6) == 0)
		json_object_del(e, "cause");
	return e;
}

static void on_rows(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct query *q = arg;
	struct ssf_err why;

	if (err != NULL) {
		http_reply_error(q->req, 0, err);
	} else if (q->single) {
		json_t *body = db_rows(r) > 0 ? q->row(r, 0) : NULL;
		if (body != NULL) {
			reply_json(q->req, 200, body);
		} else {
			ssf_fail(&why, SSF_E_NOT_FOUND, "nothing is known of it");
			http_reply_error(q->req, 0, &why);
		}
	} else {
		json_t *list = json_array();
		for (size_t row = 0; row < db_rows(r); row++)
			json_array_append_new(list, q->row(r, row));
		reply_json(q->req, 200, list);
	}
	free(q);
}

static void query(const struct call *c, enum stmt stmt, const char *const *params,
		  json_t *(*row)(const struct db_result *, size_t), bool single)
{
	struct query *q = calloc(1, sizeof(*q));
	struct ssf_err err;
	int started;

	if (q == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(c->req, 0, &err);
		return;
	}
	*q = (struct query){ c->req, row, single };
	started = db_exec(c->api->db, stmt, params, on_rows, q, NULL, &err);
	if (started < 0) {
		http_reply_error(c->req, 0, &err);
		free(q);
	}
}

/* A number in the query string: 0 to max; absent: initial. */
static int number(const struct call *c, const char *name, int64_t initial, int64_t max, char out[24],
		  struct ssf_err *err)
{
	const char *text = http_query(c->req, name);
	int64_t value = initial;
	char *end = NULL;

	if (text != NULL) {
		value = strtoll(text, &end, 10);
		if (*text < '0' || *text > '9' || *end != '\0' || value > max)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: must be a number up to %lld", name,
					(long long)max);
	}
	snprintf(out, 24, "%lld", (long long)value);
	return 0;
}

static void query_page(const struct call *c, enum stmt stmt,
		       json_t *(*row)(const struct db_result *, size_t))
{
	char after[24], limit[24];
	const char *params[] = { after, limit };
	struct ssf_err err;

	if (number(c, "after", 0, INT64_MAX - 1, after, &err) < 0 ||
	    number(c, "limit", LIMIT_DEFAULT, LIMIT_MAX, limit, &err) < 0)
		http_reply_error(c->req, 0, &err);
	else
		query(c, stmt, params, row, false);
}

void api_events(const struct call *c)
{
	query_page(c, STMT_event_page, row_event);
}

void api_unattributed(const struct call *c)
{
	query_page(c, STMT_event_unattributed, row_json);
}

void api_explain(const struct call *c)
{
	const char *params[] = { c->arg[0] };

	query(c, STMT_explain_txn, params, row_json, true);
}

void api_revocations(const struct call *c)
{
	const char *after = http_query(c->req, "after");
	const char *params[] = { after != NULL ? after : "" };

	query(c, STMT_revocations, params, row_json, false);
}

/* "STREAM/SEQ" after which a page of all streams begins; ids have no slash. Absent: from the first. */
static int page_start(const char *after, char stream[129], char seq[24], struct ssf_err *err)
{
	const char *slash = after != NULL ? strchr(after, '/') : NULL;
	size_t digits = slash != NULL ? strspn(slash + 1, "0123456789") : 0;

	snprintf(stream, 129, "%.*s", slash != NULL ? (int)(slash - after) : 0, slash != NULL ? after : "");
	snprintf(seq, 24, "%s", slash != NULL ? slash + 1 : "0");
	if (after != NULL && (slash == NULL || slash - after > 128 || digits == 0 || digits > 18 ||
			      slash[1 + digits] != '\0'))
		return ssf_fail(err, SSF_E_MALFORMED, "after: must be STREAM/SEQ of the last one");
	return 0;
}

/* Those of a stream from a seq on, or those of all streams. */
void api_deadletters(const struct call *c)
{
	const char *one = http_query(c->req, "stream");
	char stream[129], seq[24], limit[24];
	const char *params[] = { one != NULL ? one : stream, seq, limit };
	struct ssf_err err;

	if (number(c, "limit", LIMIT_DEFAULT, LIMIT_MAX, limit, &err) < 0 ||
	    (one != NULL ? number(c, "after", 0, INT64_MAX - 1, seq, &err) :
			   page_start(http_query(c->req, "after"), stream, seq, &err)) < 0)
		http_reply_error(c->req, 0, &err);
	else
		query(c, one != NULL ? STMT_dead_letters_of : STMT_dead_letters, params, row_json, false);
}

/* --- lifting ----------------------------------------------------------------------------------------------- */

static void on_lifted(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct http_req *req = arg;
	struct ssf_err why;

	if (err != NULL) {
		http_reply_error(req, 0, err);
	} else if (db_text(r, 0, 0)[0] == 't') {
		log_info("api.lifted", log_str("peer", http_peer(req)));
		http_reply_json(req, 204, NULL);
	} else {
		ssf_fail(&why, SSF_E_NOT_FOUND, "nothing of the kind is revoked or suspended");
		http_reply_error(req, 0, &why);
	}
}

void api_lift(const struct call *c)
{
	char id[UUID_LEN];
	const char *params[] = { c->arg[0], c->arg[1], c->arg[2], id };
	struct ssf_err err;

	uuid_make(id);
	if (db_exec(c->api->db, STMT_revocation_lift, params, on_lifted, c->req, NULL, &err) < 0)
		http_reply_error(c->req, 0, &err);
}
