/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers 202 after the commit. The append goes on when the client goes away: it cannot be taken back.
 */
#include "hub/api/admin/admin_emit.h"

#include "hub/api/reply.h"
#include "hub/ingest/ingest.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"

#include <stdio.h>

static const struct ssf_json_limits body_limits = { 128 * 1024, 32 };

static void on_emitted(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct http_req *req = arg;

	ingest_count(LABEL_source_emit, first, err);
	if (err != NULL) {
		http_reply_error(req, 0, err);
		return;
	}
	log_info("api.emitted", log_str("txn", first->txn), log_int("seq", first->seq));
	reply_json(req, 202, json_pack("{s:s, s:I}", "txn", first->txn, "seq", (json_int_t)first->seq));
}

static const struct ssf_event_type *find_type(const char *name)
{
	const struct ssf_event_type *type = ssf_event_by_uri(name);

	return type != NULL ? type : ssf_event_by_name(name);
}

/* Claims that the caller left out; ssf_event_check() sees the result. */
static void add_default_claims(const struct ssf_event_type *type, json_t *claims, const char *reason)
{
	if (json_object_get(claims, "event_timestamp") == NULL)
		json_object_set_new(claims, "event_timestamp", json_integer(wall_now_ms() / 1000));
	if (json_object_get(claims, "reason_admin") == NULL)
		json_object_set_new(claims, "reason_admin",
				    json_pack("{s:s}", "en", reason != NULL ? reason : "emitted by hand"));
	if (ssf_str_has_prefix(ssf_str_c(type->name), "caep:") &&
	    json_object_get(claims, "initiating_entity") == NULL)
		json_object_set_new(claims, "initiating_entity", json_string("admin"));
}

static int parse_event(const struct api_request *r, struct drafts *drafts, struct ssf_err *err)
{
	static const char *const names[] = { "type", "subject", "claims", "txn", "reason", NULL };
	json_auto_t *body = NULL, *claims = NULL;
	const char *name, *txn = NULL, *reason = NULL;
	const struct ssf_event_type *type;
	char made[UUID_LEN], once[UUID_LEN], trace[SSF_TRACEPARENT_LEN], origin[CALLER_CLIENT_LEN + 8] = "operator";

	if (ssf_json_parse(http_body(r->http), &body_limits, &body, err) < 0 ||
	    ssf_json_only(body, names, err) < 0 || ssf_json_get_str(body, "type", &name, err) < 0 ||
	    ssf_json_opt_str(body, "txn", &txn, err) < 0 ||
	    ssf_json_opt_str(body, "reason", &reason, err) < 0)
		return -1;
	type = find_type(name);
	if (type == NULL || type->control)
		return ssf_fail(err, SSF_E_MALFORMED, "type: not an event of CAEP 1.0 or RISC 1.0");
	if (ssf_subject_check(json_object_get(body, "subject"), err) < 0 ||
	    ssf_event_check_subject(type, json_object_get(body, "subject"), err) < 0)
		return ssf_fail_prefix(err, "subject");
	claims = json_object_get(body, "claims") != NULL ? json_copy(json_object_get(body, "claims")) :
							   json_object();
	if (!json_is_object(claims))
		return ssf_fail(err, SSF_E_MALFORMED, "claims: must be an object");
	add_default_claims(type, claims, reason);
	if (ssf_event_check(type, claims, err) < 0)
		return ssf_fail_prefix(err, "claims");
	if (!r->caller.admin)
		snprintf(origin, sizeof(origin), "client:%s", r->caller.client);
	uuid_make(made);
	uuid_make(once);
	struct draft d = { .origin = origin, .origin_id = once, .type = type->uri,
			   .txn = txn != NULL && txn[0] != '\0' ? txn : made,
			   .sub_id = json_object_get(body, "subject"), .body = claims,
			   .trace = ingest_trace(r->http, trace) };
	return draft_add(drafts, &d, err);
}

void admin_emit_post(const struct admin_api *api, const struct api_request *r)
{
	ssf_auto(drafts) drafts = drafts_new();
	struct batch_append *append;
	struct ssf_err err;

	if (drafts == NULL)
		ssf_fail(&err, SSF_E_NOMEM, "event");
	if (drafts == NULL || parse_event(r, drafts, &err) < 0 ||
	    batch_append_start(api->batch, drafts, on_emitted, r->http, &append, &err) < 0) {
		ingest_count(LABEL_source_emit, NULL, &err);
		http_reply_error(r->http, 0, &err);
	}
}
