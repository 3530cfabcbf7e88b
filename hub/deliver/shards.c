/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns which shards are ours. Handing one over: nothing begins, what is under way ends, where its
 * streams are is saved, and only then it is given back: nothing of it is sent twice, or is missing.
 */
#include "hub/deliver/shards.h"

#include "hub/deliver/deliver_priv.h"
#include "lib/kit/log.h"

#include <string.h>

#define RETRY_MS 50 /* of a checkpoint that failed */

bool shards_have(const struct deliver *d, int shard)
{
	return d->shards[shard].held;
}

bool shards_act(const struct outlet *o)
{
	return !o->deliver->shards[o->shard].yielding && owner_acts(o->deliver->owner, o->shard);
}

static void set_yielding(struct deliver *d, int unit, bool yielding)
{
	struct shard *s = &d->shards[unit];

	if (s->yielding != yielding)
		d->yields += yielding ? 1 : -1;
	s->yielding = yielding;
}

/* --- taken ------------------------------------------------------------------------------------------- */

/* All that were taken in one turn, by one look at the streams. */
static void on_fill(void *arg)
{
	struct deliver *d = arg;
	const char *id;
	json_t *spec;

	d->fill_shards = NULL;
	json_object_foreach((json_t *)registry_all(d->registry, KIND_STREAM), id, spec) {
		if (shards_have(d, owner_shard(id)) && deliver_find(d, id) == NULL)
			deliver_stream_changed(d, id, spec);
	}
}

static void on_taken(void *arg, int unit, bool kept)
{
	struct deliver *d = arg;
	struct shard *s = &d->shards[unit];
	struct outlet *o;

	s->held = true;
	if (kept) {
		LIST_FOREACH(o, &s->outlets, shard_link) {
			o->dirty = o->loaded; /* what could not be saved meanwhile */
			push_kick(o);
			poll_wake(o);
		}
	} else if (d->fill_shards == NULL) {
		d->fill_shards = loop_defer_start(d->loop, on_fill, d);
	}
}

/* --- not ours any more ------------------------------------------------------------------------------- */

/* What is under way may end, and is remembered in case that the shard comes back. */
static void on_paused(void *arg, int unit)
{
	set_yielding(arg, unit, false);
}

static void on_lost(void *arg, int unit)
{
	struct deliver *d = arg;
	struct shard *s = &d->shards[unit];

	set_yielding(d, unit, false);
	s->held = false;
	while (!LIST_EMPTY(&s->outlets))
		outlet_free(LIST_FIRST(&s->outlets), DELIVER_STOPPED);
}

/* --- handing over ------------------------------------------------------------------------------------ */

static bool is_burying(const struct outlet *o)
{
	const struct entry *e;

	TAILQ_FOREACH(e, &o->entries, link) {
		if (e->burying)
			return true;
	}
	return false;
}

static bool is_idle(const struct shard *s)
{
	const struct outlet *o;

	LIST_FOREACH(o, &s->outlets, shard_link) {
		if (o->in_flight > 0 || is_burying(o))
			return false;
	}
	return true;
}

/* Marks what a checkpoint has still to save; false if that is nothing. */
static bool has_unsaved(const struct shard *s)
{
	struct outlet *o;
	bool any = false;

	LIST_FOREACH(o, &s->outlets, shard_link) {
		outlet_mark(o);
		any = any || o->dirty;
	}
	return any;
}

static void on_shards(void *arg)
{
	struct deliver *d = arg;
	bool wanted = false;

	d->kick_shards = NULL;
	for (int i = 0; i < OWNER_SHARDS; i++) {
		struct shard *s = &d->shards[i];
		if (!s->yielding || !is_idle(s))
			continue;
		if (has_unsaved(s) || d->checkpoint != NULL) {
			wanted = true;
			continue;
		}
		on_lost(d, i);
		owner_yielded(d->owner, i);
	}
	if (!wanted)
		return;
	deliver_checkpoint(d); /* comes back when it has ended */
	if (d->checkpoint == NULL)
		shards_retry(d);
}

void shards_kick(struct deliver *d)
{
	if (d->kick_shards == NULL && d->yields > 0)
		d->kick_shards = loop_defer_start(d->loop, on_shards, d);
}

static void on_retry(void *arg)
{
	struct deliver *d = arg;

	d->retry_shards = NULL;
	shards_kick(d);
}

void shards_retry(struct deliver *d)
{
	if (d->retry_shards == NULL && d->yields > 0)
		d->retry_shards = loop_timer_start(d->loop, RETRY_MS, on_retry, d);
}

/* Who waits for one of its streams asks again, and is led to where it is then. */
static void on_yield(void *arg, int unit)
{
	struct deliver *d = arg;
	struct outlet *o;

	set_yielding(d, unit, true);
	LIST_FOREACH(o, &d->shards[unit].outlets, shard_link) {
		if (o->live) /* new events are for whoever comes next */
			outlet_behind(o, outlet_scan(o));
		poll_stop(o);
		watch_end_all(o, DELIVER_STOPPED);
	}
	shards_kick(d);
}

static const struct owner_hooks hooks = { on_taken, on_paused, on_lost, on_yield };

void shards_init(struct deliver *d)
{
	for (int i = 0; i < OWNER_SHARDS; i++)
		LIST_INIT(&d->shards[i].outlets);
	owner_attend(d->owner, 0, OWNER_SHARDS, &hooks, d);
}

void shards_stop(struct deliver *d)
{
	loop_defer_cancel(d->kick_shards);
	d->kick_shards = NULL;
	loop_timer_cancel(d->retry_shards);
	d->retry_shards = NULL;
	loop_defer_cancel(d->fill_shards);
	d->fill_shards = NULL;
}
