/* SPDX-License-Identifier: Apache-2.0 */
/* Which numbers of the log are taken: one span a partition, in order. Pure; for counting. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	int64_t first, last;
};

struct spans {
	struct span *items;
	size_t count, size;
};

void spans_done(struct spans *s); /* no-op on zeroed memory; empty afterwards */
/* Adds one above all others. False: out of memory. */
bool spans_add(struct spans *s, int64_t first, int64_t last);
/* How many numbers in them are above after. */
int64_t spans_count(const struct spans *s, int64_t after);
