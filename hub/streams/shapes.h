/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of many complex subjects match one, without looking at each. Private to
 * hub/streams.
 *
 * Subjects whose fields have the same names share a shape, and there are few
 * shapes. Within one, it is the same fields that an event's subject has too: the
 * values of these, hashed together, are looked up in a table (a projection) that
 * is made the first time that it is needed. Without a common field any subject of
 * the shape matches.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#include <stdlib.h>
#include <sys/queue.h>

#define SHAPES_MAX 64

struct field {
	const char *name;              /* borrowed from the subject */
	uint8_t value[SSF_SHA256_LEN]; /* key of the subject that it is */
};

/* The fields of one complex subject, sorted by name. */
struct fields {
	size_t count;
	struct field at[];
};

/* NULL when out of memory. */
struct fields *fields_new(const json_t *complex);
static inline void fields_free(struct fields *f)
{
	free(f);
}
SSF_DEFINE_AUTO(fields)

/* A subject of several keys: complex, or aliases, which have no shape. */
struct compound {
	LIST_ENTRY(compound) next; /* of its shape */
	struct shape *shape;
	int64_t until;
	bool active;
	size_t count;
	uint8_t keys[][SSF_SHA256_LEN];
};

struct shapes {
	struct shape *list[SHAPES_MAX];
	size_t count;
};

/* Compounds belong to the caller: they are neither freed nor usable afterwards. */
void shapes_done(struct shapes *s);
/* c, whose keys are the values of f, gets its shape. Not active yet. SSF_E_LIMIT, SSF_E_NOMEM. */
ssf_nodiscard int shapes_join(struct shapes *s, const struct fields *f, struct compound *c,
			      struct ssf_err *err);
/* The other way; c is not active any more. */
void shapes_leave(struct shapes *s, struct compound *c);
/* Only active ones match. */
void shapes_activate(struct compound *c);

/*
 * Whether any matches f, or if covering is set, covers it (lib/ssf/subject.h).
 * -1 when out of memory.
 */
ssf_nodiscard int shapes_match(struct shapes *s, const struct fields *f, bool covering,
			       bool *matches);
