/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of many complex subjects match one (SSF 1.0 section 7.1), without a look at each. Private
 * to hub/streams.
 *
 * Two complex subjects match when the fields that both have are equal. Subjects whose fields have
 * the same names share a *shape*, and there are few shapes; within one, it is the same fields that
 * an event's subject has, too: the *common fields*. Without a common field every subject of the
 * shape matches.
 *
 * For each field of a shape an index leads from a value to the subjects that have it. Of the
 * event's values in the common fields the rarest one decides: if no subject has it, none matches;
 * otherwise those that have it are looked at, one by one. Where they are many, the values of all
 * common fields, hashed together, are looked up in a *projection* instead: a table of the hashes of
 * all subjects of the shape, restricted to those fields. Projections are caches: bounded, and made
 * only when looking one by one has cost as much as making one.
 *
 * Cost of an event, for each shape: a lookup for each common field, and a look at no more than
 * COMPLEX_SCAN_MAX subjects or one more lookup, once the projections are made that events need. If
 * they need more than fit (COMPLEX_PROJECTIONS_MAX a shape, COMPLEX_PROJECTED_MAX in all), twice a
 * look at each subject that has the event's rarest value.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define COMPLEX_SHAPES_MAX 64
#define COMPLEX_SCAN_MAX 64
#define COMPLEX_PROJECTIONS_MAX 16
#define COMPLEX_PROJECTED_MAX 1000000 /* subjects in all projections; 25 to 67 bytes each */

struct complex_field {
	const char *name;              /* borrowed from the subject */
	uint8_t value[SSF_SHA256_LEN]; /* key of the subject that it is */
};

/* The fields of one complex subject, sorted by name. */
struct complex_fields {
	size_t count;
	struct complex_field at[];
};

/* NULL when out of memory. */
struct complex_fields *complex_fields_new(const json_t *complex);
static inline void complex_fields_free(struct complex_fields *f)
{
	free(f);
}
SSF_DEFINE_AUTO(complex_fields)

/* One key of a compound; of a complex subject it is in the index of its field. */
struct compound_key {
	uint8_t value[SSF_SHA256_LEN];
	struct compound_key *next, *prev; /* with the same value */
};

/* A subject of several keys: complex, or aliases, which have no shape. */
struct compound {
	LIST_ENTRY(compound) link; /* of its shape */
	struct complex_shape *shape;
	int64_t until;
	bool active;
	size_t count;
	struct compound_key keys[];
};

/* Zeroed memory is empty. */
struct complex_matcher {
	struct complex_shape *shapes[COMPLEX_SHAPES_MAX];
	size_t count;
	size_t projected; /* subjects in all projections */
	uint64_t events;  /* so far: the age of projections */
	uint64_t
		steps; /* subjects that were looked at or hashed so far: what it costs, for tests */
};

/* Compounds belong to the caller: they are neither freed nor usable afterwards. */
void complex_matcher_done(struct complex_matcher *m);
/* c, whose keys are the values of f, gets its shape. Not active yet. SSF_E_LIMIT, SSF_E_NOMEM. */
ssf_nodiscard int complex_matcher_join(struct complex_matcher *m, const struct complex_fields *f,
				       struct compound *c, struct ssf_err *err);
/* The other way; c is not active any more. */
void complex_matcher_leave(struct complex_matcher *m, struct compound *c);
/* Only active ones match. SSF_E_NOMEM. */
ssf_nodiscard int complex_matcher_activate(struct complex_matcher *m, struct compound *c,
					   struct ssf_err *err);

/*
 * Whether any matches f, or if covering is set, covers it (lib/ssf/subject.h). -1 when out of
 * memory.
 */
ssf_nodiscard int complex_matcher_match(struct complex_matcher *m, const struct complex_fields *f,
					bool covering, bool *matches);
