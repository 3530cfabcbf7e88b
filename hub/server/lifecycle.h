/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one process:
 *
 *   starting -> (registry and keys are loaded) taking leases -> ready -> SIGTERM -> draining -> end
 *
 * It ends with status 1 if it is not ready in time or if no stored signing key can be unsealed.
 */
#pragma once

#include "hub/server/server.h"

/* The part that watches signals and time: it starts last. */
ssf_nodiscard int lifecycle_start(struct server *s, struct ssf_err *err);
void lifecycle_stop(struct server *s);

/* Callbacks of the parts; arg is the struct server. */
void lifecycle_registry_ready(void *arg);
void lifecycle_keys_ready(void *arg);
void lifecycle_leases_ready(void *arg);

/* Prints "ready at URL" for whoever started the hub. */
void lifecycle_print_ready(void *arg, unsigned port);

/* Takes no new work, ends what runs, and ends the loop when all parts are drained or time is up. */
void lifecycle_drain(void *arg);
