/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit of one receiver's host (scheme, host and port of the URL), shared by all streams that
 * go there. When it cannot be reached several times in a row (refused, no connection in time, TLS broken),
 * it opens: nothing is sent until a backoff with full jitter is over, then one delivery goes out as a
 * probe, of another stream each time. Whatever comes of a request that it took closes it, also that no
 * answer came: one path may hang while others work, and that is the stream's own matter (push.c).
 * Private to hub/deliver.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

#include <sys/queue.h>

struct deliver;
struct endpoint;
struct outlet;

enum circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };
const char *circuit_name(enum circuit c);

/* The outlet of a push stream belongs to its endpoint from here to there. -1: out of memory. */
ssf_nodiscard int endpoint_join(struct outlet *o);
void endpoint_leave(struct outlet *o);

enum circuit endpoint_circuit(const struct endpoint *ep);
/* Whether something of this stream may be sent now. */
bool endpoint_admits(const struct outlet *o);
/* It is; gives whether it is the probe, which has to end with one of the two below. */
bool endpoint_begin(struct outlet *o);
/* What became of it. After a probe that was cancelled another one is due, later. */
void endpoint_result(struct endpoint *ep, bool reached);
void endpoint_probe_cancelled(struct endpoint *ep);
