/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ways into the event log share: requests of sources (source_request.h) and SETs of
 * other transmitters (set_request.h). Each request is authenticated, mapped to events without
 * secrets, appended, and answered after the commit, never before.
 */
#pragma once

#include "hub/enrich/attribution.h"
#include "hub/ingest/batch.h"
#include "hub/ingest/source_keys.h"
#include "hub/metrics/metrics.h"
#include "hub/registry/registry.h"
#include "hub/secrets/seal.h"
#include "lib/http/http_server.h"
#include "lib/http/jwks.h"
#include "lib/ssf/traceparent.h"

/* What requests need; all borrowed. */
struct ingest {
	struct registry *registry;
	struct batch *batch;
	struct jwks *jwks;
	struct source_keys *source_keys;
	struct attribution *attribution;
	const struct master_key *master;
	const char *issuer; /* the hub's: what inbound SETs are addressed to */
};

/*
 * Counts a request that brings events. first: what is stored of its first event, NULL if it had
 * none; err: why nothing was stored, or NULL.
 */
void ingest_count(enum label_source source, const struct batch_result *first,
		  const struct ssf_err *err);

/*
 * The W3C trace that a request belongs to, for the events that it leads to: out, or NULL when the
 * request has no valid traceparent. The hub never makes up a trace.
 */
const char *ingest_trace(const struct http_req *req, char out[SSF_TRACEPARENT_LEN]);
