/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of hub/deliver share. */
#pragma once

#include "hub/deliver/deliver.h"
#include "hub/deliver/outlet.h"

struct deliver {
	struct loop *loop;
	struct deliver_conf conf;
	struct db *db;
	struct event_log *log;
	struct registry *registry;
	struct keys *keys;
	const struct master_key *master;
	struct http_client *client;
	LIST_HEAD(, outlet) outlets;
	size_t watches;

	struct loop_tick *tick;       /* checkpoints */
	struct db_op *checkpoint;

	bool draining;
	loop_f *drained;
	void *drained_arg;
	struct loop_timer *drain_deadline;
};

/* deliver.c */
struct outlet *deliver_find(const struct deliver *d, const char *id); /* or NULL */
/* watch.c */
void watch_settled(struct outlet *o, int64_t seq, bool delivered);
void watch_end_all(struct outlet *o, enum deliver_fate fate);
/* outlet.c */
struct outlet *outlet_new(struct deliver *d, struct stream *s); /* takes s, also when it fails; NULL: no memory */
void outlet_free(struct outlet *o);
void outlet_reconfigure(struct outlet *o, struct stream *s);    /* takes s */
void outlet_fill(struct outlet *o);                             /* read on, if there is room */
