/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before the next attempt: the wait doubles with each failure up to a maximum, and is spread
 * at random, so that processes which failed together do not come back together.
 *
 * failures counts the failures in a row, from 1. With 0 it counts as 1.
 */
#pragma once

#include <stdint.h>

/* Full jitter: anything from 0 to the step. Spreads best; the first attempt may be at once. */
int64_t backoff_full_ms(int64_t first_ms, int64_t max_ms, unsigned failures);
/* Equal jitter: from half the step to the step. For what must not be asked again at once. */
int64_t backoff_equal_ms(int64_t first_ms, int64_t max_ms, unsigned failures);
/* From 0 to max_ms, both included. */
int64_t backoff_random_ms(int64_t max_ms);
