/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the owner of a stream can do, asked of another process, is passed on to the owner: to a
 * listener that each process has for the others (hub/auth/peer.h). The one that was asked has found out
 * who asks, and gives the answer back as it is.
 */
#pragma once

#include "hub/api/api_priv.h"
#include "lib/http/http_client.h"

#define FORWARD_MISDIRECTED 421 /* of a process that does not own it (RFC 9110 section 15.5.20) */

struct forwarder_conf {
	const char *listen;       /* of this process; beyond this machine only with a certificate */
	const char *host;         /* how others name it; NULL: its address */
	const char *tls_cert, *tls_key; /* NULL: plain HTTP */
	size_t max_body;
	int request_timeout_ms;
	unsigned max_connections;
	int64_t poll_wait_ms;     /* an answer may take so long, and then some */
};

/* All borrowed; api->owner may come later. SSF_E_MALFORMED: listen. */
ssf_nodiscard int forwarder_new(struct loop *loop, const struct forwarder_conf *conf, struct api *api,
				struct http_client *client, const struct master_key *master,
				struct forwarder **out, struct ssf_err *err);
const char *forwarder_url(const struct forwarder *f); /* where others reach it */
/* Requests of others that are not answered yet. */
size_t forwarder_pending(const struct forwarder *f);
/* Long polls that were passed on are answered: they come again, elsewhere. */
void forwarder_drain(struct forwarder *f);
/* Answers all that was passed on; once all that works for it is stopped, free it. NULL is fine. */
void forwarder_stop(struct forwarder *f);
void forwarder_free(struct forwarder *f);

/* Takes the request over: the unit's owner answers it, or 503 if there is none for too long. */
void forward_start(const struct call *c, int unit);

/*
 * Asks all others for the same as this request asks, and calls f from the loop or at once; others: their answers, those
 * that came in time; borrowed.
 */
typedef void forward_gathered_f(void *arg, struct http_req *req, const json_t *others);
void forward_gather(const struct call *c, forward_gathered_f *f, void *arg);
