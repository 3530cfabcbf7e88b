/* SPDX-License-Identifier: Apache-2.0 */
/* A handful: as many as there are partitions. */
#include "hub/store/spans.h"

#include <stdlib.h>

void spans_done(struct spans *s)
{
	free(s->items);
	*s = (struct spans){ NULL, 0, 0 };
}

bool spans_add(struct spans *s, int64_t first, int64_t last)
{
	if (s->count == s->size) {
		size_t size = s->size > 0 ? 2 * s->size : 8;
		struct span *grown = realloc(s->items, size * sizeof(*grown));

		if (grown == NULL)
			return false;
		s->items = grown;
		s->size = size;
	}
	s->items[s->count++] = (struct span){ first, last };
	return true;
}

int64_t spans_count(const struct spans *s, int64_t after)
{
	int64_t n = 0;

	for (size_t i = s->count; i > 0 && s->items[i - 1].last > after; i--) {
		const struct span *span = &s->items[i - 1];
		n += after < span->first ? span->last - span->first + 1 : span->last - after;
	}
	return n;
}
