/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a receiver does with a stream of its own: its status (SSF 1.0 section 8.1.2) and
 * verification (section 8.1.4).
 */
#include "hub/api/ssf.h"

#include "hub/api/kinds.h"
#include "hub/api/version.h"
#include "hub/eventlog/draft.h"
#include "hub/streams/stream.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"
#include "lib/ssf/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERIFIED_MAX 100000 /* streams whose last verification is remembered */
#define VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification"

/* --- status ------------------------------------------------------------------------------------------------ */

static json_t *status_document(const struct api *api, const char *id, const json_t *spec)
{
	const char *status = json_string_value(json_object_get(spec, "status"));
	json_t *doc = json_pack("{s:s, s:s}", "stream_id", id, "status",
				status != NULL ? status : "enabled");
	json_t *reason = json_object_get(spec, "status_reason");

	(void)api;
	if (doc != NULL && reason != NULL)
		json_object_set(doc, "reason", reason);
	return doc;
}

void api_ssf_status(const struct call *c)
{
	const char *wanted = http_query(c->req, "stream_id"), *id;
	json_auto_t *query = json_object();
	const json_t *spec;
	struct ssf_err err;

	if (wanted != NULL)
		json_object_set_new(query, "stream_id", json_string(wanted));
	if (ssf_api_stream(c, query, &id, &spec, &err) < 0)
		http_reply_error(c->req, 0, &err);
	else
		version_reply(c->req, 200, status_document(c->api, id, spec),
			      registry_version(c->api->registry, KIND_STREAM, id));
}

static int set_status(const struct call *c, struct ssf_err *err)
{
	struct kinds k = { .registry = c->api->registry, .master = c->api->master, .guard = c->api->guard };
	json_auto_t *body = NULL, *resource = NULL;
	const char *id, *status, *reason = NULL;
	const json_t *old;
	struct put_limits limit = { .check = PUT_VERSION };
	json_t *spec;

	if (ssf_api_body(c, &body, err) < 0 || ssf_api_stream(c, body, &id, &old, err) < 0)
		return -1;
	limit.version = registry_version(c->api->registry, KIND_STREAM, id);
	if (version_check(c->req, limit.version, &limit, err) < 0 ||
	    ssf_json_get_str(body, "status", &status, err) < 0 ||
	    ssf_json_opt_str(body, "reason", &reason, err) < 0)
		return -1;
	if (reason != NULL && strlen(reason) > SSF_STREAM_TEXT_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "reason: longer than %d bytes", SSF_STREAM_TEXT_MAX);
	resource = kind_show(KIND_STREAM, id, old); /* sealed secrets are marked to stay */
	if (resource == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	json_object_set_new(resource, "status", json_string(status));
	json_object_del(resource, "status_reason");
	if (reason != NULL)
		json_object_set_new(resource, "status_reason", json_string(reason));
	if (kind_check(&k, KIND_STREAM, id, resource, &spec, err) < 0)
		return -1;
	return ssf_api_store(c, id, spec, limit, 200, status_document, err);
}

void api_ssf_set_status(const struct call *c)
{
	struct ssf_err err;

	if (set_status(c, &err) < 0)
		http_reply_error(c->req, 0, &err);
}

/* --- verification --------------------------------------------------------------------------------------------- */

static void on_verification_stored(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct http_req *req = arg;

	(void)first;
	if (err != NULL)
		http_reply_error(req, 0, err);
	else
		http_reply_json(req, 204, NULL);
}

/* Seconds until the stream may be verified again; 0: now, which is noted. */
static int64_t too_soon(const struct call *c, const char *id)
{
	int64_t interval = c->api->verify_interval_s * 1000, now = loop_now_ms();
	const json_t *last = json_object_get(c->api->verified_ms, id);

	if (last != NULL && now - json_integer_value(last) < interval)
		return (interval - (now - json_integer_value(last)) + 999) / 1000;
	if (json_object_size(c->api->verified_ms) >= VERIFIED_MAX)
		json_object_clear(c->api->verified_ms); /* streams come and go */
	json_object_set_new(c->api->verified_ms, id, json_integer(now));
	return 0;
}

int ssf_api_verification(const char *id, const char *state, const char *once, struct drafts *drafts,
			 struct ssf_err *err)
{
	json_auto_t *sub_id = ssf_subject_opaque(id);
	json_auto_t *claims = json_object();
	char origin[160], made[UUID_LEN], txn[UUID_LEN];

	if (sub_id == NULL || claims == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "verification");
	if (state != NULL)
		json_object_set_new(claims, "state", json_string(state));
	snprintf(origin, sizeof(origin), STREAM_ORIGIN "%s", id);
	uuid_make(made);
	uuid_make(txn);
	struct draft d = { .origin = origin, .origin_id = once != NULL ? once : made, .type = VERIFICATION, .txn = txn,
			   .sub_id = sub_id, .body = claims };
	return draft_add(drafts, &d, err);
}

void api_ssf_verify(const struct call *c)
{
	json_auto_t *body = NULL;
	ssf_auto(drafts) drafts = drafts_new();
	const char *id, *state = NULL;
	struct batch_append *append;
	const json_t *spec;
	struct http_hint hint = { .challenge = NULL };
	struct ssf_err err;
	int r;

	if (drafts == NULL)
		r = ssf_fail(&err, SSF_E_NOMEM, "verification");
	else if (ssf_api_body(c, &body, &err) < 0 || ssf_api_stream(c, body, &id, &spec, &err) < 0 ||
		 ssf_json_opt_str(body, "state", &state, &err) < 0)
		r = -1;
	else if (state != NULL && strlen(state) > SSF_STREAM_TEXT_MAX)
		r = ssf_fail(&err, SSF_E_MALFORMED, "state: longer than %d bytes", SSF_STREAM_TEXT_MAX);
	else if ((hint.retry_after_s = too_soon(c, id)) > 0)
		r = ssf_fail(&err, SSF_E_RATE, "min_verification_interval has not passed");
	else
		r = ssf_api_verification(id, state, NULL, drafts, &err);
	if (r == 0)
		r = batch_append_start(c->api->batch, drafts, on_verification_stored, c->req, &append, &err);
	if (r < 0)
		http_reply_error_hint(c->req, 0, &err, &hint);
}
