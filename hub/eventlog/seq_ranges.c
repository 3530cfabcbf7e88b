/* SPDX-License-Identifier: Apache-2.0 */
/* A handful: as many as there are partitions. */
#include "hub/eventlog/seq_ranges.h"

#include <stdlib.h>

void seq_ranges_done(struct seq_ranges *s)
{
	free(s->items);
	*s = (struct seq_ranges){ NULL, 0, 0 };
}

bool seq_ranges_add(struct seq_ranges *s, int64_t first, int64_t last)
{
	if (s->count == s->size) {
		size_t size = s->size > 0 ? 2 * s->size : 8;
		struct seq_range *grown = realloc(s->items, size * sizeof(*grown));

		if (grown == NULL)
			return false;
		s->items = grown;
		s->size = size;
	}
	s->items[s->count++] = (struct seq_range){ first, last };
	return true;
}

int64_t seq_ranges_count(const struct seq_ranges *s, int64_t after)
{
	int64_t n = 0;

	for (size_t i = s->count; i > 0 && s->items[i - 1].last > after; i--) {
		const struct seq_range *span = &s->items[i - 1];
		n += after < span->first ? span->last - span->first + 1 : span->last - after;
	}
	return n;
}
