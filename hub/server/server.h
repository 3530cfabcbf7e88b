/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of a hub: its settings, what was prepared before the loop runs, and the handles of its
 * parts (parts.c starts and stops them). Private to hub/server.
 */
#pragma once

#include "hub/activity/stream_activity.h"
#include "hub/api/monitor/monitor_metrics.h"
#include "hub/api/peer/peer_listener.h"
#include "hub/api/peer/scatter_gather.h"
#include "hub/api/router.h"
#include "hub/api/ssf/ssf_verify.h"
#include "hub/server/conf.h"
#include "hub/server/data_files.h"
#include "hub/server/part.h"
#include "hub/server/supervise.h"
#include "lib/http/ca_store.h"

/* The runtime, the database and what is made of it. */
struct server_base {
	struct loop *loop;
	struct pool *crypto_pool;   /* signatures and key generation */
	struct pool *resolver_pool; /* names in resources: a lookup may take long */
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct partitions *partitions;
	struct registry *registry;
	struct resource_writer *writer;
};

struct server_http {
	struct egress_policy *egress;
	struct ca_store *ca_store;       /* of both clients */
	struct http_client *push_client; /* to receivers, under the egress policy */
	struct http_client *client;      /* to what the operator names */
	struct document_cache *documents;
	struct jwks *jwks;
	struct peer_listener *peer_listener;
	struct http_server *listener;
	struct http_server *metrics_listener; /* or NULL */
};

struct server_work {
	struct keyring *keyring;
	struct key_manager *key_manager;
	struct set_signer *signer;
	struct batch *batch;
	struct attribution *attribution;
	struct source_keys *source_keys;
	struct rules_consumer *rules;
	struct deliver *deliver;
	struct stream_activity *activity;
};

/* The HTTP interface. */
struct server_api {
	struct issuer issuer;
	char *token_endpoint_url;
	char *resource_metadata;   /* its URL */
	json_t *critical;          /* critical_subject_members: array of names, or NULL */
	struct readiness readiness;
	struct rate_limits *limits;
	struct access_tokens tokens;
	struct bearer *bearer;
	struct token_endpoint token_endpoint;
	struct peer_client *peer_client;
	struct proxy *proxy;
	struct scatter_gather *gather;
	struct ssf_verify *verifications;
	struct ssf_api ssf;
	struct stream_api stream;
	struct admin_api admin;
	struct monitor_api monitor;
	struct oauth_api oauth;
	struct ingest ingest;
	struct openapi openapi;
	struct router router;
};

/* From start to drain; lifecycle.c. */
struct server_lifecycle {
	struct part_list parts;
	struct loop_tick *tick;
	struct loop_signal *sigterm, *sigint, *sighup;
	int64_t tick_due_us;          /* monotonic; 0: none yet */
	unsigned ticks;
	bool deliver_drained, owner_left;
	int64_t drain_deadline_ms;    /* monotonic */
	int status;                   /* exit status of the process */
};

struct server {
	struct conf conf;
	int argc;                     /* the command line that conf was made of; borrowed */
	char *const *argv;
	struct data_files files;
	struct postgres *postgres;    /* NULL with setting "database", and in one of several processes */
	char *conninfo;
	struct supervise_child child; /* number 0: there is one process */
	struct server_base base;
	struct server_http http;
	struct server_work work;
	struct server_api api;
	struct server_lifecycle life;
};
