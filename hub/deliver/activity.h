/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activity of one stream: when its receiver was last active (SSF 1.0 section 8.1.1), and its heartbeats, which are
 * verification events that nobody asked for. Says when something may be due; hub/api decides what. Pure.
 * Times are ms since 1970.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zeroed memory: never active, no heartbeat yet. */
struct activity {
	int64_t active_at_ms;
	int64_t active_saved_ms; /* what of it is stored */
	int64_t heartbeat_at_ms; /* the last one; or when the stream was made */
	int64_t heartbeat_seq;   /* of the last one; 0: there was none */
	bool heartbeat_open;     /* it is not settled: the next one waits */
};

/* As stored. What may not have been saved of activity counts in the stream's favour. */
void activity_load(struct activity *a, int64_t active_at_ms, int64_t heartbeat_at_ms, int64_t heartbeat_seq,
		   int64_t inactivity_s, int64_t now_ms);
/* The receiver was active then. */
void activity_touch(struct activity *a, int64_t at_ms);
/*
 * Whether what is stored is too far behind. So polls do not make a write each; also without a timeout, as one may be
 * set later.
 */
bool activity_is_stale(const struct activity *a, int64_t inactivity_s);
/*
 * When a heartbeat is due, or the receiver has been inactive for too long, whichever comes first; 0 s: never. now_ms: a
 * clock that was set back since the last heartbeat makes one due.
 */
int64_t activity_due_ms(const struct activity *a, int64_t heartbeat_s, int64_t inactivity_s, int64_t now_ms);
