/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit of one push endpoint (scheme, host and port of a URL), shared by all pushers that go there.
 *
 *   closed --unreachable 5 times in a row--> open --backoff--> half-open --reached--> closed
 *                                              ^                  |
 *                                              +---not reached----+   (for longer)
 *
 * While it is open nothing is sent. While it is half-open one push goes out as a probe, of another stream each time, so
 * that a stream which cannot send does not keep the others from it. Any answer closes the circuit, and also a request
 * that is taken without an answer: one path of a host may hang while others work, and that is the stream's own
 * matter.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/kit/hashmap.h"
#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

enum circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN, CIRCUITS };
const char *circuit_name(enum circuit c);

/* All endpoints of a process. */
struct endpoints {
	struct loop *loop;
	int64_t retry_min_ms, retry_max_ms; /* how long a circuit stays open; doubles */
	struct hashmap by_origin;
	size_t circuits[CIRCUITS]; /* how many endpoints are in each state */
};
void endpoints_init(struct endpoints *all, struct loop *loop, int64_t retry_min_ms, int64_t retry_max_ms);
void endpoints_done(struct endpoints *all); /* all members have left */

/* One that sends to an endpoint; embedded. Zeroed memory, but for the functions, is a member of none. */
struct endpoint_member {
	struct endpoint *endpoint;
	TAILQ_ENTRY(endpoint_member) link;
	bool (*has_work)(const struct endpoint_member *m); /* there is something that it would send */
	void (*retry_now)(struct endpoint_member *m);      /* it may send */
};

/* -1: out of memory. */
ssf_nodiscard int endpoint_join(struct endpoints *all, const char *url, struct endpoint_member *m);
void endpoint_leave(struct endpoint_member *m); /* no effect if it is in none */

enum circuit endpoint_circuit(const struct endpoint_member *m);
/* Whether m may send something now. */
bool endpoint_admits(const struct endpoint_member *m);
/* It does. True: it is the probe, which has to end with one of the two below. */
bool endpoint_begin(struct endpoint_member *m);
void endpoint_result(struct endpoint_member *m, bool reached);
void endpoint_probe_cancelled(struct endpoint_member *m); /* another one is due, later */
