/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxies requests that only a stream's owner can serve to that process, over the peer listener. The first
 * process authenticates the caller and relays the response unchanged. While the stream moves between
 * processes, the request waits, at most PROXY_WAIT_MS.
 */
#pragma once

#include "hub/api/peer/peer_client.h"

#define PROXY_WAIT_MS 2000

struct proxy;

/* All borrowed. */
struct proxy_deps {
	struct loop *loop;
	struct owner *owner;
	struct peer_client *client;
};

/* poll_wait_ms: an answer may take as long as a long poll, and longer. */
ssf_nodiscard int proxy_new(const struct proxy_deps *deps, int64_t poll_wait_ms, struct proxy **out,
			    struct ssf_err *err);
/* Answers the long polls that it holds: their clients repeat them elsewhere. */
void proxy_drain(struct proxy *p);
/* Answers everything; then free it. NULL is fine for both. */
void proxy_stop(struct proxy *p);
void proxy_free(struct proxy *p);

struct proxy_request {
	struct http_req *http;
	const struct caller *caller; /* copied */
	int unit;                    /* of the stream */
	bool repeatable;             /* may be done twice, when it is unknown whether it was done once */
};

/*
 * Called once, from the loop. run_here: this process owns the stream by now and the caller serves the
 * request; otherwise it was answered.
 */
typedef void proxy_done_f(void *arg, bool run_here);

/*
 * Takes the request over. There is no handle to cancel: the proxy itself notices when the client goes away,
 * and proxy_stop() ends what is left. SSF_E_NOMEM: the request stays the caller's.
 */
ssf_nodiscard int proxy_start(struct proxy *p, const struct proxy_request *r, proxy_done_f *done,
			      void *arg, struct ssf_err *err);
