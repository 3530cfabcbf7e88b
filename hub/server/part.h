/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a process in the order in which they start, and the walks over them. It knows nothing of
 * what a part does: parts.c has the table.
 *
 *   start   from the first to the last; a failure ends the walk
 *   drain   from the first to the last: take no new work, end what runs
 *   cancel  from the last to the first: answer everything that is pending, start nothing any more
 *   stop    from the last to the first: free
 *
 * Every part that started is cancelled before the first one is stopped. So a callback that fires because
 * its statement, job or call was cancelled finds all other parts alive, and what is freed later has
 * nothing pending.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/ssf/err.h"

struct server;

struct part {
	const char *name;
	int (*start)(struct server *s, struct ssf_err *err);
	/* The rest may be NULL. cancel and stop are also called when start has failed half way. */
	void (*drain)(struct server *s);
	bool (*is_drained)(const struct server *s);
	void (*cancel)(struct server *s);
	void (*stop)(struct server *s);
};

/* A table and how far it has started. */
struct part_list {
	const struct part *parts;
	size_t count;
	size_t started; /* including one that failed half way */
};

/* After a failure l->started is the part that failed; the caller stops the list. */
ssf_nodiscard int part_list_start(struct part_list *l, struct server *s, struct ssf_err *err);
void part_list_drain(struct part_list *l, struct server *s);
bool part_list_is_drained(const struct part_list *l, const struct server *s);
/* Cancels, then stops. The list may be started again. */
void part_list_stop(struct part_list *l, struct server *s);
