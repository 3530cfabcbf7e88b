/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoint that the hub pushes SETs to (RFC 8935): 202 when done, 400 with an
 * err body when the SET is refused for good, 503 with Retry-After when it should come
 * again.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/err.h"
#include "receivers/config.h"
#include "receivers/receive.h"

struct push;

/* receiver and conf are borrowed for life. */
ssf_nodiscard int push_new(const struct receiver *receiver, const struct config_push *conf,
			   struct push **out, struct ssf_err *err);
/* What is under way is answered 503. Not from inside a callback. NULL is fine. */
void push_free(struct push *p);
/* Where it listens, as a URL: "https://127.0.0.1:9443/events". Borrowed. */
const char *push_url(const struct push *p);
/* Accepts no more; what is under way goes on until push_pending() is 0. */
void push_drain(struct push *p);
size_t push_pending(const struct push *p);
