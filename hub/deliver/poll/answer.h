/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer to a poll (RFC 8936 section 2.5): signs the SETs of chosen events, all at once, and answers when they are
 * signed. It lives until then, whatever becomes of the stream; when the client goes, it is cancelled.
 */
#pragma once

#include "hub/keys/set_signer.h"
#include "lib/http/http_server.h"

#define POLL_ANSWER_MAX 100 /* SETs */

struct poll_answer;

/* Takes req. NULL: out of memory; req is answered. max: events that may be added, at most POLL_ANSWER_MAX. */
struct poll_answer *poll_answer_new(struct http_req *req, const struct keyring *keyring,
				    struct set_signer *signer, size_t max);
/* Adds an event. The event is borrowed for the call. */
void poll_answer_add(struct poll_answer *a, const struct event *e, const char *audience, enum ssf_alg alg);
/* All were added. more: there are events that were not. Answers, at once or when everything is signed. */
void poll_answer_start(struct poll_answer *a, bool more);

/* Answers without any SET. */
void poll_answer_empty(struct http_req *req);
