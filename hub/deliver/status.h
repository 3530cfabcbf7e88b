/* SPDX-License-Identifier: Apache-2.0 */
/* What operators see of streams: reports (docs/reference/api.md) and metrics. It changes nothing. */
#pragma once

#include <jansson.h>

#include "hub/streams/stream.h"

struct subscription;

/* How far behind a stream is, in constant time; stream is borrowed. */
struct stream_lag {
	const char *stream;
	enum stream_method method;
	enum stream_status status;
	bool failing;           /* push: the last attempt failed */
	size_t in_flight;       /* pushes under way */
	size_t waiting_retries; /* pushes that wait for their next attempt */
	size_t waiting_polls;   /* long polls that are held */
	int64_t waiting_events; /* not settled; redelivered ones among them */
	int64_t dead_letters;
	int64_t unread_seqs;    /* of the log, not looked at yet */
	int64_t age_ms;         /* of the oldest event that may still have to be delivered; 0: there is none */
};
struct stream_lag status_lag(const struct subscription *s, int64_t now_ms);
/* retention_ms: how long events are kept in the log; 0: for ever. New reference; NULL: out of memory. */
json_t *status_report(const struct subscription *s, int64_t retention_ms);
