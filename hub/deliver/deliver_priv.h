/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of hub/deliver share. */
#pragma once

#include "hub/deliver/deliver.h"
#include "hub/deliver/endpoint.h"
#include "hub/deliver/outlet.h"
#include "hub/deliver/shards.h"
#include "hub/streams/index.h"

struct deliver {
	struct loop *loop;
	struct deliver_conf conf;
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	struct keys *keys;
	const struct master_key *master;
	struct http_client *client;
	size_t pushing;               /* streams with pushes in flight */
	LIST_HEAD(, outlet) outlets;
	struct stream_index *index; /* of all outlets */
	LIST_HEAD(, endpoint) endpoints;
	size_t watches;

	/*
	 * New events are handed out once, to those who may want them (dispatch.c). Up to here they are;
	 * an outlet that is live has seen them all, the others read on by themselves.
	 */
	int64_t live;
	bool started;             /* live is known */
	struct loop_defer *dispatch;
	struct outlet **found;    /* by the index, for one event */
	size_t found_count, found_room;
	bool found_failed;

	struct shard shards[OWNER_SHARDS];
	int yields;                   /* shards that are being handed over */
	struct loop_defer *fill_shards, *kick_shards;
	struct loop_timer *retry_shards;

	/* Where streams are is read for all that are new at once. */
	TAILQ_HEAD(, outlet) to_load, loading;
	struct db_op *load;
	struct loop_defer *load_soon;

	struct loop_tick *tick;       /* checkpoints */
	struct db_op *checkpoint;
	int64_t checkpoint_began_ms;
	int64_t checkpoint_next_ms;   /* not before that */
	int64_t checkpoint_size;      /* streams in the last one */
	int64_t checkpoint_count;
	json_t *saving_units, *saving_epochs; /* what the one under way is about: arrays */
	json_t *gone;                 /* object: by id, streams that are deleted and may still be in the checkpoint */

	bool draining;
	loop_f *drained;
	void *drained_arg;
	struct loop_timer *drain_deadline;
};

/* deliver.c */
struct outlet *deliver_find(const struct deliver *d, const char *id); /* or NULL */
void deliver_stream_changed(struct deliver *d, const char *id, const json_t *spec); /* NULL: it is gone */
/* Saves what is to be saved of the shards that act, unless that is being done already. */
void deliver_checkpoint(struct deliver *d);
/* load.c */
void load_soon(struct outlet *o); /* where it is, when the current callback has returned */
void load_retry(struct deliver *d);
void load_forget(struct outlet *o);
void load_stop(struct deliver *d);
/* Where it has come to, as checkpoints save it; NULL: no memory. */
json_t *outlet_state(const struct outlet *o);
/* dispatch.c */
void dispatch_head(void *arg, int64_t head); /* event_log_f */
/* watch.c */
void watch_settled(struct outlet *o, int64_t seq, bool delivered);
void watch_end_all(struct outlet *o, enum deliver_fate fate);
/* outlet.c */
struct outlet *outlet_new(struct deliver *d, struct stream *s); /* takes s, also when it fails; NULL: no memory */
void outlet_free(struct outlet *o, enum deliver_fate fate);     /* fate: of who watches */
void outlet_loaded(struct outlet *o, const struct db_result *r, size_t row); /* of stream_positions */
void outlet_mark(struct outlet *o);                             /* dirty, if anything is not saved */
void outlet_reconfigure(struct outlet *o, struct stream *s);    /* takes s */
void outlet_fill(struct outlet *o);                             /* read on, if there is room */
void outlet_offer(struct outlet *o, struct event *e);           /* a new event, to one that is live */
void outlet_behind(struct outlet *o, int64_t scan);             /* is live no more: reads on from there */
