/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP interface (docs/reference/api.md): which request goes where, and who may send it. */
#pragma once

#include "hub/api/issuer.h"
#include "hub/auth/auth.h"
#include "hub/deliver/deliver.h"
#include "hub/ingest/ingest.h"
#include "hub/keys/keys.h"
#include "hub/rules/consumer.h"
#include "lib/http/http_server.h"
#include "lib/http/egress_policy.h"
#include "lib/kit/pool.h"

#include <sys/queue.h>

struct forwarder;
struct put;

/* What requests work on; all borrowed, set up by `ssfhub serve`. */
struct api {
	struct pool *pool;             /* of signatures: for metrics */
	struct pool *resolver;         /* of names that clients give: they may take long */
	LIST_HEAD(, put) resolving;
	struct db *db;
	struct owner *owner;
	struct forwarder *forwarder;   /* to the other processes */
	struct event_log *log;
	struct registry *registry;
	struct keys *keys;
	struct auth *auth;
	struct batch *batch;
	struct rules_consumer *rules;
	struct deliver *deliver;
	const struct master_key *master;
	const struct egress_policy *guard;
	struct ingest ingest;
	struct issuer issuer;
	char *resource_metadata;       /* its URL (RFC 9728) */
	json_t *critical;              /* critical_subject_members: array of names, or NULL */
	int64_t max_streams;           /* a client may make */
	bool default_all;              /* default_subjects of new streams: ALL, else NONE */
	int64_t removal_grace_s;       /* a removed subject keeps flowing */
	int64_t verify_interval_s;     /* between two verifications of a stream */
	int64_t inactivity_s;          /* inactivity_timeout of streams that say nothing; 0: none */
	json_t *verified_ms;           /* stream id to when one was last asked for, monotonic */
	char *openapi;                 /* the document of openapi.json once it was asked for; owned */
	const struct http_server *server; /* for metrics: its connections */
	const struct http_client *push_client; /* the same */
	int64_t max_connections;
	int64_t crypto_threads;
	int64_t database_connections;
	int64_t metrics_streams;       /* more of them have no series of their own */
	const char *version;
	int64_t started_ms;
	bool registry_ready, keys_ready;
	bool ready;                    /* everything is loaded */
	bool draining;
};

/* The handler of the HTTP server; arg is the struct api. */
void api_handle(void *arg, struct http_req *req);
/* Of one that serves /metrics, /healthz and /readyz alone, to anybody who gets there. */
void api_handle_open(void *arg, struct http_req *req);
/* What both are told of answers: counted, by route and status. */
void api_answered(void *arg, unsigned tag, int status, int64_t us);
/* Before anything is counted. */
void api_name_metrics(void);
/* Puts down what is a state now, for whichever process is asked for metrics. */
void api_collect(const struct api *api);

/* Whether events can be accepted and delivered now; what else /readyz says is in health.c. */
bool api_is_ready(const struct api *api);
