/* SPDX-License-Identifier: Apache-2.0 */
/* Which numbers of the log are taken: one span a partition, in order. Pure; for counting. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seq_range {
	int64_t first, last;
};

struct seq_ranges {
	struct seq_range *items;
	size_t count, size;
};

void seq_ranges_done(struct seq_ranges *s); /* no-op on zeroed memory; empty afterwards */
/* Adds one above all others. False: out of memory. */
bool seq_ranges_add(struct seq_ranges *s, int64_t first, int64_t last);
/* How many numbers in them are above after. */
int64_t seq_ranges_count(const struct seq_ranges *s, int64_t after);
