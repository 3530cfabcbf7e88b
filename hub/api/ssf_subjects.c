/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects of a receiver's own stream (SSF 1.0 section 8.1.3). An addition holds from before it is
 * stored, a removal from after: nothing that was asked for is ever left out. Whether a
 * subject is known here is never told (section 9.1, subject probing).
 */
#include "hub/api/ssf.h"

#include "lib/http/http_error.h"
#include "lib/ssf/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request that waits for its subject to be stored. */
struct waiting {
	struct api *api;
	struct http_req *req;
	char *stream;
	int64_t epoch; /* of the stream's owner, which we are */
	json_t *subject;
	struct subject_change change; /* views of these */
};

static void waiting_free(struct waiting *w)
{
	json_decref(w->subject);
	free(w->stream);
	free(w);
}

static bool is_gone(const struct waiting *w)
{
	return registry_get(w->api->registry, KIND_STREAM, w->stream) == NULL;
}

static void on_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct waiting *w = arg;
	struct ssf_err why;

	(void)r;
	if (err != NULL && err->code == SSF_E_CONFLICT) {
		owner_refused(w->api->owner, owner_shard(w->stream), w->epoch);
		ssf_fail(&why, SSF_E_UNAVAILABLE, "the stream has moved to another process");
		http_reply_error(w->req, 0, &why);
	} else if (err != NULL)
		http_reply_error(w->req, 0, err);
	else if (deliver_subject_after(w->api->deliver, &w->change, &why) < 0 &&
		 (why.code != SSF_E_NOT_FOUND || is_gone(w))) /* if it has moved, it is read where it is now */
		http_reply_error(w->req, 0, &why);
	else
		http_reply_json(w->req, w->change.add ? 200 : 204, NULL);
	waiting_free(w);
}

static int store(struct waiting *w, struct ssf_err *err)
{
	uint8_t key[SSF_SHA256_LEN];
	char hex[SSF_SHA256_HEX], until[24], epoch[24];
	ssf_auto_free char *text = json_dumps(w->subject, JSON_COMPACT);
	bool add = w->change.add;
	const char *initial = json_string_value(json_object_get(
		registry_get(w->api->registry, KIND_STREAM, w->stream), "default_subjects"));
	bool all = initial == NULL || strcmp(initial, "ALL") == 0;
	const char *params[] = { owner_id(w->api->owner), epoch, w->stream, hex, text,
				 add ? "true" : "false", add ? NULL : until, all ? "true" : "false" };

	if (text == NULL || ssf_subject_key(w->subject, key) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "subject");
	ssf_hex(key, sizeof(key), hex);
	snprintf(until, sizeof(until), "%lld", (long long)w->change.until);
	w->epoch = owner_epoch(w->api->owner, owner_shard(w->stream));
	snprintf(epoch, sizeof(epoch), "%lld", (long long)w->epoch);
	return db_exec(w->api->db, STMT_stream_subject_put, params, on_stored, w, NULL, err);
}

static int check(const struct call *c, const json_t *body, bool add, const char **id,
		 struct ssf_err *err)
{
	static const char *const names[] = { "stream_id", "subject", "verified", NULL };
	const json_t *spec;
	bool verified = true;

	if (ssf_api_stream(c, body, id, &spec, err) < 0 || ssf_json_only(body, names, err) < 0)
		return -1;
	if (add && ssf_json_opt_bool(body, "verified", &verified, err) < 0)
		return -1;
	if (ssf_subject_check(json_object_get(body, "subject"), err) < 0) {
		err->code = SSF_E_MALFORMED; /* also what is too long */
		return ssf_fail_prefix(err, "subject");
	}
	return 0;
}

static int change(const struct call *c, bool add, struct ssf_err *err)
{
	json_auto_t *body = NULL;
	struct waiting *w;
	const char *id;

	if (ssf_api_body(c, &body, err) < 0 || check(c, body, add, &id, err) < 0)
		return -1;
	w = calloc(1, sizeof(*w));
	if (w == NULL || (w->stream = strdup(id)) == NULL) {
		free(w);
		return ssf_fail(err, SSF_E_NOMEM, "subject");
	}
	w->api = c->api;
	w->req = c->req;
	w->subject = json_incref(json_object_get(body, "subject"));
	w->change = (struct subject_change){ w->stream, w->subject, add,
					     wall_now_ms() / 1000 + c->api->removal_grace_s };
	if (deliver_subject_before(c->api->deliver, &w->change, err) < 0 || store(w, err) < 0) {
		if (err->code == SSF_E_NOT_FOUND) /* it is there, and on its way to another process */
			ssf_fail(err, SSF_E_UNAVAILABLE, "the stream is moving to another process");
		waiting_free(w);
		return -1;
	}
	return 0;
}

void api_ssf_subject_add(const struct call *c)
{
	struct ssf_err err;

	if (change(c, true, &err) < 0)
		http_reply_error(c->req, 0, &err);
}

void api_ssf_subject_remove(const struct call *c)
{
	struct ssf_err err;

	if (change(c, false, &err) < 0)
		http_reply_error(c->req, 0, &err);
}
