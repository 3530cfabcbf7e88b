/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for the fate of one event of a stream. A watch belongs to its outlet, and changes nothing
 * of what is delivered.
 */
#include "hub/deliver/deliver_priv.h"

#include <stdlib.h>

struct deliver_watch {
	LIST_ENTRY(deliver_watch) link;
	struct outlet *outlet;
	int64_t seq;
	int64_t began_ms;          /* since 1970, as the outlet's times */
	struct loop_timer *timer;
	struct loop_defer *settled; /* it was when the watch began */
	deliver_watch_f *f;
	void *arg;
};

void deliver_watch_cancel(struct deliver_watch *w)
{
	if (w == NULL)
		return;
	LIST_REMOVE(w, link);
	w->outlet->deliver->watches--;
	loop_timer_cancel(w->timer);
	loop_defer_cancel(w->settled);
	free(w);
}

static void end(struct deliver_watch *w, enum deliver_fate fate)
{
	const struct outlet *o = w->outlet;
	bool fails = o->failures > 0 || o->error_at_ms >= w->began_ms;
	char jti[KEYS_JTI_LEN];
	struct deliver_seen seen = { fate, jti, fate != DELIVER_TAKEN && fails ? o->error : NULL };
	deliver_watch_f *f = w->f;
	void *arg = w->arg;

	keys_jti(o->deliver->keys, w->seq, o->stream->audience, jti);
	deliver_watch_cancel(w);
	f(arg, &seen);
}

static void on_late(void *arg)
{
	struct deliver_watch *w = arg;

	w->timer = NULL;
	end(w, DELIVER_LATE);
}

static void on_settled_before(void *arg)
{
	struct deliver_watch *w = arg;

	w->settled = NULL;
	end(w, DELIVER_TAKEN);
}

void watch_settled(struct outlet *o, int64_t seq, bool delivered)
{
	struct deliver_watch *w, *next;

	for (w = LIST_FIRST(&o->watches); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (w->seq == seq)
			end(w, delivered ? DELIVER_TAKEN : DELIVER_BURIED);
	}
}

void watch_end_all(struct outlet *o, enum deliver_fate fate)
{
	while (!LIST_EMPTY(&o->watches))
		end(LIST_FIRST(&o->watches), fate);
}

int deliver_watch_start(struct deliver *d, const char *stream, int64_t seq, int64_t ms,
			deliver_watch_f *f, void *arg, struct deliver_watch **out, struct ssf_err *err)
{
	struct outlet *o = deliver_find(d, stream);
	struct deliver_watch *w;

	if (o == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	if (d->draining)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	if (d->watches >= DELIVER_WATCHES_MAX)
		return ssf_fail(err, SSF_E_BUSY, "%d tests are under way", DELIVER_WATCHES_MAX);
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "watch");
	*w = (struct deliver_watch){ .outlet = o, .seq = seq, .began_ms = wall_now_ms(), .f = f, .arg = arg };
	LIST_INSERT_HEAD(&o->watches, w, link);
	d->watches++;
	w->timer = loop_timer_start(d->loop, ms, on_late, w);
	if (outlet_is_settled(o, seq))
		w->settled = loop_defer_start(d->loop, on_settled_before, w);
	if (w->timer == NULL) {
		deliver_watch_cancel(w);
		return ssf_fail(err, SSF_E_NOMEM, "watch");
	}
	push_hurry(o);
	*out = w;
	return 0;
}
