/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender of a poll stream (RFC 8936). One request is a machine:
 *
 *   acknowledge -> choose -> sign and answer (answer.h)
 *                  choose -> wait (waiters.h) -> choose ...
 *
 * It must never settle an event that its own client has not acknowledged, by the jti that is the event's for this
 * stream's audience.
 */
#pragma once

#include "hub/deliver/run_queue.h"
#include "hub/deliver/sender.h"
#include "hub/keys/set_signer.h"
#include "lib/http/http_server.h"

/* All borrowed, the same for all poll streams. */
struct poll_deps {
	struct loop *loop;
	const struct keyring *keyring;
	struct set_signer *signer;
	struct run_queue *runs;
	int64_t wait_ms; /* how long a long poll is held */
};

/* NULL: out of memory. */
struct sender *poll_sender_new(const struct poll_deps *deps, const struct sender_spec *spec);

/* A poll of the stream's own client, which has not been answered: takes req over. s is a poll sender. */
void poll_request(struct sender *s, struct http_req *req);
