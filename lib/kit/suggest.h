/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the known word that is nearest to a mistyped one. */
#pragma once

#include <stddef.h>

struct suggest {
	const char *word;  /* as typed */
	const char *best;  /* NULL: nothing is near enough */
	unsigned distance;
};

/* Offer each known word in turn; the first of the nearest stays. known must outlive s. */
void suggest_offer(struct suggest *s, const char *known);

/* Insertions, deletions, substitutions and swaps of neighbours between two words of at most 63 bytes. */
unsigned suggest_distance(const char *a, const char *b);
