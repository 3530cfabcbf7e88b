/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll client (RFC 8936). One long poll runs at a time; the SETs of an answer are handled in
 * parallel, and the next poll tells the hub what became of them: ack for accepted SETs, setErrs
 * for those that are refused for good, nothing for those that should come again.
 */
#pragma once

#include "lib/http/http_client.h"
#include "lib/ssf/err.h"
#include "receivers/lib/set_inbox.h"

struct poll_client;

struct poll_client_conf {
	const char *url;
	const char *token;
	int wait_s;
	int max_events;
};

/* Everything is borrowed for life. Starts polling. */
ssf_nodiscard int poll_client_new(const struct set_inbox *inbox, struct http_client *http,
				  const struct poll_client_conf *conf, struct poll_client **out,
				  struct ssf_err *err);
/* Not from inside a callback. NULL is fine. */
void poll_client_free(struct poll_client *p);
/* Polls no more; handles and acknowledges the SETs it has, then poll_client_is_idle(). */
void poll_client_drain(struct poll_client *p);
bool poll_client_is_idle(const struct poll_client *p);
