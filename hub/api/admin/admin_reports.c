/* SPDX-License-Identifier: Apache-2.0 */
/* Each report is one statement. It is cancelled when the client goes away. */
#include "hub/api/admin/admin_reports.h"

#include "hub/api/reply.h"
#include "lib/http/http_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

typedef json_t *row_f(const struct db_result *r, size_t row);

struct report {
	struct http_req *req;
	struct db_op *op;
	row_f *row;
	bool single; /* the answer is the first row, or 404 */
};

static void report_free(struct report *p)
{
	db_cancel(p->op);
	free(p);
}

static void on_rows(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct report *p = arg;
	struct ssf_err why;

	p->op = NULL;
	if (err != NULL) {
		http_reply_error(p->req, 0, err);
	} else if (p->single) {
		json_t *body = db_rows(r) > 0 ? p->row(r, 0) : NULL; /* a row may be null */
		if (body != NULL) {
			reply_json(p->req, 200, body);
		} else {
			ssf_fail(&why, SSF_E_NOT_FOUND, "nothing is known of it");
			http_reply_error(p->req, 0, &why);
		}
	} else {
		json_t *list = json_array();
		for (size_t row = 0; row < db_rows(r); row++)
			json_array_append_new(list, p->row(r, row));
		reply_json(p->req, 200, list);
	}
	report_free(p);
}

static void on_client_gone(void *arg)
{
	struct report *p = arg;

	reply_gone(p->req);
	report_free(p);
}

static void report(const struct admin_api *api, const struct api_request *r, enum stmt stmt,
		   const struct db_params *params, row_f *row, bool single)
{
	struct report *p = calloc(1, sizeof(*p));
	struct ssf_err err;

	if (p == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(r->http, 0, &err);
		return;
	}
	*p = (struct report){ .req = r->http, .row = row, .single = single };
	if (db_exec(api->db, stmt, params, on_rows, p, &p->op, &err) < 0) {
		http_reply_error(r->http, 0, &err);
		free(p);
		return;
	}
	http_on_cancel(r->http, on_client_gone, p);
}

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

/* --- pages ------------------------------------------------------------------------------------------------ */

/* A number in the query string, 0 to max; absent leaves *out as it was. */
static int query_number(const struct api_request *r, const char *name, int64_t max, int64_t *out,
			struct ssf_err *err)
{
	const char *text = http_query(r->http, name);
	char *end = NULL;

	if (text == NULL)
		return 0;
	*out = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || *out > max)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be a number up to %lld", name, (long long)max);
	return 0;
}

static void report_page(const struct admin_api *api, const struct api_request *r, enum stmt stmt,
			row_f *row)
{
	int64_t after = 0, limit = LIMIT_DEFAULT;
	struct ssf_err err;

	if (query_number(r, "after", INT64_MAX - 1, &after, &err) < 0 ||
	    query_number(r, "limit", LIMIT_MAX, &limit, &err) < 0)
		http_reply_error(r->http, 0, &err);
	else
		report(api, r, stmt, DB_PARAMS(db_param_int(after), db_param_int(limit)), row, false);
}

void admin_reports_events(const struct admin_api *api, const struct api_request *r)
{
	report_page(api, r, STMT_event_page, row_event);
}

void admin_reports_unattributed(const struct admin_api *api, const struct api_request *r)
{
	report_page(api, r, STMT_event_unattributed, row_json);
}

void admin_reports_explain(const struct admin_api *api, const struct api_request *r)
{
	report(api, r, STMT_explain_txn, DB_PARAMS(db_param_text(r->part[0])), row_json, true);
}

void admin_reports_revocations(const struct admin_api *api, const struct api_request *r)
{
	const char *after = http_query(r->http, "after");

	report(api, r, STMT_revocations, DB_PARAMS(db_param_text(after != NULL ? after : "")), row_json, false);
}

/* "STREAM/SEQ": the last row of the page before; absent: the first page. Ids have no slash. */
static int parse_position(const char *after, char stream[KIND_ID_MAX + 1], int64_t *seq,
			  struct ssf_err *err)
{
	const char *slash = after != NULL ? strchr(after, '/') : NULL;
	size_t digits = slash != NULL ? strspn(slash + 1, "0123456789") : 0;

	snprintf(stream, KIND_ID_MAX + 1, "%.*s", slash != NULL ? (int)(slash - after) : 0,
		 slash != NULL ? after : "");
	*seq = slash != NULL ? strtoll(slash + 1, NULL, 10) : 0;
	if (after != NULL && (slash == NULL || slash - after > KIND_ID_MAX || digits == 0 || digits > 18 ||
			      slash[1 + digits] != '\0'))
		return ssf_fail(err, SSF_E_MALFORMED, "after: must be STREAM/SEQ of the last one");
	return 0;
}

/* Those of one stream, or of all. */
void admin_reports_dead_letters(const struct admin_api *api, const struct api_request *r)
{
	const char *one = http_query(r->http, "stream"), *after = http_query(r->http, "after");
	char stream[KIND_ID_MAX + 1] = "";
	int64_t seq = 0, limit = LIMIT_DEFAULT;
	struct ssf_err err;

	if (query_number(r, "limit", LIMIT_MAX, &limit, &err) < 0 ||
	    (one != NULL ? query_number(r, "after", INT64_MAX - 1, &seq, &err) :
			   parse_position(after, stream, &seq, &err)) < 0)
		http_reply_error(r->http, 0, &err);
	else
		report(api, r, one != NULL ? STMT_dead_letters_of : STMT_dead_letters,
		       DB_PARAMS(db_param_text(one != NULL ? one : stream), db_param_int(seq),
				 db_param_int(limit)),
		       row_json, false);
}
