/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process can accept and deliver events now. */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/db/db.h"

enum readiness_check {
	READINESS_DATABASE,
	READINESS_OWNER,
	READINESS_RESOURCES,
	READINESS_KEYS,
	READINESS_RUNNING,
	READINESS_COUNT
};

/* Set by the server as it starts and stops; db and owner are borrowed. */
struct readiness {
	const struct db *db;
	const struct owner *owner;
	bool resources_loaded;
	bool keys_loaded;
	bool running;  /* everything is loaded, and this process shares the work */
	bool draining;
};

bool readiness_all(const struct readiness *r);
/* NULL if the check passes, else why not. */
const char *readiness_failure(const struct readiness *r, enum readiness_check check);
const char *readiness_name(enum readiness_check check); /* in /readyz */
