/* SPDX-License-Identifier: Apache-2.0 */
/* The status is part of the stream's resource; the database appends stream-updated where one is due. */
#include "hub/api/ssf/ssf_status.h"

#include "hub/api/if_match.h"
#include "hub/api/reply.h"
#include "hub/api/ssf/client_stream.h"
#include "hub/api/ssf/ssf_store.h"
#include "lib/http/http_error.h"
#include "lib/ssf/json.h"

#include <string.h>

static json_t *show_status(const struct ssf_api *api, const char *id, const json_t *spec)
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

void ssf_status_get(const struct ssf_api *api, const struct api_request *r)
{
	const json_t *spec;
	const char *id;
	struct ssf_err err;

	if (client_stream_of(api->registry, api->activity, r, NULL, &id, &spec, &err) < 0)
		http_reply_error(r->http, 0, &err);
	else
		reply_versioned(r->http, 200, show_status(api, id, spec),
				registry_version(api->registry, KIND_STREAM, id));
}

static int set_status(const struct ssf_api *api, const struct api_request *r, struct ssf_err *err)
{
	json_auto_t *body = NULL, *resource = NULL;
	const char *status, *reason = NULL;
	struct ssf_store s = { .condition = { .check = RESOURCE_VERSION }, .status = 200,
			       .show = show_status };
	const json_t *old;

	if (reply_parse_body(r->http, &body, err) < 0 ||
	    client_stream_of(api->registry, api->activity, r, body, &s.id, &old, err) < 0)
		return -1;
	s.condition.version = registry_version(api->registry, KIND_STREAM, s.id);
	if (if_match_check(r->http, s.condition.version, &s.condition, err) < 0 ||
	    ssf_json_get_str(body, "status", &status, err) < 0 ||
	    ssf_json_opt_str(body, "reason", &reason, err) < 0)
		return -1;
	if (reason != NULL && strlen(reason) > SSF_API_TEXT_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "reason: longer than %d bytes", SSF_API_TEXT_MAX);
	resource = resource_show(KIND_STREAM, s.id, old); /* marks sealed secrets to be kept */
	if (resource == NULL || json_object_set_new(resource, "status", json_string(status)) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	json_object_del(resource, "status_reason");
	if (reason != NULL && json_object_set_new(resource, "status_reason", json_string(reason)) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	s.resource = resource;
	return ssf_store_start(api, r, &s, err);
}

void ssf_status_set(const struct ssf_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (set_status(api, r, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
