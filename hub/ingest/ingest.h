/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways in: webhooks of sources (POST /in/{source}) and SETs of other transmitters
 * (POST /events, RFC 8935). Each request is authenticated, mapped to events without secrets,
 * appended, and answered after the commit. Each function takes the request over and answers it.
 */
#pragma once

#include "hub/ingest/attribute.h"
#include "hub/ingest/batch.h"
#include "hub/ingest/keyfile.h"
#include "hub/secrets/seal.h"
#include "hub/metrics/metrics.h"
#include "hub/registry/registry.h"
#include "lib/http/document_cache.h"
#include "lib/http/http_server.h"
#include "lib/http/jwks.h"

/* What both ways need; all borrowed. */
struct ingest {
	struct registry *registry;
	struct batch *batch;
	struct document_cache *documents;
	struct jwks *jwks;
	struct attributor *attributor;
	const struct master_key *master;
	struct keyfiles *keyfiles;
	const char *issuer; /* the hub's: what inbound SETs are addressed to */
};

/* Counts a request that brings events: what was stored first (NULL: nothing had to be), or why nothing was. */
void ingest_count(enum label_source source, const struct batch_result *first, const struct ssf_err *err);

void ingest_source(struct ingest *in, struct http_req *req, const char *source);
void ingest_set(struct ingest *in, struct http_req *req);
