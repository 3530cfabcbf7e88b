/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one stream is, for its receiver (GET /ssf/health) and for the operator: what delivery has in
 * memory, and from the database which events it will never get.
 */
#include "hub/api/ssf.h"

#include "lib/http/http_error.h"

#include <stdlib.h>

struct health {
	struct http_req *req;
	json_t *report;
};

static void health_free(struct health *h)
{
	json_decref(h->report);
	free(h);
}

static void on_dropped(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct health *h = arg;
	json_t *dropped = json_array();

	if (err != NULL) {
		http_reply_error(h->req, 0, err);
	} else {
		for (size_t row = 0; row < db_rows(r); row++)
			json_array_append_new(dropped, db_json(r, row, 0));
		json_object_set(h->report, "dropped", dropped);
		reply_json(h->req, 200, json_incref(h->report));
	}
	json_decref(dropped);
	health_free(h);
}

static int start(const struct call *c, const char *id, const json_t *spec, struct ssf_err *err)
{
	const char *params[] = { id };
	json_t *report = deliver_stream_status(c->api->deliver, id);
	json_t *reason = json_object_get(spec, "status_reason");
	struct health *h = calloc(1, sizeof(*h));

	if (report == NULL || h == NULL) {
		json_decref(report);
		free(h);
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the stream is being loaded");
	}
	json_object_del(report, "id");
	json_object_del(report, "client");
	json_object_set_new(report, "stream_id", json_string(id));
	if (reason != NULL)
		json_object_set(report, "status_reason", reason);
	*h = (struct health){ c->req, report };
	if (db_exec(c->api->db, STMT_stream_dropped, params, on_dropped, h, NULL, err) < 0) {
		health_free(h);
		return -1;
	}
	return 0;
}

void api_ssf_health(const struct call *c)
{
	const char *wanted = http_query(c->req, "stream_id"), *id;
	json_auto_t *query = json_object();
	const json_t *spec;
	struct ssf_err err;

	if (wanted != NULL)
		json_object_set_new(query, "stream_id", json_string(wanted));
	if (ssf_api_stream(c, query, &id, &spec, &err) < 0 || start(c, id, spec, &err) < 0)
		http_reply_error(c->req, 0, &err);
}

void api_stream_health(const struct call *c)
{
	const json_t *spec = registry_get(c->api->registry, KIND_STREAM, c->arg[0]);
	struct ssf_err err;
	int r;

	if (spec == NULL)
		r = ssf_fail(&err, SSF_E_NOT_FOUND, "no such stream");
	else
		r = start(c, c->arg[0], spec, &err);
	if (r < 0)
		http_reply_error(c->req, 0, &err);
}
