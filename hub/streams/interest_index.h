/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the streams that an event may concern, without a look at each stream: by type those that
 * take all subjects, by subject those that take only what was added (hub/streams/subjects.h). An
 * owner is a pointer that stands for a stream and means nothing here. One thread only.
 *
 * What an event costs depends on the streams that are found, not on how many there are. Streams
 * with complex subjects are the exception: each event with a complex subject finds them all. Adding
 * and removing take constant time for each type and subject.
 */
#pragma once

#include "hub/streams/stream.h"

struct interest_index;

/* NULL when out of memory. */
struct interest_index *interest_index_new(void);
/* All streams and subjects were removed. NULL is fine. */
void interest_index_free(struct interest_index *x);

/* s, which is borrowed, must not change until it is removed. SSF_E_NOMEM. */
ssf_nodiscard int interest_index_add(struct interest_index *x, const struct stream *s, void *owner,
				     struct ssf_err *err);
void interest_index_remove(struct interest_index *x, const struct stream *s, void *owner);

/* The owner of the stream of that id, or NULL. */
void *interest_index_by_id(const struct interest_index *x, const char *id);

/*
 * Calls f for every owner whose stream may want e: for all that do and some that do not, for each
 * at least once. f must not change the index. SSF_E_NOMEM: the index could not look.
 */
typedef void interest_index_f(void *arg, void *owner);
ssf_nodiscard int interest_index_find(const struct interest_index *x, const struct event *e,
				      interest_index_f *f, void *arg, struct ssf_err *err);

/*
 * For hub/streams/subjects.c: the owner takes the subject of this key (a simple one), or has a
 * complex one. Each put has a drop of its own. -1 when out of memory.
 */
ssf_nodiscard int interest_index_put_subject(struct interest_index *x,
					     const uint8_t key[SSF_SHA256_LEN], void *owner);
void interest_index_drop_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN],
				 void *owner);
ssf_nodiscard int interest_index_put_complex(struct interest_index *x, void *owner);
void interest_index_drop_complex(struct interest_index *x, void *owner);
