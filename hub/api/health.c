/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alive and ready, for whoever restarts us and whoever sends us traffic. Alive: the loop turns, as an
 * answer proves, whatever else is away: a restart would not bring it back. Ready says why not.
 */
#include "hub/api/api_priv.h"

/* A statement waits for so long without any answer: the database is away, whatever its connections say. */
#define SILENCE_MS 3000

enum check { CHECK_DATABASE, CHECK_OWNER, CHECK_RESOURCES, CHECK_KEYS, CHECK_RUNNING, CHECK_COUNT };

static bool answers(const struct db *db)
{
	return db_is_up(db) && db_silent_ms(db) < SILENCE_MS;
}

static bool check_passes(const struct api *api, enum check check)
{
	switch (check) {
	case CHECK_DATABASE:
		return answers(api->db);
	case CHECK_OWNER:
		return answers(api->lease);
	case CHECK_RESOURCES:
		return api->registry_ready;
	case CHECK_KEYS:
		return api->keys_ready;
	case CHECK_RUNNING:
		return api->ready && !api->draining;
	default:
		return false;
	}
}

/* Why a check fails. */
static const char *reason(const struct api *api, enum check check)
{
	static const char *const reasons[CHECK_COUNT] = {
		[CHECK_DATABASE] = "PostgreSQL does not answer",
		[CHECK_OWNER] = "this hub does not own the database",
		[CHECK_RESOURCES] = "resources are not loaded yet",
		[CHECK_KEYS] = "there is no signing key yet",
		[CHECK_RUNNING] = "starting",
	};

	return check == CHECK_RUNNING && api->draining ? "shutting down" : reasons[check];
}

bool api_is_ready(const struct api *api)
{
	bool ready = true;

	for (int i = 0; i < CHECK_COUNT; i++)
		ready = ready && check_passes(api, (enum check)i);
	return ready;
}

void api_health(const struct call *c)
{
	http_reply_json(c->req, 200, "{\"status\":\"ok\"}");
}

void api_ready(const struct call *c)
{
	static const char *const names[CHECK_COUNT] = {
		[CHECK_DATABASE] = "database", [CHECK_OWNER] = "owner", [CHECK_RESOURCES] = "resources",
		[CHECK_KEYS] = "keys",	       [CHECK_RUNNING] = "running",
	};
	json_t *checks = json_object(), *reasons = json_array();
	bool ready;

	for (int i = 0; i < CHECK_COUNT; i++) {
		bool passes = check_passes(c->api, (enum check)i);
		json_object_set_new(checks, names[i], json_boolean(passes));
		if (!passes)
			json_array_append_new(reasons, json_string(reason(c->api, (enum check)i)));
	}
	ready = json_array_size(reasons) == 0;
	reply_json(c->req, ready ? 200 : 503,
		   json_pack("{s:s, s:o, s:o}", "status", ready ? "ready" : "not ready", "checks", checks,
			     "reasons", reasons));
}
