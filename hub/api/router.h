/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides for each request which handler serves it, in which process, and whether its caller may. The table is
 * routes.def; the order of checks is that of docs/reference/api.md: path and method, readiness, limits, the
 * caller, the client's limit, permissions, then the process.
 */
#pragma once

#include "hub/api/admin/admin_api.h"
#include "hub/api/issuer.h"
#include "hub/api/monitor/monitor_api.h"
#include "hub/api/oauth/oauth_api.h"
#include "hub/api/openapi.h"
#include "hub/api/peer/proxy.h"
#include "hub/api/peer/scatter_gather.h"
#include "hub/api/ssf/ssf_api.h"
#include "hub/api/stream_api.h"
#include "hub/auth/bearer.h"
#include "hub/auth/rate_limits.h"
#include "hub/ingest/ingest.h"

/* What the handlers of each group work on. */
struct api_groups {
	struct ssf_api *ssf;
	struct stream_api *stream;
	struct admin_api *admin;
	struct monitor_api *monitor;
	struct oauth_api *oauth;
	struct ingest *ingest;
	struct openapi *openapi;
};

/* All borrowed. */
struct router {
	struct api_groups groups;
	const struct readiness *readiness;
	const struct issuer *issuer;
	const char *resource_metadata; /* its URL (RFC 9728), for challenges */
	struct bearer *bearer;
	struct rate_limits *limits;
	struct registry *registry;
	struct owner *owner;
	struct proxy *proxy;
	struct scatter_gather *gather;
};

/* The handler of the public HTTP server. */
void router_serve(struct router *router, struct http_req *req);
/* The handler of metrics_listen: /metrics, /healthz and /readyz, without a token. */
void router_serve_monitor(struct router *router, struct http_req *req);
/* The handler of the peer listener: the request was authenticated by the process that sent it. */
void router_serve_peer(struct router *router, struct http_req *req, const struct caller *caller);

/* Counts an answer by route and status: http_server_conf.answered; arg is not used. */
void router_count_answer(void *arg, unsigned tag, int status, int64_t us);
/* Names the labels of the metrics; before anything is counted. */
void router_name_metrics(void);
