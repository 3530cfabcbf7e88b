/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll client (RFC 8936). One long poll at a time; the SETs of an answer are
 * handled all at once, and the next poll says what became of them: ack for those
 * that Redis has confirmed, setErrs for those that are refused for good, nothing
 * for those that should come again.
 */
#pragma once

#include "lib/http/http_client.h"
#include "lib/ssf/err.h"
#include "receivers/config.h"
#include "receivers/receive.h"

struct poll;

/* All is borrowed for life. Starts polling. */
ssf_nodiscard int poll_new(const struct receiver *receiver, struct http_client *http,
			   const struct config_poll *conf, struct poll **out, struct ssf_err *err);
/* Not from inside a callback. NULL is fine. */
void poll_free(struct poll *p);
/* Asks for no more; finishes what it has and acknowledges it, then poll_is_idle(). */
void poll_drain(struct poll *p);
bool poll_is_idle(const struct poll *p);
