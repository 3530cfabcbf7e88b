/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the event log in partitions (docs/adr/0009-partitions-by-seq.md): makes the next one ahead, begins it
 * when the one in use is old enough, drops those that are wholly older than the retention. Several hubs
 * may do so at once: in the database one of them does.
 */
#pragma once

#include "hub/eventlog/event.h"

struct partitions;

struct partitions_conf {
	int64_t retention_ms;
	int64_t period_ms; /* how long one is written to; 0: a sixth of the retention */
};

/* All borrowed. Begins at once. */
ssf_nodiscard int partitions_new(struct loop *loop, struct db *db, struct event_log *log,
				 const struct partitions_conf *conf, struct partitions **out, struct ssf_err *err);
void partitions_free(struct partitions *p);
