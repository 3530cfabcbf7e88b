/* SPDX-License-Identifier: Apache-2.0 */
/* One table of checks. */
#include "hub/api/monitor/readiness.h"

/* A statement without any answer for so long: the database is away, whatever its connections say. */
#define SILENCE_MS 3000

const char *readiness_failure(const struct readiness *r, enum readiness_check check)
{
	switch (check) {
	case READINESS_DATABASE:
		return db_is_up(r->db) && db_silent_ms(r->db) < SILENCE_MS ? NULL :
									      "PostgreSQL does not answer";
	case READINESS_OWNER:
		return owner_is_up(r->owner) ? NULL : "this process has no session that could own anything";
	case READINESS_RESOURCES:
		return r->resources_loaded ? NULL : "resources are not loaded yet";
	case READINESS_KEYS:
		return r->keys_loaded ? NULL : "there is no signing key yet";
	default:
		return r->draining ? "shutting down" : r->running ? NULL : "starting";
	}
}

const char *readiness_name(enum readiness_check check)
{
	static const char *const names[READINESS_COUNT] = {
		[READINESS_DATABASE] = "database", [READINESS_OWNER] = "owner",
		[READINESS_RESOURCES] = "resources", [READINESS_KEYS] = "keys",
		[READINESS_RUNNING] = "running",
	};

	return names[check];
}

bool readiness_all(const struct readiness *r)
{
	bool ready = true;

	for (int i = 0; i < READINESS_COUNT; i++)
		ready = ready && readiness_failure(r, (enum readiness_check)i) == NULL;
	return ready;
}
