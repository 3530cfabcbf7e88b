/* SPDX-License-Identifier: Apache-2.0 */
/* Answers from memory: a probe never waits for the database. */
#include "hub/api/monitor/monitor_health.h"

#include "hub/api/reply.h"

void monitor_health_get(struct monitor_api *api, const struct api_request *r)
{
	(void)api;
	http_reply_json(r->http, 200, "{\"status\":\"ok\"}");
}

void monitor_health_ready(struct monitor_api *api, const struct api_request *r)
{
	json_t *checks = json_object(), *reasons = json_array();
	bool ready;

	for (int i = 0; i < READINESS_COUNT; i++) {
		const char *failure = readiness_failure(api->readiness, (enum readiness_check)i);
		json_object_set_new(checks, readiness_name((enum readiness_check)i),
				    json_boolean(failure == NULL));
		if (failure != NULL)
			json_array_append_new(reasons, json_string(failure));
	}
	ready = readiness_all(api->readiness);
	reply_json(r->http, ready ? 200 : 503,
		   json_pack("{s:s, s:o, s:o}", "status", ready ? "ready" : "not ready", "checks", checks,
			     "reasons", reasons));
}
