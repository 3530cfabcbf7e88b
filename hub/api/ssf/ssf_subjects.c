/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An addition takes effect before it is stored, a removal afterwards: no event that the receiver asked for
 * is ever left out. Must never tell whether the hub knows a subject (section 9.1, subject probing). The write
 * goes on when the client goes away: it cannot be taken back.
 */
#include "hub/api/ssf/ssf_subjects.h"

#include "hub/api/reply.h"
#include "hub/api/ssf/client_stream.h"
#include "lib/http/http_error.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"

#include <stdlib.h>
#include <string.h>

/* A request that waits for its subject to be stored. */
struct subject_request {
	const struct stream_api *api;
	struct http_req *req;
	char *stream;
	int64_t epoch;                /* of the stream's owner: this process */
	json_t *subject;
	struct subject_change change; /* views of the two above */
};

static void request_free(struct subject_request *s)
{
	json_decref(s->subject);
	free(s->stream);
	free(s);
}

static void on_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct subject_request *s = arg;
	const struct stream_api *api = s->api;
	bool exists = registry_get(api->registry, KIND_STREAM, s->stream) != NULL;
	struct ssf_err why;

	(void)r;
	if (err != NULL && err->code == SSF_E_CONFLICT) {
		owner_refused(api->owner, owner_shard(s->stream), s->epoch);
		ssf_fail(&why, SSF_E_UNAVAILABLE, "the stream has moved to another process");
		http_reply_error(s->req, 0, &why);
	} else if (err != NULL) {
		http_reply_error(s->req, 0, err);
	} else if (deliver_subject_after(api->deliver, &s->change, &why) < 0 &&
		   (why.code != SSF_E_NOT_FOUND || !exists)) {
		/* a stream that has only moved is loaded by its new owner, with the subject */
		http_reply_error(s->req, 0, &why);
	} else {
		http_reply_json(s->req, s->change.add ? 200 : 204, NULL);
	}
	request_free(s);
}

static int store(struct subject_request *s, struct ssf_err *err)
{
	const struct stream_api *api = s->api;
	const json_t *spec = registry_get(api->registry, KIND_STREAM, s->stream);
	const char *initial = json_string_value(json_object_get(spec, "default_subjects"));
	bool all = initial == NULL || strcmp(initial, "ALL") == 0;
	uint8_t key[SSF_SHA256_LEN];
	char hex[SSF_SHA256_HEX];

	if (ssf_subject_key(s->subject, key) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "subject");
	ssf_hex(key, sizeof(key), hex);
	s->epoch = owner_epoch(api->owner, owner_shard(s->stream));
	return db_exec_detached(api->db, STMT_stream_subject_put,
				DB_PARAMS(db_param_uuid(owner_id(api->owner)), db_param_int(s->epoch),
					  db_param_text(s->stream), db_param_text(hex),
					  db_param_json(s->subject), db_param_bool(s->change.add),
					  s->change.add ? db_param_null() : db_param_int(s->change.until),
					  db_param_bool(all)),
				on_stored, s, err);
}

static int check(const struct stream_api *api, const struct api_request *r, const json_t *body, bool add,
		 const char **id, struct ssf_err *err)
{
	static const char *const names[] = { "stream_id", "subject", "verified", NULL };
	const json_t *spec;
	bool verified = true;

	if (client_stream_of(api->registry, api->activity, r, body, id, &spec, err) < 0 ||
	    ssf_json_only(body, names, err) < 0)
		return -1;
	if (add && ssf_json_opt_bool(body, "verified", &verified, err) < 0)
		return -1;
	if (ssf_subject_check(json_object_get(body, "subject"), err) < 0) {
		err->code = SSF_E_MALFORMED; /* also for a subject that is too long */
		return ssf_fail_prefix(err, "subject");
	}
	return 0;
}

static int change(const struct stream_api *api, const struct api_request *r, bool add,
		  struct ssf_err *err)
{
	json_auto_t *body = NULL;
	struct subject_request *s;
	const char *id;

	if (reply_parse_body(r->http, &body, err) < 0 || check(api, r, body, add, &id, err) < 0)
		return -1;
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->stream = strdup(id)) == NULL) {
		free(s);
		return ssf_fail(err, SSF_E_NOMEM, "subject");
	}
	s->api = api;
	s->req = r->http;
	s->subject = json_incref(json_object_get(body, "subject"));
	s->change = (struct subject_change){ s->stream, s->subject, add,
					     wall_now_ms() / 1000 + api->removal_grace_s };
	if (deliver_subject_before(api->deliver, &s->change, err) < 0 || store(s, err) < 0) {
		if (err->code == SSF_E_NOT_FOUND) /* the stream exists, but it is no longer delivered here */
			ssf_fail(err, SSF_E_UNAVAILABLE, "the stream is moving to another process");
		request_free(s);
		return -1;
	}
	return 0;
}

void ssf_subjects_add(const struct stream_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (change(api, r, true, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

void ssf_subjects_remove(const struct stream_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (change(api, r, false, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
