/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursor and lease protocol: how events get from the log to receivers while processes share the
 * streams, die, and act on after they have lost them. tests/model/check.sh verifies it, and that
 * each MUTATION below breaks it, so that it is known to have teeth.
 *
 *   producers   append under one lock; a transaction that fails leaves a gap in seq
 *   hubs        own a shard of streams by an advisory lock. acquire() is one transaction: epoch + 1,
 *               owner := me, the state copied from the checkpoint of the owner before. Then: read on,
 *               send, and checkpoint, which is refused unless owner and epoch are still theirs. Who has
 *               lost the lock stops when it learns of it, and goes on with what it has in memory if
 *               nobody else has owned the shard since.
 *   faults      a hub dies and comes back without its memory, while its last statements may still be
 *               carried out; the server ends its session, and with that its lock, and it does not
 *               know; an acknowledgement is lost; a checkpoint is not answered, and another is sent,
 *               which may be carried out first
 *
 * Here one stream stands for a shard. Where a stream is (a cursor, and what is settled above it) is
 * one set of seqs: those below the cursor and those above. The number of faults is bounded and
 * everything else makes progress, so every run ends, and what holds at its end is liveness:
 *
 *   1. what was committed is at the receiver at the end, and stored as settled
 *   2. what is stored as settled is at the receiver (what never commits needs not be)
 *   3. what is stored never goes back
 *   4. one epoch, one actor: who saves successfully under an epoch is always the same process
 *   5. first arrivals of a subject are in the order of the log
 */
#ifndef SHARDS
#define SHARDS 1        /* 1 or 2 */
#endif
#ifndef EVENTS
#define EVENTS 3        /* seqs 1 to EVENTS, at most 3; odd ones have one subject, even ones another */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef RELEASES
#define RELEASES 1      /* shards handed over in an orderly way */
#endif
#define HUBS 2
#define NOBODY HUBS     /* its row is what stands in the database before anybody has owned a shard */
#define EPOCHS (HUBS + FAULTS + RELEASES + 2)

/* Each breaks one rule of the protocol. */
#define NO_APPEND_LOCK 1  /* producers append without the lock */
#define NO_FENCE 2        /* a checkpoint looks neither at owner nor epoch */
#define SAVED_BEFORE_ACK 3 /* the cursor that is saved is how far was read */
#define SAME_EPOCH 4      /* acquiring leaves the epoch as it is */
#define READ_BEFORE_EPOCH 5 /* the state is read, and the epoch taken later */
#define ROW_REPLACED 6    /* a checkpoint also drops what was acquired since it was composed */
#define LATE_ONES_COUNT 7 /* a checkpoint is carried out although a later one has been */
#define KEPT_ANYWAY 8     /* memory is kept although somebody else has owned the shard since */
#ifndef MUTATION
#define MUTATION 0
#endif

#define BIT(q) (1 << (q))
#define UP_TO(q) ((1 << ((q) + 1)) - 1)

/* --- what PostgreSQL holds --------------------------------------------------------------------- */

byte next_seq = 1;
byte committed;           /* events that can be read; each has been answered 202 */
bool append_lock;
byte lock[SHARDS];        /* advisory: who has it, or NOBODY */
byte owner[SHARDS];
byte epoch[SHARDS];

typedef row_t { bool has[SHARDS]; byte settled[SHARDS] };
row_t row[HUBS + 1];      /* the last one is NOBODY's */

/* Checkpoints on their way to the server; they get there although their sender dies, in any order. */
typedef statement_t {
	bool sent; bool younger; bool overtaken; byte actor;
	bool has[SHARDS]; byte epoch[SHARDS]; byte settled[SHARDS]
};
typedef statements_t { statement_t slot[2] };
statements_t way[HUBS];

/* --- what hubs have in memory ------------------------------------------------------------------ */

typedef held_t { bool mine; bool paused; bool releasing; byte epoch; byte scan; byte settled; byte saved };
typedef hub_t { byte life; held_t shard[SHARDS] };
hub_t hub[HUBS];

byte faults = FAULTS;
byte releases = RELEASES;

/* --- receivers, and what is only watched ------------------------------------------------------- */

byte received[SHARDS];
byte stored[SHARDS];      /* what counts as settled in the database, as of the last transaction */
typedef epochs_t { byte actor[EPOCHS] };
epochs_t acted[SHARDS];

inline look_at_stored(s)
{
	assert(row[owner[s]].has[s]);
	assert((stored[s] & ~row[owner[s]].settled[s]) == 0);                    /* 3 */
	stored[s] = row[owner[s]].settled[s];
	assert((stored[s] & committed & ~received[s]) == 0)                      /* 2 */
}

/* --- producers ----------------------------------------------------------------------------------- */

proctype producer()
{
	byte seq;
	byte i;

	do
	:: atomic { next_seq <= EVENTS && (!append_lock || MUTATION == NO_APPEND_LOCK) ->
			append_lock = true; seq = next_seq; next_seq++ }
		if
		:: d_step { committed = committed | BIT(seq);
				i = 0;
				do
				:: i < SHARDS -> assert((stored[i] & BIT(seq)) == 0); i++ /* 2 */
				:: else -> break
				od;
				append_lock = false; seq = 0; i = 0 }
		:: d_step { faults > 0 -> faults--; append_lock = false; seq = 0 } /* rolled back: a gap */
		fi
	:: next_seq > EVENTS -> break
	od
}

/* --- hubs ---------------------------------------------------------------------------------------- */

#define H(s) hub[me].shard[s]

inline forget(s)
{
	H(s).mine = false;
	H(s).paused = false;
	H(s).releasing = false;
	H(s).epoch = 0;
	H(s).scan = 0;
	H(s).settled = 0;
	H(s).saved = 0
}

/* The state that a new owner begins with: all below the first that is not settled has been read. */
inline take_state(s, value)
{
	H(s).settled = value;
	H(s).saved = value;
	H(s).scan = 0;
	do
	:: H(s).settled & BIT(H(s).scan + 1) -> H(s).scan = H(s).scan + 1
	:: else -> break
	od
}

inline take_epoch(s)
{
	if
	:: MUTATION != SAME_EPOCH || epoch[s] == 0 -> epoch[s] = epoch[s] + 1
	:: else
	fi;
	H(s).mine = true;
	H(s).paused = false;
	H(s).epoch = epoch[s]
}

inline become_owner(s)
{
	row[me].settled[s] = H(s).settled;
	row[me].has[s] = true;
	owner[s] = me;
	look_at_stored(s)
}

/* The next that can be read; what is passed over never comes, if appending keeps its promise. */
inline read_on(s)
{
	H(s).scan = H(s).scan + 1;
	do
	:: (committed & BIT(H(s).scan)) == 0 ->
		H(s).settled = H(s).settled | BIT(H(s).scan);
		H(s).scan = H(s).scan + 1
	:: else -> break
	od;
	skip /* a d_step may not end with a loop */
}

inline receive(s, q)
{
	if
	:: (received[s] & BIT(q)) == 0 ->
		assert(q < 3 || (committed & BIT(q - 2) & ~received[s]) == 0);    /* 5 */
		received[s] = received[s] | BIT(q)
	:: else
	fi
}

#define MAY_SEND(s, q) (H(s).mine && !H(s).releasing && q <= H(s).scan && (H(s).settled & BIT(q)) == 0 && \
			(q < 3 || (H(s).settled & BIT(q - 2)) != 0))
#define TO_SAVE(s) (MUTATION == SAVED_BEFORE_ACK -> (H(s).settled | UP_TO(H(s).scan)) : H(s).settled)
#define DIRTY(s) (H(s).mine && TO_SAVE(s) != H(s).saved)

#define C way[me].slot[nth]
#define OTHER way[me].slot[1 - nth]

inline compose(s)
{
	C.has[s] = H(s).mine;
	C.epoch[s] = (H(s).mine -> H(s).epoch : 0);
	C.settled[s] = (H(s).mine -> TO_SAVE(s) : 0)
}

#define HOLDS(s) (!C.has[s] || MUTATION == NO_FENCE || (owner[s] == me && epoch[s] == C.epoch[s]))

/* An epoch that was not checked is nobody's claim. */
inline act(s)
{
	if
	:: C.has[s] && MUTATION != NO_FENCE ->
		assert(acted[s].actor[epoch[s]] == 0 || acted[s].actor[epoch[s]] == C.actor); /* 4 */
		acted[s].actor[epoch[s]] = C.actor
	:: else
	fi;
	if
	:: C.has[s] -> row[me].settled[s] = C.settled[s]; row[me].has[s] = true
	:: !C.has[s] && MUTATION == ROW_REPLACED -> row[me].has[s] = false; row[me].settled[s] = 0
	:: else
	fi;
	look_at_stored(s)
}

/* The hub hears of it, unless it has died, or taken the shard anew, since. */
#define ANSWERED(s) (C.has[s] && C.actor == ACTOR && H(s).mine && H(s).epoch == C.epoch[s])
#define ACTOR (1 + me + HUBS * hub[me].life)

inline heard(s)
{
	if
	:: ANSWERED(s) -> H(s).saved = C.settled[s]
	:: else
	fi
}

inline refused(s)
{
	if
	:: ANSWERED(s) && !HOLDS(s) -> forget(s)
	:: else
	fi
}

inline statement_over(s)
{
	C.has[s] = false;
	C.epoch[s] = 0;
	C.settled[s] = 0
}

inline free_lock(s)
{
	if
	:: lock[s] == me -> lock[s] = NOBODY
	:: else
	fi
}

#if SHARDS > 1
#define EACH(f) f(0); f(1)
#define ANY_DIRTY (DIRTY(0) || DIRTY(1))
#define ALL_HOLD (HOLDS(0) && HOLDS(1))
#else
#define EACH(f) f(0)
#define ANY_DIRTY DIRTY(0)
#define ALL_HOLD HOLDS(0)
#endif

/* Nobody else has owned it since: what is in memory is at least what is stored. */
#define KEPT(s) (H(s).paused && (MUTATION == KEPT_ANYWAY || (owner[s] == me && epoch[s] == H(s).epoch)))
#define SENT(n) way[me].slot[n].sent

/* What a hub does with a shard; every line is an instant, and between any two others act. */
#define DELIVER(s, q) \
	:: d_step { MAY_SEND(s, q) -> receive(s, q); H(s).settled = H(s).settled | BIT(q) } \
	:: d_step { MAY_SEND(s, q) && faults > 0 -> faults--; receive(s, q) }

#define WORK(s) \
	:: d_step { !H(s).mine && !KEPT(s) && lock[s] == NOBODY && MUTATION != READ_BEFORE_EPOCH -> \
			lock[s] = me; \
			assert(row[owner[s]].has[s]); \
			take_state(s, row[owner[s]].settled[s]); \
			take_epoch(s); \
			become_owner(s) } \
	:: d_step { !H(s).mine && KEPT(s) && lock[s] == NOBODY -> \
			lock[s] = me; \
			take_epoch(s); \
			owner[s] = me; \
			look_at_stored(s) } \
	:: d_step { !H(s).mine && !KEPT(s) && lock[s] == NOBODY && MUTATION == READ_BEFORE_EPOCH -> \
			lock[s] = me; \
			take_state(s, row[owner[s]].settled[s]) } \
		d_step { take_epoch(s); become_owner(s) } \
	:: d_step { H(s).mine && !H(s).releasing && (committed >> (H(s).scan + 1)) != 0 -> read_on(s) } \
	DELIVER(s, 1) \
	DELIVER(s, 2) \
	DELIVER(s, 3) \
	:: d_step { H(s).mine && !H(s).releasing && releases > 0 -> releases--; H(s).releasing = true } \
	:: d_step { H(s).releasing && !DIRTY(s) && !SENT(0) && !SENT(1) -> free_lock(s); forget(s) } \
	:: d_step { lock[s] == me && H(s).mine && faults > 0 -> faults--; lock[s] = NOBODY } \
	:: d_step { lock[s] != me && H(s).mine -> H(s).mine = false; H(s).paused = true; H(s).releasing = false }

inline send()
{
	EACH(compose);
	C.actor = ACTOR;
	C.younger = OTHER.sent;
	C.overtaken = false;
	C.sent = true;
	nth = 0
}

proctype process(byte me)
{
	byte nth;
end:
	do
	WORK(0)
#if SHARDS > 1
	WORK(1)
#endif
	/* one at a time; or the one before is not answered in time */
	:: d_step { ANY_DIRTY && !SENT(0) && !SENT(1) -> nth = 0; send() }
	:: d_step { ANY_DIRTY && (SENT(0) != SENT(1)) && faults > 0 ->
			faults--; nth = (SENT(0) -> 1 : 0); send() }
	:: d_step { faults > 0 -> faults--; EACH(free_lock); EACH(forget); hub[me].life++ }
	od
}

/* The server carries a checkpoint out, in one transaction, at any time after it was sent. */
proctype server(byte me; byte nth)
{
end:
	do
	:: d_step { C.sent ->
			if
			:: C.overtaken && MUTATION != LATE_ONES_COUNT
			:: else ->
				if
				:: ALL_HOLD ->
					EACH(act); EACH(heard);
					OTHER.overtaken = OTHER.sent && C.younger
				:: else -> EACH(refused)
				fi
			fi;
			EACH(statement_over); OTHER.younger = false;
			C.actor = 0; C.younger = false; C.overtaken = false; C.sent = false }
	od
}

/* --- the end --------------------------------------------------------------------------------------- */

inline at_the_end(s)
{
	assert((committed & ~received[s]) == 0);                                   /* 1 */
	assert((committed & ~stored[s]) == 0)
}

inline begin(s)
{
	lock[s] = NOBODY;
	owner[s] = NOBODY;
	row[NOBODY].has[s] = true
}

init
{
	atomic {
		EACH(begin);
		run producer(); run producer();
		run process(0); run process(1);
		run server(0, 0); run server(0, 1); run server(1, 0); run server(1, 1)
	}
	timeout;    /* nobody can do anything any more */
	EACH(at_the_end)
}
