/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subject filter of one subscription: what its receiver has narrowed the stream to (hub/streams/subjects.h), as it
 * is stored, kept in memory and in the index of streams.
 */
#pragma once

#include "hub/db/db.h"
#include "hub/streams/interest_index.h"
#include "hub/streams/stream.h"
#include "hub/streams/subjects.h"

struct subject_filter {
	const char *stream; /* borrowed */
	struct db *db;
	struct interest_index *index;
	void *owner;        /* as which it stands in the index */
	loop_f *ended;      /* called with owner */
	struct subjects *subjects; /* NULL: nothing is loaded */
	bool ready;         /* everything is */
	bool all;           /* all_subjects, of the load */
	bool changed;       /* since the page under way was asked for, or before the first one */
	struct db_op *load; /* of one page */
	uint8_t after[SSF_SHA256_LEN]; /* key of the last subject that is loaded */
	size_t after_len;   /* 0: none is */
};

/* ended: loading has; if subject_filter_is_ready() does not say so, it is to be started again, later. */
void subject_filter_init(struct subject_filter *f, const char *stream, struct db *db, struct interest_index *index,
			 void *owner, loop_f *ended);
/* Forgets everything and stops loading. */
void subject_filter_clear(struct subject_filter *f);
bool subject_filter_is_ready(const struct subject_filter *f);
/* all_subjects: of the stream. Loads what is stored, unless it is known or being loaded. -1: to be tried again. */
int subject_filter_load(struct subject_filter *f, bool all_subjects);
/* Nothing is stored for the stream, as of a moment ago: if nothing has changed since, nothing need be loaded. */
void subject_filter_load_none(struct subject_filter *f, bool all_subjects);

/* Whether the stream takes e, as far as that depends on whom it is about. Without memory to look: yes. */
bool subject_filter_wants(struct subject_filter *f, const struct event *e);

/*
 * A change of the filter: to be called before it is stored (adding holds at once) and after (removing holds from
 * then on), so that at no time less is delivered than what is stored says. Errors as those of subjects_add().
 */
struct subject_change {
	const char *stream;
	const json_t *subject;
	bool add;
	int64_t until; /* of a removal: when it takes effect, seconds since 1970 */
};
ssf_nodiscard int subject_filter_before(struct subject_filter *f, const struct subject_change *c, struct ssf_err *err);
ssf_nodiscard int subject_filter_after(struct subject_filter *f, const struct subject_change *c, struct ssf_err *err);
