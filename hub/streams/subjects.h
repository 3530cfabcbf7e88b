/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subjects of one stream (SSF 1.0 section 8.1.3): which events its receiver wants, as far as
 * that depends on whom they are about. Kept in memory, indexed by hash; hub/deliver loads them. One
 * thread only.
 *
 * A stream starts with all subjects or with none, and only what differs from that is kept:
 * - none: an event is wanted while its subject matches one that was added (ssf_subject_matches).
 *   Removing takes back what was added, and nothing smaller: a user of an added tenant cannot be
 * taken out.
 * - all: an event is wanted unless a subject that was removed covers its own (ssf_subject_covers).
 *   Matching, with absent fields as wildcards, is how the standard widens what was added; used on
 * what was removed it would lose events about others: without {user} all those about {device} would
 * go.
 *
 * A removed subject keeps flowing until its grace time, in seconds since 1970: an event at that
 * second is the first one that is not wanted any more.
 *
 * Cost: a simple subject takes 55 to 109 bytes. What an event costs depends on its own size and the
 * number of sets of member names (COMPLEX_SHAPES_MAX), not on the number of subjects; of complex
 * subjects complex_matcher.h says exactly what. In a second in which a grace time ends, all are
 * visited once.
 */
#pragma once

#include <jansson.h>

#include "hub/streams/interest_index.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A simple subject counts one; aliases and complex subjects one for each that is in them. */
#define SUBJECTS_MAX 1000000

struct subjects;

/* max: as SUBJECTS_MAX, and not above it. NULL when out of memory. */
struct subjects *subjects_new(bool all, size_t max);
void subjects_free(struct subjects *s);
SSF_DEFINE_AUTO(subjects)

/*
 * From now on x finds owner by what is added, until subjects_free(). Only with none, before
 * anything is added.
 */
void subjects_index(struct subjects *s, struct interest_index *x, void *owner);

/*
 * Both copy what they need and may be repeated. Errors: those of
 * ssf_subject_check; SSF_E_LIMIT when full; SSF_E_NOMEM. Nothing changes then.
 * subjects_add ends the removal of an identical subject, also in its grace time.
 * Of several removals the one that ends earliest counts. With none, removing
 * what was not added changes nothing.
 */
ssf_nodiscard int subjects_add(struct subjects *s, const json_t *subject, struct ssf_err *err);
ssf_nodiscard int subjects_remove(struct subjects *s, const json_t *subject, int64_t until,
				  struct ssf_err *err);

/* Whether an event about subject is wanted at now; now never goes back. SSF_E_NOMEM. */
ssf_nodiscard int subjects_wants(struct subjects *s, const json_t *subject, int64_t now,
				 bool *wanted, struct ssf_err *err);

/* How much of max is taken; what ended is given back by the next subjects_wants. */
size_t subjects_used(const struct subjects *s);
