/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before trying again: doubling, capped, with jitter. */
#pragma once

#include <stdint.h>

struct backoff {
	int64_t first_ms;
	int64_t max_ms;
	int64_t now_ms; /* 0: no failure since the last reset */
};

/* Counts one failure. Somewhere in the upper half of the current step, so that a fleet spreads. */
int64_t backoff_next(struct backoff *b);
void backoff_reset(struct backoff *b);
