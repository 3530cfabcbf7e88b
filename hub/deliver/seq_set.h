/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of event numbers as sorted, disjoint ranges, with the text of PostgreSQL's int8multirange. Pure.
 * Looking up is a binary search. A set never has more than SEQ_SET_MAX ranges, so that its text stays
 * below SEQ_SET_TEXT_MAX bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/buf.h"

#define SEQ_SET_MAX 4096
#define SEQ_SET_TEXT_MAX (SEQ_SET_MAX * 44 + 2)

struct seq_set_range {
	int64_t from, to; /* [from, to) */
};

/* Zeroed memory is an empty set. */
struct seq_set {
	struct seq_set_range *ranges;
	size_t count, room;
};

void seq_set_done(struct seq_set *s); /* the set is empty afterwards */
bool seq_set_has(const struct seq_set *s, int64_t seq);
/* Adds [from, to). -1: out of memory, or SEQ_SET_MAX ranges; the set is as before. */
int seq_set_add(struct seq_set *s, int64_t from, int64_t to);
/* Removes everything up to and including seq. */
void seq_set_remove_through(struct seq_set *s, int64_t seq);
/* Adds all of other. -1: as seq_set_add(), and some may be missing. */
int seq_set_add_all(struct seq_set *s, const struct seq_set *other);

/*
 * Adds what an int8multirange says: "{[7,9),[12,13)}", as PostgreSQL prints it: ranges are finite, the
 * lower bound is inside, the upper one outside. -1: not such a text, or as seq_set_add(); some ranges
 * may have been added.
 */
int seq_set_parse(struct seq_set *s, struct ssf_str text);
/* Appends the ranges, without braces, after a comma if out does not end with an opening brace. */
void seq_set_text(const struct seq_set *s, struct ssf_buf *out);
/* Appends one number the same way. */
void seq_set_text_seq(int64_t seq, struct ssf_buf *out);
