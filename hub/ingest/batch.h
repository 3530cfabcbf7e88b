/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit: everything that wants to be appended while one commit is on its way goes into
 * the next one. Nothing ever waits for a batch to fill. Whoever appends is told after the commit.
 */
#pragma once

#include <stdint.h>

#include "hub/db/db.h"
#include "hub/eventlog/draft.h"
#include "hub/eventlog/event.h"

#define BATCH_MAX 1000     /* events in one commit */
#define BATCH_BYTES (8 << 20) /* of memory that they take; one request may be more */
#define BATCH_QUEUE 10000  /* events waiting; above it SSF_E_BUSY */
#define BATCH_QUEUE_BYTES (128 << 20) /* of memory that they take */

struct batch;
struct batch_append;

ssf_nodiscard int batch_new(struct loop *loop, struct db *db, struct event_log *log,
			    struct batch **out, struct ssf_err *err);
void batch_free(struct batch *b);
size_t batch_pending(const struct batch *b);

/* What is stored of the first draft: that of an earlier, equal one if appended is false. */
struct batch_result {
	int64_t seq;
	const char *txn;
	bool appended;
};
typedef void batch_done_f(void *arg, const struct batch_result *first, const struct ssf_err *err);

/* drafts: 1 to BATCH_MAX, in one transaction; a reference is kept. */
ssf_nodiscard int batch_append_start(struct batch *b, struct drafts *drafts, batch_done_f *f, void *arg,
				     struct batch_append **out, struct ssf_err *err);
/* The events may still be appended; their owner is not told. */
void batch_append_cancel(struct batch_append *a);
