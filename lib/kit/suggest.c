/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: distances between short words (optimal string alignment). */
#include "lib/kit/suggest.h"

#include <string.h>

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* '-' and '_' count as the same, and so do upper and lower case. */
static char fold(char c)
{
	return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

unsigned suggest_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX]; /* before the previous, previous, current */
	size_t n = strlen(a), m = strlen(b);

	if (n >= WORD_MAX || m >= WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned change = fold(a[i - 1]) != fold(b[j - 1]);
			now[j] = least(last[j - 1] + change, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

void suggest_offer(struct suggest *s, const char *known)
{
	unsigned distance = suggest_distance(s->word, known);
	size_t len = strlen(s->word);

	/* of a short word one letter may be wrong, of a long one every third */
	if (distance > 1 + len / 4 || distance >= strlen(known) || (s->best != NULL && distance >= s->distance))
		return;
	s->best = known;
	s->distance = distance;
}
