/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes dead letters: events that a stream is not sent any more. One statement each, fenced by the lease of the
 * stream's shard. Nothing is settled here: the caller does that when the write is committed.
 */
#pragma once

#include <jansson.h>
#include <sys/queue.h>

#include "hub/cluster/owner.h"
#include "hub/db/db.h"
#include "hub/keys/set_signer.h"

/* Writes under way for one stream. LIST_INIT() makes an empty list. */
struct dead_letter;
LIST_HEAD(dead_letter_list, dead_letter);

struct dead_letter_deps {
	struct db *db;
	struct owner *owner;
	const struct set_signer *signer;
};

struct dead_letter_spec {
	const char *stream;
	int shard;
	const char *audience;
	int64_t rewound;    /* of which state of the stream the letter is: another one refuses it */
	int64_t seq;
	const char *txn;    /* for the log */
	const char *reason; /* begins with one of the prefixes below, for the metric */
};

#define DEAD_LETTER_REFUSED "refused: "
#define DEAD_LETTER_EXPIRED "expired: "
#define DEAD_LETTER_GONE "not in the log any more"
#define DEAD_LETTER_DISABLED "the stream is disabled"

enum dead_letter_outcome {
	DEAD_LETTER_WRITTEN,
	DEAD_LETTER_FAILED, /* it may have been written all the same */
	DEAD_LETTER_STALE,  /* the stream was rewound since; nothing is written */
};
struct dead_letter_result {
	int64_t seq;
	int64_t rewound; /* of the spec */
	enum dead_letter_outcome outcome;
	bool added;      /* there was none of that event before */
};
typedef void dead_letter_f(void *arg, const struct dead_letter_result *r);

/* -1: it could not be started; that is logged. */
int dead_letter_write(const struct dead_letter_deps *deps, const struct dead_letter_spec *spec,
		      struct dead_letter_list *list, dead_letter_f *f, void *arg);
bool dead_letter_is_pending(const struct dead_letter_list *list, int64_t seq);
/* The writes may still take effect; f is not called. */
void dead_letter_cancel_all(struct dead_letter_list *list);

/*
 * The reason of a receiver's refusal, from its {"err": code} (RFC 8935 section 2.3, RFC 8936 section 2.4.4). Of what a
 * receiver says only the code is taken, and only if it looks like one.
 */
#define DEAD_LETTER_REASON_MAX 96
void dead_letter_refusal(const json_t *error, char out[DEAD_LETTER_REASON_MAX]);
