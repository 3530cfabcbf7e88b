/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/backoff.h"

#include <openssl/rand.h>

int64_t backoff_next(struct backoff *b)
{
	uint32_t r = 0;

	b->now_ms = b->now_ms == 0 ? b->first_ms : b->now_ms * 2;
	if (b->now_ms > b->max_ms)
		b->now_ms = b->max_ms;
	/* Without randomness the wait is only less spread. */
	if (RAND_bytes((unsigned char *)&r, sizeof(r)) != 1)
		r = 0;
	return b->now_ms / 2 + (int64_t)(r % (uint64_t)(b->now_ms / 2 + 1));
}

void backoff_reset(struct backoff *b)
{
	b->now_ms = 0;
}
