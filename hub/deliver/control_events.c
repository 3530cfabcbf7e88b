/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the look: at most LOOK_MAX events at once, and the next ones when those are settled. */
#include "hub/deliver/control_events.h"

#define LOOK_MAX 16 /* as STMT_event_control has it; below WINDOW_AHEAD_MAX less REDELIVERY_HELD_MAX */

void control_events_init(struct control_events *c, const char *stream, struct db *db, control_events_f *take,
			 void *arg)
{
	*c = (struct control_events){ .stream = stream, .db = db, .take = take, .arg = arg };
}

static void on_rows(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct control_events *c = arg;
	struct event *events[LOOK_MAX];
	size_t rows = err == NULL ? db_rows(r) : 0, count = 0, taken;

	c->look = NULL;
	while (count < rows && count < LOOK_MAX && (events[count] = event_from_row(r, count)) != NULL)
		count++;
	taken = c->take(c->arg, events, count, err);
	if (taken > 0)
		c->after = events[taken - 1]->seq;
	c->known = err == NULL && taken == rows && rows < LOOK_MAX;
	for (size_t i = 0; i < count; i++)
		event_free(events[i]);
}

int control_events_look(struct control_events *c, int64_t read_position)
{
	int64_t after = c->after > read_position ? c->after : read_position;

	if (c->known || c->look != NULL)
		return 0;
	if (db_exec(c->db, STMT_event_control, DB_PARAMS(db_param_text(c->stream), db_param_int(after)), on_rows, c,
		    &c->look, NULL) == 0)
		return 0;
	c->look = NULL;
	return -1;
}

void control_events_offered(struct control_events *c)
{
	c->known = false;
}

void control_events_stop(struct control_events *c)
{
	db_cancel(c->look);
	c->look = NULL;
	c->known = false;
	c->after = 0;
}
