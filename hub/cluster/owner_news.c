/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes tell each other: NOTIFY that there is something, which may get lost, and their row in
 * "member" of what they have taken over, which is what counts. A NOTIFY is a transaction of its own on
 * the session, because those that carry one take turns at a lock of the whole server.
 */
#include "hub/cluster/owner_priv.h"

#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <stdio.h>
#include <stdlib.h>

#define SAY_MS 5
#define ASK_MS 100
#define SLACK_MS 500

static const struct {
	unsigned what;
	char letter;
} letters[] = { { SAY_EVENTS, 'e' }, { SAY_CHANGES, 'c' }, { SAY_KEYS, 'k' }, { SAY_UNITS, 'u' } };
#define LETTER_APPLIED 'a' /* as in stmt.def */

struct owner_wait {
	LIST_ENTRY(owner_wait) link;
	struct owner *owner;
	enum owner_news what;
	int64_t number;
	int64_t until_ms;
	bool asked; /* for it, too: who joined before the change is among those who are asked */
	loop_f *f;
	void *arg;
};

static void ask(struct owner *o);

/* --- saying ------------------------------------------------------------------------------------------- */

static void say_now(struct owner *o)
{
	char payload[8];
	size_t len = 0;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(letters); i++) {
		if (o->to_say & letters[i].what)
			payload[len++] = letters[i].letter;
	}
	payload[len] = '\0';
	o->to_say = 0;
	o->said_ms = loop_now_ms();
	/* if it fails, the others find out by themselves, within a second */
	if (db_exec_detached(o->db, STMT_owner_say, DB_PARAMS(db_param_text(payload)), NULL, NULL, NULL) < 0)
		log_debug("owner.say.failed");
}

static void on_say(void *arg)
{
	struct owner *o = arg;

	o->say_timer = NULL;
	say_now(o);
}

void news_say(struct owner *o, unsigned what)
{
	int64_t wait = o->said_ms + SAY_MS - loop_now_ms();

	if (o->stopped || owner_others(o) == 0)
		return;
	o->to_say |= what;
	if (o->say_timer == NULL && wait <= 0)
		say_now(o);
	else if (o->say_timer == NULL)
		o->say_timer = loop_timer_start(o->loop, wait, on_say, o);
}

void owner_say(struct owner *o, enum owner_news what)
{
	news_say(o, what == OWNER_EVENTS ? SAY_EVENTS : what == OWNER_CHANGES ? SAY_CHANGES : SAY_KEYS);
}

/* --- hearing ------------------------------------------------------------------------------------------- */

void news_notified(void *arg, const char *payload)
{
	struct owner *o = arg;

	for (; *payload != '\0' && o->joined; payload++) {
		switch (*payload) {
		case 'e':
			o->news(o->arg, OWNER_EVENTS, 0);
			break;
		case 'c':
			o->news(o->arg, OWNER_CHANGES, 0);
			break;
		case 'k':
			o->news(o->arg, OWNER_KEYS, 0);
			break;
		case 'u':
			owner_look(o);
			break;
		case LETTER_APPLIED:
			ask(o);
			break;
		default: /* of a newer version of this program */
			break;
		}
	}
}

void news_heard(struct owner *o, enum owner_news what, int64_t n, int64_t since_ms)
{
	struct numbered *x = &o->numbers[what];

	if (n > x->heard)
		x->heard = n;
	if (x->heard <= x->applied)
		return;
	if (x->behind_ms == 0)
		x->behind_ms = since_ms;
	o->news(o->arg, what, x->heard);
}

bool news_is_late(const struct owner *o)
{
	for (int i = 0; i < OWNER_NUMBERED; i++) {
		int64_t since = o->numbers[i].behind_ms;
		if (since != 0 && owner_clock_ms() - since >= OWNER_FRESH_MS)
			return true;
	}
	return false;
}

/* --- what is taken over here ---------------------------------------------------------------------------- */

static void tell(struct owner *o);

static void on_told(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct owner *o = arg;

	(void)r;
	(void)err; /* the tick says it again */
	o->telling = NULL;
	if (o->tell_again)
		tell(o);
}

static void tell(struct owner *o)
{
	o->tell_again = o->telling != NULL;
	if (o->tell_again || !o->joined || owner_others(o) == 0)
		return;
	if (db_exec(o->db, STMT_owner_applied,
		    DB_PARAMS(db_param_uuid(o->id), db_param_int(o->numbers[OWNER_CHANGES].applied),
			      db_param_int(o->numbers[OWNER_KEYS].applied)),
		    on_told, o, &o->telling, NULL) < 0)
		return; /* the tick says it again */
}

void owner_applied(struct owner *o, enum owner_news what, int64_t n)
{
	struct numbered *x = &o->numbers[what];

	if (n <= x->applied)
		return;
	x->applied = n;
	if (n >= x->heard)
		x->behind_ms = 0;
	if (o->stopped || !o->started)
		return;
	tell(o);
	owner_gate(o);
}

/* --- what is taken over by all --------------------------------------------------------------------------- */

void owner_settle_cancel(struct owner_wait *w)
{
	if (w == NULL)
		return;
	LIST_REMOVE(w, link);
	free(w);
}

static void settle(struct owner_wait *w)
{
	loop_f *f = w->f;
	void *arg = w->arg;

	owner_settle_cancel(w);
	f(arg);
}

static const int64_t nothing[OWNER_NUMBERED] = { -1, -1 };

/* least: what the others have taken over. A callback may start and cancel waits. */
static void settle_all(struct owner *o, const int64_t least[OWNER_NUMBERED])
{
	LIST_HEAD(, owner_wait) done = LIST_HEAD_INITIALIZER(done);
	struct owner_wait *w, *next;
	int64_t now = loop_now_ms();

	for (w = LIST_FIRST(&o->waits); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		bool settled = w->asked && w->number <= least[w->what];
		if (!settled && now < w->until_ms)
			continue;
		if (!settled)
			log_warn("owner.settle.late", log_int("number", w->number));
		LIST_REMOVE(w, link);
		LIST_INSERT_HEAD(&done, w, link);
	}
	while (!LIST_EMPTY(&done))
		settle(LIST_FIRST(&done));
}

static void on_ask(void *arg)
{
	struct owner *o = arg;

	o->ask_timer = NULL;
	ask(o);
}

static void on_asked(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct owner *o = arg;
	int64_t least[OWNER_NUMBERED];

	o->asking = NULL;
	if (err == NULL) {
		least[OWNER_CHANGES] = db_int(r, 0, 0);
		least[OWNER_KEYS] = db_int(r, 0, 1);
	}
	settle_all(o, err == NULL ? least : nothing);
	if (o->ask_again)
		ask(o);
	else if (!LIST_EMPTY(&o->waits) && o->ask_timer == NULL && !o->stopped)
		o->ask_timer = loop_timer_start(o->loop, ASK_MS, on_ask, o);
}

/* Asks the database rather than what we know of: somebody may have joined since. */
static void ask(struct owner *o)
{
	struct owner_wait *w;

	o->ask_again = o->asking != NULL;
	if (o->ask_again || LIST_EMPTY(&o->waits) || o->stopped)
		return;
	loop_timer_cancel(o->ask_timer);
	o->ask_timer = NULL;
	LIST_FOREACH(w, &o->waits, link)
		w->asked = true;
	if (db_exec(o->db, STMT_owner_others, DB_PARAMS(db_param_uuid(o->id)), on_asked, o, &o->asking, NULL) == 0)
		return;
	settle_all(o, nothing); /* those whose time is over */
	if (!LIST_EMPTY(&o->waits) && o->ask_timer == NULL)
		o->ask_timer = loop_timer_start(o->loop, ASK_MS, on_ask, o);
}

int owner_settle_start(struct owner *o, enum owner_news what, int64_t n, loop_f *f, void *arg,
		       struct owner_wait **out, struct ssf_err *err)
{
	struct owner_wait *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "change");
	*w = (struct owner_wait){ .owner = o, .what = what, .number = n, .f = f, .arg = arg,
				  .until_ms = loop_now_ms() + OWNER_FRESH_MS + SLACK_MS };
	LIST_INSERT_HEAD(&o->waits, w, link);
	owner_say(o, what);
	if (o->asking != NULL)
		o->ask_again = true;
	loop_timer_cancel(o->ask_timer);
	o->ask_timer = loop_timer_start(o->loop, 0, on_ask, o);
	*out = w;
	return 0;
}

/* --- life ------------------------------------------------------------------------------------------------ */

void news_session(struct owner *o)
{
	o->news(o->arg, OWNER_EVENTS, 0);
	news_say(o, SAY_UNITS);
}

void news_stop(struct owner *o)
{
	loop_timer_cancel(o->say_timer);
	o->say_timer = NULL;
	loop_timer_cancel(o->ask_timer);
	o->ask_timer = NULL;
	while (!LIST_EMPTY(&o->waits))
		settle(LIST_FIRST(&o->waits));
}
