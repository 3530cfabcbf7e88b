/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control events of a stream that is not enabled, and whose window is full of what it may not send: they
 * go out before what they stand behind in the log, or it would never be told that it is paused. They
 * are entries beside the window until they are settled, and are noted as settled above the cursor
 * then; if the window comes to one of them before, it becomes the window's.
 */
#include "hub/deliver/deliver_priv.h"

#include "lib/kit/log.h"

#include <stdio.h>

#define ROWS_MAX 16 /* as event_control has it */

static bool take(struct outlet *o, const struct db_result *r, size_t row)
{
	ssf_auto(event) e = NULL;
	int64_t seq = db_int(r, row, 0);

	if (seq > o->scan && !outlet_was_acked(o, seq) &&
	    ((e = event_from_row(r, row)) == NULL || outlet_take_early(o, e) < 0))
		return false;
	o->early_after = seq;
	return true;
}

static void on_look(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct outlet *o = arg;
	size_t rows = err == NULL ? db_rows(r) : 0, taken = 0;

	o->early_look = NULL;
	if (err != NULL)
		log_warn("deliver.read.failed", log_str("stream", o->stream->id), log_why(err));
	while (taken < rows && take(o, r, taken))
		taken++;
	if (err != NULL || taken < rows || rows == ROWS_MAX)
		o->early_known = false; /* when these are settled, or the tick comes */
	push_kick(o);
	poll_wake(o);
}

void early_fill(struct outlet *o)
{
	char after[24];
	const char *params[] = { o->stream->id, after };

	if (o->stream->status == STREAM_ENABLED || o->early_known || o->early_look != NULL || o->early_entries > 0)
		return;
	snprintf(after, sizeof(after), "%lld", (long long)(o->early_after > o->scan ? o->early_after : o->scan));
	o->early_known = true;
	if (db_exec(o->deliver->db, STMT_event_control, params, on_look, o, &o->early_look, NULL) < 0) {
		o->early_look = NULL;
		o->early_known = false; /* the tick tries again */
	}
}

void early_offered(struct outlet *o)
{
	o->early_known = false;
}

void early_stop(struct outlet *o)
{
	db_cancel(o->early_look);
	o->early_look = NULL;
	o->early_known = false;
	o->early_after = 0;
}
