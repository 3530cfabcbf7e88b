/* SPDX-License-Identifier: Apache-2.0 */
/* How the deliveries of one stream go, for operators. Pure; stored with the position. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DELIVERY_HEALTH_ERROR_MAX 160

/* Zeroed memory: nothing was delivered yet. Times are ms since 1970; 0: never. */
struct delivery_health {
	bool failing;          /* the last attempt failed */
	int64_t delivered;     /* events, in all */
	int64_t success_at_ms;
	int64_t error_at_ms;
	char error[DELIVERY_HEALTH_ERROR_MAX]; /* the last one, also when deliveries succeed again; UTF-8 */
};

void delivery_health_success(struct delivery_health *h, int64_t now_ms);
/* failing: deliveries fail; otherwise the receiver works, and refused one event. */
void delivery_health_error(struct delivery_health *h, const char *what, bool failing, int64_t now_ms);
