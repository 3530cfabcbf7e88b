/* SPDX-License-Identifier: Apache-2.0 */
/* Pure but for the random numbers, which need not be good: they only spread. */
#include "lib/kit/backoff.h"

#include <stdlib.h>

static int64_t step_ms(int64_t first_ms, int64_t max_ms, unsigned failures)
{
	int64_t ms = first_ms < max_ms ? first_ms : max_ms;

	for (unsigned i = 1; i < failures && ms < max_ms; i++)
		ms = ms <= max_ms / 2 ? 2 * ms : max_ms;
	return ms;
}

int64_t backoff_random_ms(int64_t max_ms)
{
	if (max_ms <= 0)
		return 0;
	return (int64_t)arc4random_uniform(max_ms < UINT32_MAX ? (uint32_t)max_ms + 1 : UINT32_MAX);
}

int64_t backoff_full_ms(int64_t first_ms, int64_t max_ms, unsigned failures)
{
	return backoff_random_ms(step_ms(first_ms, max_ms, failures));
}

int64_t backoff_equal_ms(int64_t first_ms, int64_t max_ms, unsigned failures)
{
	int64_t step = step_ms(first_ms, max_ms, failures), half = step / 2;

	return half + backoff_random_ms(step - half);
}
