/* SPDX-License-Identifier: Apache-2.0 */
/* The status of this process comes from memory and costs no statement. */
#include "hub/api/monitor/monitor_status.h"

#include "hub/api/reply.h"

static json_t *count_resources(const struct registry *registry)
{
	json_t *counts = json_object();

	for (int k = 0; k < KIND_COUNT; k++)
		json_object_set_new(counts, kind_name((enum kind)k),
				    json_integer((json_int_t)json_object_size(
					    registry_all(registry, (enum kind)k))));
	return counts;
}

/* Of this process; the rules' cursor is -1 if another process applies them. */
static json_t *show_own(const struct monitor_api *api)
{
	int64_t cursor = rules_consumer_cursor(api->rules);
	json_t *rules = json_pack("{s:I, s:I, s:I}", "cursor", (json_int_t)cursor, "unread_seqs",
				  (json_int_t)(cursor >= 0 ? event_log_count(api->log, cursor) : 0),
				  "active", (json_int_t)rules_consumer_rules(api->rules));

	return json_pack("{s:s, s:I, s:b, s:b, s:i, s:{s:b, s:b}, s:{s:I, s:I}, s:o, s:o, s:o}", "issuer",
			 api->issuer, "uptime_s", (json_int_t)((loop_now_ms() - api->started_ms) / 1000),
			 "ready", api->readiness->running && db_is_up(api->db), "draining",
			 api->readiness->draining, "processes", 1, "database", "up", db_is_up(api->db),
			 "owner", owner_is_up(api->owner), "log", "head",
			 (json_int_t)event_log_head(api->log), "waiting_to_be_stored",
			 (json_int_t)batch_pending(api->batch), "rules", rules, "streams",
			 deliver_status(api->deliver), "resources", count_resources(api->registry));
}

static bool applies_rules(const json_t *doc)
{
	return json_integer_value(json_object_get(json_object_get(doc, "rules"), "cursor")) >= 0;
}

/* Adds what the other processes deliver and do. */
static void merge(json_t *doc, const json_t *others)
{
	json_t *log = json_object_get(doc, "log"), *other;
	json_int_t stored = json_integer_value(json_object_get(log, "waiting_to_be_stored"));
	size_t i;

	json_array_foreach(others, i, other) {
		json_array_extend(json_object_get(doc, "streams"), json_object_get(other, "streams"));
		if (applies_rules(other))
			json_object_set(doc, "rules", json_object_get(other, "rules"));
		stored += json_integer_value(
			json_object_get(json_object_get(other, "log"), "waiting_to_be_stored"));
	}
	json_object_set_new(log, "waiting_to_be_stored", json_integer(stored));
	json_object_set_new(doc, "processes", json_integer((json_int_t)(1 + json_array_size(others))));
	if (!applies_rules(doc)) /* no process does at this moment */
		json_object_set_new(json_object_get(doc, "rules"), "cursor", json_integer(0));
}

void monitor_status_get(struct monitor_api *api, const struct api_request *r, const json_t *others)
{
	json_t *doc = show_own(api);

	if (others != NULL)
		merge(doc, others);
	reply_json(r->http, 200, doc);
}
