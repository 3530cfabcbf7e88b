/* SPDX-License-Identifier: Apache-2.0 */
/* What owner.c and owner_news.c share. */
#pragma once

#include <jansson.h>
#include <sys/queue.h>

#include "hub/db/db.h"
#include "hub/cluster/owner.h"

enum unit_state {
	UNIT_FREE,     /* not ours */
	UNIT_TAKEN,    /* ours, and told when all that had changed before is known here */
	UNIT_ACTING,
	UNIT_YIELDING, /* ours until what is under way has ended */
	UNIT_YIELDED,  /* to be unlocked */
	UNIT_PAUSED,   /* it was ours when the session broke */
};

struct unit {
	enum unit_state state;
	int64_t epoch;
	bool kept;
	int64_t after[OWNER_NUMBERED]; /* of changes, that have to be known first */
	const struct owner_hooks *hooks;
	void *arg;
};

/* Of what is numbered: what is known here, what was heard of, and since when it is owed. */
struct numbered {
	int64_t applied;
	int64_t heard;
	int64_t behind_ms; /* by owner_clock_ms(); 0: not behind */
};

struct owner {
	struct loop *loop;
	struct db *db;                 /* one connection: the session */
	char id[OWNER_ID_LEN];
	char *url;
	loop_f *ready;
	void (*news)(void *arg, enum owner_news what, int64_t n);
	void *arg;

	bool started, told_ready, stopped;
	bool joined;                   /* the session takes part */
	bool fresh_join;               /* and has not been answered since */
	struct db_op *op;              /* join, tick, release or leave */
	int64_t asked_ms, fresh_ms;    /* when the last tick was sent, and the last that was answered: owner_clock_ms() */
	bool again;                    /* another tick is wanted at once */
	struct loop_timer *timer;
	struct loop_defer *kick;
	struct unit units[OWNER_UNITS];
	size_t share;
	json_t *members;               /* array of {"owner","url",...}; NULL: not known */
	json_t *owners;                /* array by unit: owner or null; NULL: we are alone */

	bool leaving;
	loop_f *left;
	void *left_arg;

	/* owner_news.c */
	struct numbered numbers[OWNER_NUMBERED];
	struct db_op *telling, *asking;
	bool tell_again, ask_again;
	unsigned to_say;               /* bits of enum say */
	int64_t said_ms;
	struct loop_timer *say_timer, *ask_timer;
	LIST_HEAD(, owner_wait) waits;
};

enum say { SAY_EVENTS = 1, SAY_CHANGES = 2, SAY_KEYS = 4, SAY_UNITS = 8 };

/* owner.c */
int64_t owner_clock_ms(void); /* monotonic; goes on while the machine sleeps, as others do */
void owner_gate(struct owner *o); /* something has been applied */
/* owner_news.c */
void news_notified(void *arg, const char *payload);
void news_say(struct owner *o, unsigned what);
/* What a tick has learnt, and that cannot be older than since_ms. */
void news_heard(struct owner *o, enum owner_news what, int64_t n, int64_t since_ms);
bool news_is_late(const struct owner *o); /* something has been owed for too long */
void news_session(struct owner *o); /* there is a session again */
void news_stop(struct owner *o);
