/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which streams an event may concern, without a look at each stream: by type, for those that take
 * all subjects; by subject, for those that take only what was added (hub/streams/subjects.h tells
 * which those are). Owners are pointers of who asks; nothing is known of them here. One thread only.
 *
 * What an event costs depends on the streams that are found, not on how many there are. Streams
 * with complex subjects are the exception: each event with a complex subject finds them all.
 */
#pragma once

#include "hub/streams/stream.h"

struct interest_index;

/* NULL when out of memory. */
struct interest_index *interest_index_new(void);
/* All streams and subjects must have been taken out. NULL is fine. */
void interest_index_free(struct interest_index *x);

/* s must be as it was when it is taken out. SSF_E_NOMEM. */
ssf_nodiscard int interest_index_add(struct interest_index *x, const struct stream *s, void *owner,
				   struct ssf_err *err);
void interest_index_remove(struct interest_index *x, const struct stream *s, void *owner);

/* The owner of the stream of that id, or NULL. */
void *interest_index_by_id(const struct interest_index *x, const char *id);

/*
 * Calls f for every owner whose stream may want e: all of them that do, and some that do not, one or
 * more times each. f must not change the index. SSF_E_NOMEM: it was not possible to look.
 */
typedef void interest_index_f(void *arg, void *owner);
ssf_nodiscard int interest_index_find(const struct interest_index *x, const struct event *e,
				    interest_index_f *f, void *arg, struct ssf_err *err);

/*
 * For hub/streams/subjects.c: the owner takes the subject of this key (a simple one), or has a complex
 * one. Each put has its own drop. -1 when out of memory.
 */
ssf_nodiscard int interest_index_put_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN],
					   void *owner);
void interest_index_drop_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN], void *owner);
ssf_nodiscard int interest_index_put_complex(struct interest_index *x, void *owner);
void interest_index_drop_complex(struct interest_index *x, void *owner);
