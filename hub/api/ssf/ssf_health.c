/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins the delivery state in memory with the ranges that were dropped from the log, which are read from the
 * database.
 */
#include "hub/api/ssf/ssf_health.h"

#include "hub/api/reply.h"
#include "hub/api/ssf/client_stream.h"
#include "lib/http/http_error.h"

#include <stdlib.h>

struct health_request {
	struct http_req *req;
	json_t *report;
	struct db_op *op;
};

static void request_free(struct health_request *h)
{
	db_cancel(h->op);
	json_decref(h->report);
	free(h);
}

static void on_dropped(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct health_request *h = arg;
	json_t *dropped = json_array();

	h->op = NULL;
	if (err != NULL) {
		http_reply_error(h->req, 0, err);
	} else {
		for (size_t row = 0; row < db_rows(r); row++)
			json_array_append_new(dropped, db_json(r, row, 0));
		json_object_set(h->report, "dropped", dropped);
		reply_json(h->req, 200, json_incref(h->report));
	}
	json_decref(dropped);
	request_free(h);
}

static void on_client_gone(void *arg)
{
	struct health_request *h = arg;

	reply_gone(h->req);
	request_free(h);
}

static int report(const struct stream_api *api, const struct api_request *r, const char *id,
		  const json_t *spec, struct ssf_err *err)
{
	json_t *report = deliver_stream_status(api->deliver, id);
	json_t *reason = json_object_get(spec, "status_reason");
	struct health_request *h = calloc(1, sizeof(*h));

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
	*h = (struct health_request){ .req = r->http, .report = report };
	if (db_exec(api->db, STMT_stream_dropped, DB_PARAMS(db_param_text(id)), on_dropped, h, &h->op, err) < 0) {
		request_free(h);
		return -1;
	}
	http_on_cancel(r->http, on_client_gone, h);
	return 0;
}

void ssf_health_get(const struct stream_api *api, const struct api_request *r)
{
	const json_t *spec;
	const char *id;
	struct ssf_err err;

	if (client_stream_of(api->registry, api->activity, r, NULL, &id, &spec, &err) < 0 ||
	    report(api, r, id, spec, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

void ssf_health_admin_get(const struct stream_api *api, const struct api_request *r)
{
	const json_t *spec = registry_get(api->registry, KIND_STREAM, r->part[0]);
	struct ssf_err err;

	if (spec == NULL)
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such stream");
	if (spec == NULL || report(api, r, r->part[0], spec, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
