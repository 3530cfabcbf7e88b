/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process does what, when several work on one database (docs/adr/0010-units-locks-epochs.md).
 *
 * The work is divided into units: shards of streams, and what only one process may do. A process
 * takes its fair share of them by advisory locks on a session of its own, so that those of a process
 * that dies are free at once, and hands over what is too much. Every acquisition raises the unit's
 * epoch; what is written on behalf of a unit names owner and epoch, and is refused by the database
 * when they are not the unit's any more. When the session breaks, the process acts for none of them
 * from that moment on.
 *
 * Whoever does a unit's work attends to it:
 *
 *   free -> taken -> (yield asked -> owner_yielded -> free)
 *                 -> paused (the session is gone) -> taken, kept, or lost
 *
 * Through the same session processes tell each other that there is news, and how much of it they have
 * taken over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

#define OWNER_SHARDS 64
enum owner_unit {
	OWNER_RULES = OWNER_SHARDS,
	OWNER_ATTRIBUTION,
	OWNER_UNITS
};

#define OWNER_ID_LEN 37
/*
 * How long a process acts without an answer of the database to say that it may, and with news that it
 * has not taken over. Who has not been heard of for longer sends nothing any more.
 */
#define OWNER_FRESH_MS 3000

struct owner;
struct owner_wait;

/* The unit of a stream, as shard_of() in sql/schema has it. */
int owner_shard(const char *stream);

/* What processes tell each other of. Changes and keys are numbered. */
enum owner_news {
	OWNER_CHANGES, /* of resources */
	OWNER_KEYS,    /* of the signing keys */
	OWNER_NUMBERED,
	OWNER_EVENTS = OWNER_NUMBERED /* in the log */
};

struct owner_conf {
	const char *conninfo;
	int timeout_ms; /* of a statement */
	const char *url; /* where other processes reach this one */
	loop_f *ready;   /* once: it takes part, with what it could take at first */
	/* There is news: up to number n; 0: it is not known how much. */
	void (*news)(void *arg, enum owner_news what, int64_t n);
	void *arg;
};

/* Strings are copied. The session is made at once; what else it does begins with owner_start(). */
ssf_nodiscard int owner_new(struct loop *loop, const struct owner_conf *conf, struct owner **out,
			    struct ssf_err *err);
void owner_free(struct owner *o); /* NULL is fine */
/* For the end: the session is closed, no hook is called any more. */
void owner_stop(struct owner *o);

/* Takes part from now on. Before: attend to all units, tell what has been taken over. */
void owner_start(struct owner *o);
/* Takes part and has a session. */
bool owner_is_up(const struct owner *o);

/*
 * Who does the work of units. All is told from the loop, never from inside a call.
 * taken: this process acts for the unit. kept: nobody else has since it was paused here.
 * paused: it must not, until the unit is taken again or lost; what is known of it may be kept.
 * lost: forget it.
 * yield: begin nothing any more; when nothing is under way and all is saved, owner_yielded().
 */
struct owner_hooks {
	void (*taken)(void *arg, int unit, bool kept);
	void (*paused)(void *arg, int unit);
	void (*lost)(void *arg, int unit);
	void (*yield)(void *arg, int unit);
};
/* hooks is kept by reference. */
void owner_attend(struct owner *o, int first, int count, const struct owner_hooks *hooks, void *arg);
void owner_yielded(struct owner *o, int unit); /* after yield; may be from inside of it */

/* Whether it may begin something for the unit now. */
bool owner_acts(const struct owner *o, int unit);
/* Whether it may save what it has done for the unit: also while it is being handed over. */
bool owner_holds(const struct owner *o, int unit);
size_t owner_units(const struct owner *o); /* that it acts for */
/* Who it is and under which epoch the unit is (or was last) its: for what it writes. */
const char *owner_id(const struct owner *o);
int64_t owner_epoch(const struct owner *o, int unit);
/* A write under this epoch was refused: if it is still the unit's, the session is given up. */
void owner_refused(struct owner *o, int unit, int64_t epoch);

/* Hands over all units, takes none, and takes part no more: done is called once, from the loop. */
void owner_leave(struct owner *o, loop_f *done, void *arg);

/* --- the others --------------------------------------------------------------------------------- */

size_t owner_others(const struct owner *o); /* as far as is known */
/* Of the unit's owner, borrowed until the loop turns; NULL: nobody whom we know, or it is moving. */
struct owner_peer {
	const char *id;
	const char *url;
	bool self;
};
bool owner_find(const struct owner *o, int unit, struct owner_peer *out);
/* Calls f for each process that takes part, but this one. */
void owner_each(const struct owner *o, void (*f)(void *arg, const struct owner_peer *peer), void *arg);
/* Looks at once who owns what: somebody said that a unit has moved. */
void owner_look(struct owner *o);

/* Tells the others that there is news; soon, and not for every call. */
void owner_say(struct owner *o, enum owner_news what);
/* All up to number n has been taken over here. */
void owner_applied(struct owner *o, enum owner_news what, int64_t n);
/*
 * Tells the others of a change, and calls f when each has taken it over, or has been silent for so long
 * that it has stopped to act. Once, from the loop.
 */
ssf_nodiscard int owner_settle_start(struct owner *o, enum owner_news what, int64_t n, loop_f *f,
				     void *arg, struct owner_wait **out, struct ssf_err *err);
void owner_settle_cancel(struct owner_wait *w);
