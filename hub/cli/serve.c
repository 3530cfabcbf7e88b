/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ssfhub serve`: puts the parts together, from the ground up, and takes them down in the
 * opposite order. What blocks (the private cluster, migrations) comes before the loop, and before
 * there are several processes, which then do all that follows each by itself:
 *
 *   starting -> (registry and keys are there) taking part -> ready -> SIGTERM -> draining -> end
 */
#include "hub/api/peer/peer_listener.h"
#include "hub/api/router.h"
#include "hub/api/monitor/monitor_metrics.h"
#include "hub/api/ssf/ssf_verify.h"
#include "hub/cli/cli.h"
#include "hub/cli/conf.h"
#include "hub/cli/supervise.h"
#include "hub/metrics/metrics.h"
#include "hub/postgres/postgres.h"
#include "hub/db/migrate.h"
#include "hub/eventlog/partitions.h"
#include "lib/kit/file.h"
#include "lib/kit/log.h"
#include "lib/http/tls.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DATABASE_WAIT_MS 30000
#define DATABASE_QUEUE 20000
#define POOL_QUEUE 10000
#define RESOLVER_THREADS 2
#define RESOLVER_QUEUE 64
#define POSTGRES_CONNECTIONS 56 /* of the private one, for all processes */
#define STOP_SLACK_MS 5000
#define TICK_MS 250
#define COLLECT_TICKS 4
#define METRICS_CONNECTIONS 64
#define METRICS_BODY 1024
#define READY_WAIT_MS 60000

/* The HTTP interface. */
struct serve_api {
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
	struct peer_listener *peer_listener;
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

struct serve {
	struct conf conf;
	uint8_t admin[SSF_SHA256_LEN]; /* of the admin token */
	uint8_t metrics[SSF_SHA256_LEN]; /* of the token that may read metrics */
	struct master_key *master;
	char *conninfo;
	struct postgres *cluster;   /* NULL in one of several processes: its parent has it */
	struct supervise_child child; /* number 0: there is one process */
	struct loop *loop;
	struct pool *pool;
	struct source_keys *source_keys;
	struct egress_policy *guard;
	struct ca_store *trust;               /* of both clients */
	struct http_client *push_client;   /* to receivers, with the guard */
	struct http_client *client;        /* to what the operator named */
	struct document_cache *documents;
	struct jwks *jwks;
	struct attribution *attribution;
	struct partitions *partitions;
	struct http_server *server;
	struct http_server *metrics_server; /* or NULL */
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	struct resource_writer *writer;
	struct keys *keys;
	struct batch *batch;
	struct rules_consumer *rules;
	struct deliver *deliver;
	struct stream_activity *activity;
	struct pool *resolver;             /* of names that clients give: they may take long */
	struct serve_api api;

	int64_t tick_us;           /* when it should come next, monotonic */
	unsigned ticks;
	bool delivered, left;      /* drained */
	int64_t drain_until_ms;
	int status;                /* of the process */
	struct loop_tick *tick;
	struct loop_signal *sigterm, *sigint;
};

/* --- files of the data directory ---------------------------------------------------------------- */

/* Makes DIR/name if it is not there, and takes its digest. */
static int token_file(const struct serve *s, const char *name, uint8_t digest[SSF_SHA256_LEN],
		      struct ssf_err *err)
{
	ssf_auto_free char *path = file_join(s->conf.data, name);
	uint8_t bytes[32];
	char text[2 * sizeof(bytes) + 2];
	ssf_auto_buf token = SSF_BUF(1024);

	if (path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s", name);
	if (file_read(path, &token, err) < 0) {
		if (err->code != SSF_E_NOT_FOUND)
			return -1;
		if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
			return ssf_fail(err, SSF_E_INTERNAL, "%s: no randomness", name);
		ssf_hex(bytes, sizeof(bytes), text);
		memcpy(text + 2 * sizeof(bytes), "\n", 2);
		ssf_buf_adds(&token, text);
		OPENSSL_cleanse(text, sizeof(text));
		if (file_write(path, ssf_buf_str(&token), 0600, err) < 0)
			return -1;
	}
	struct ssf_str trimmed = ssf_buf_str(&token);
	while (trimmed.len > 0 && (unsigned char)trimmed.ptr[trimmed.len - 1] <= ' ')
		trimmed.len--;
	if (trimmed.len < 32)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: shorter than 32 characters", path);
	ssf_sha256(trimmed, digest);
	return 0;
}

/* The host of an https issuer, for the development certificate; NULL if there is none. */
static char *issuer_host(const char *issuer)
{
	const char *start = issuer != NULL ? strstr(issuer, "://") : NULL;

	if (start == NULL)
		return NULL;
	start += 3;
	return strndup(start, strcspn(start, ":/"));
}

static int data_files(struct serve *s, struct ssf_err *err)
{
	ssf_auto_free char *master = file_join(s->conf.data, "master.key");
	ssf_auto_free char *host = issuer_host(s->conf.issuer);
	/* as root the database runs as another user, who has to get through */
	mode_t mode = geteuid() == 0 && s->conf.database == NULL ? 0711 : 0700;

	if (master == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "data directory");
	if (file_mkdir(s->conf.data, mode, err) < 0 || master_key_open(master, &s->master, err) < 0 ||
	    token_file(s, "admin.token", s->admin, err) < 0 ||
	    token_file(s, "metrics.token", s->metrics, err) < 0)
		return -1;
	if (s->conf.tls_off || s->conf.tls_cert != NULL)
		return 0;
	return dev_ca_make(s->conf.data, host, err);
}

/* Tells the other commands where we are. */
static int write_url(const struct serve *s, unsigned port, struct ssf_err *err)
{
	ssf_auto_free char *path = file_join(s->conf.data, "hub.url");
	char url[256];
	size_t host = strcspn(s->conf.listen, ":");
	const char *colon = strrchr(s->conf.listen, ':');

	if (path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "hub.url");
	if (colon != NULL)
		host = (size_t)(colon - s->conf.listen);
	snprintf(url, sizeof(url), "%s://%.*s:%u\n", s->conf.tls_off ? "http" : "https", (int)host,
		 s->conf.listen, port);
	return file_write(path, ssf_str_c(url), 0644, err);
}

/* --- ready ---------------------------------------------------------------------------------------- */

static void say_ready(void *arg, unsigned port)
{
	const struct serve *s = arg;

	printf("ssfhub: ready at %s (listening on port %u)\n", s->api.issuer.url, port);
	fflush(stdout);
}

static void on_owner_ready(void *arg)
{
	struct serve *s = arg;

	s->api.readiness.running = true;
	stream_activity_start(s->activity);
	log_info("hub.ready", log_str("issuer", s->api.issuer.url),
		 log_int("port", http_server_port(s->server)), log_str("owner", owner_id(s->owner)));
	if (s->child.number > 0)
		supervise_ready(&s->child);
	else
		say_ready(s, http_server_port(s->server));
}

/* What it acts by is there: it may take its part of the work. */
static void check_ready(struct serve *s)
{
	if (s->api.readiness.resources_loaded && s->api.readiness.keys_loaded)
		owner_start(s->owner);
}

static void on_registry_ready(void *arg)
{
	struct serve *s = arg;

	s->api.readiness.resources_loaded = true;
	check_ready(s);
}

static void on_keys_ready(void *arg)
{
	struct serve *s = arg;

	s->api.readiness.keys_loaded = true;
	check_ready(s);
}

static void on_db_state(void *arg, bool up)
{
	struct serve *s = arg;

	if (!up)
		return;
	log_info("db.up");
	if (s->log != NULL)
		event_log_look(s->log);
	if (s->registry != NULL)
		registry_load(s->registry);
}

static void on_news(void *arg, enum owner_news what, int64_t n)
{
	struct serve *s = arg;

	(void)n;
	if (what == OWNER_EVENTS)
		event_log_look(s->log);
	else if (what == OWNER_CHANGES)
		registry_load(s->registry);
	else
		ring_look(keys_ring(s->keys));
}

static void on_appended(void *arg)
{
	struct serve *s = arg;

	owner_say(s->owner, OWNER_EVENTS);
}

/* --- end --------------------------------------------------------------------------------------------- */

static void end(struct serve *s, int status)
{
	s->status = status;
	loop_stop(s->loop);
}

static void on_delivered(void *arg)
{
	struct serve *s = arg;

	s->delivered = true;
}

static void on_left(void *arg)
{
	struct serve *s = arg;

	s->left = true;
}

static void drain(void *arg)
{
	struct serve *s = arg;

	if (s->api.readiness.draining)
		return;
	log_info("hub.draining");
	s->api.readiness.draining = true;
	s->drain_until_ms = loop_now_ms() + s->conf.drain_timeout;
	http_server_drain(s->server);
	stream_activity_stop(s->activity);
	proxy_drain(s->api.proxy);
	deliver_drain(s->deliver, s->conf.drain_timeout, on_delivered, s);
	owner_leave(s->owner, on_left, s);
}

/* The tick is due every TICK_MS: what it is late by, something else has taken. */
static void count_tick(struct serve *s)
{
	int64_t now = loop_now_us();

	if (s->tick_us != 0)
		metric_observe(loop_late, now - s->tick_us);
	s->tick_us = now + TICK_MS * 1000;
}

static void on_tick(void *arg)
{
	struct serve *s = arg;

	count_tick(s);
	if (metrics_processes() > 1 && ++s->ticks % COLLECT_TICKS == 0)
		monitor_metrics_collect(&s->api.monitor);
	if (keys_locked_out(s->keys)) {
		fprintf(stderr, "ssfhub: no stored signing key opens with this master.key\n");
		end(s, 1);
	}
	if (!s->api.readiness.running && loop_now_ms() - s->api.monitor.started_ms > READY_WAIT_MS) {
		fprintf(stderr, "ssfhub: not ready in time; the log says why\n");
		end(s, 1);
	}
	if (!s->api.readiness.draining)
		return;
	if ((s->delivered && s->left && http_server_pending(s->server) == 0 &&
	     peer_listener_pending(s->api.peer_listener) == 0 && batch_pending(s->batch) == 0) ||
	    loop_now_ms() >= s->drain_until_ms)
		end(s, s->status);
}

/* --- putting together ------------------------------------------------------------------------------------ */

/* Blocks, and happens once for all processes. */
static int prepare_database(struct serve *s, struct ssf_err *err)
{
	const char *conninfo = s->conf.database;

	if (conninfo == NULL && s->conf.processes * (s->conf.database_connections + 1) > POSTGRES_CONNECTIONS)
		return ssf_fail(err, SSF_E_LIMIT, "processes: together they may have %d connections to the"
				" private PostgreSQL; lower database_connections", POSTGRES_CONNECTIONS);
	if (conninfo == NULL) {
		if (postgres_start(s->conf.data, s->conf.pg_bindir, &s->cluster, err) < 0)
			return ssf_fail_prefix(err, "private PostgreSQL");
		conninfo = postgres_conninfo(s->cluster);
	}
	s->conninfo = strdup(conninfo);
	if (s->conninfo == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "database");
	if (migrate(s->conninfo, DATABASE_WAIT_MS, err) < 0)
		return ssf_fail_prefix(err, "database");
	return 0;
}

static int open_database(struct serve *s, struct ssf_err *err)
{
	struct db_conf conf = { .conninfo = s->conninfo,
				.connections = (unsigned)s->conf.database_connections,
				.queue_max = DATABASE_QUEUE,
				.timeout_ms = (int)s->conf.database_timeout };

	if (db_new(s->loop, &conf, on_db_state, s, &s->db, err) < 0)
		return -1;
	return s->cluster != NULL ? postgres_watch(s->cluster, s->loop, err) : 0;
}

static int open_owner(struct serve *s, struct ssf_err *err)
{
	struct owner_conf conf = { .conninfo = s->conninfo,
				   .timeout_ms = (int)s->conf.database_timeout,
				   .url = peer_listener_url(s->api.peer_listener),
				   .ready = on_owner_ready,
				   .news = on_news,
				   .arg = s };

	if (owner_new(s->loop, &conf, &s->owner, err) < 0)
		return -1;
	peer_listener_set_owner(s->api.peer_listener, s->owner);
	return 0;
}

/* The issuer, if none was set made of the port, and what of ours has a URL of its own. */
static int own_urls(struct serve *s, unsigned port, struct ssf_err *err)
{
	struct issuer *issuer = &s->api.issuer;
	char local[64];

	snprintf(local, sizeof(local), "%s://localhost:%u", s->conf.tls_off ? "http" : "https", port);
	if (issuer->url == NULL && issuer_parse(local, s->conf.tls_off, issuer, err) < 0)
		return -1;
	s->api.token_endpoint_url = issuer_url(issuer, "/oauth2/token");
	s->api.resource_metadata = issuer_well_known(issuer, "oauth-protected-resource");
	if (s->api.token_endpoint_url == NULL || s->api.resource_metadata == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "issuer");
	return 0;
}

static void on_request(void *arg, struct http_req *req)
{
	struct serve *s = arg;

	router_serve(&s->api.router, req);
}

static void on_monitor_request(void *arg, struct http_req *req)
{
	struct serve *s = arg;

	router_serve_monitor(&s->api.router, req);
}

static void on_peer_request(void *arg, struct http_req *req, const struct caller *caller)
{
	struct serve *s = arg;

	router_serve_peer(&s->api.router, req, caller);
}

/* Where the others reach this process: each of several has a port of its own. */
static int open_peer_listener(struct serve *s, struct ssf_err *err)
{
	const char *colon = strrchr(s->conf.peer_listen, ':');
	unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;
	char listen[256];
	struct peer_listener_conf conf = {
		.listen = listen,
		.host = s->conf.peer_host,
		.tls_cert = s->conf.peer_host != NULL ? s->conf.tls_cert : NULL,
		.tls_key = s->conf.peer_host != NULL ? s->conf.tls_key : NULL,
		.max_body = (size_t)s->conf.max_body,
		.request_timeout_ms = (int)s->conf.request_timeout,
		.max_connections = (unsigned)s->conf.max_connections,
	};

	if (port > 0 && s->child.number > 0)
		port += s->child.number - 1;
	if (colon == NULL || (size_t)snprintf(listen, sizeof(listen), "%.*s:%lu", (int)(colon - s->conf.peer_listen),
					      s->conf.peer_listen, port) >= sizeof(listen))
		return ssf_fail(err, SSF_E_MALFORMED, "peer_listen: not an address with a port");
	return peer_listener_new(s->loop, &conf, s->master, on_peer_request, s, &s->api.peer_listener, err);
}

static int open_server(struct serve *s, struct ssf_err *err)
{
	ssf_auto_free char *cert = file_join(s->conf.data, "server.pem");
	ssf_auto_free char *key = file_join(s->conf.data, "server.key");
	struct http_server_conf conf = {
		.listen = s->conf.listen,
		.listen_fd = s->child.listen_fd,
		.tls_cert = s->conf.tls_off ? NULL : s->conf.tls_cert != NULL ? s->conf.tls_cert : cert,
		.tls_key = s->conf.tls_off ? NULL : s->conf.tls_key != NULL ? s->conf.tls_key : key,
		.max_body = (size_t)s->conf.max_body,
		.request_timeout_ms = (int)s->conf.request_timeout,
		.max_connections = (unsigned)s->conf.max_connections,
		.answered = router_count_answer,
	};
	/* of several processes the first: it shows what all have counted */
	const struct http_server_conf open = { .listen = s->child.number <= 1 ? s->conf.metrics_listen : NULL,
					       .max_body = METRICS_BODY,
					       .max_connections = METRICS_CONNECTIONS,
					       .answered = router_count_answer };

	router_name_metrics();
	if (http_server_new(s->loop, &conf, on_request, s, &s->server, err) < 0)
		return -1;
	if (open.listen != NULL && http_server_new(s->loop, &open, on_monitor_request, s,
						   &s->metrics_server, err) < 0)
		return ssf_fail_prefix(err, "metrics");
	return 0;
}

/* The port is known: in the parent of several processes, or when there is one. */
static int on_opened(void *arg, unsigned port, struct ssf_err *err)
{
	struct serve *s = arg;

	return own_urls(s, port, err) < 0 ? -1 : write_url(s, port, err);
}

static int open_auth(struct serve *s, struct ssf_err *err)
{
	struct serve_api *a = &s->api;
	const struct rate_limits_conf limits = { s->conf.rate_limit_client, s->conf.rate_limit_address,
						 s->conf.forwarded_for };
	struct bearer_conf conf;

	memcpy(conf.admin, s->admin, sizeof(conf.admin));
	memcpy(conf.metrics, s->metrics, sizeof(conf.metrics));
	a->tokens = (struct access_tokens){ a->issuer.url, s->conf.token_lifetime / 1000, s->registry,
					    s->keys };
	if (rate_limits_new(&limits, &a->limits, err) < 0 ||
	    bearer_new(&conf, &a->tokens, s->jwks, &a->bearer, err) < 0)
		return -1;
	a->token_endpoint = (struct token_endpoint){ a->token_endpoint_url, s->db, s->registry, s->jwks,
						     a->limits, &a->tokens };
	return 0;
}

/* Rounded up: what is on stays on. */
static int64_t whole_seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

/* "user, tenant" as an array; without names none. */
static int critical_members(const char *text, json_t **out, struct ssf_err *err)
{
	json_auto_t *names = json_array();
	size_t len;

	for (const char *p = text != NULL ? text : ""; *p != '\0'; p += len) {
		p += strspn(p, ", ");
		len = strcspn(p, ", ");
		if (len > 0 && json_array_append_new(names, json_stringn(p, len)) < 0)
			return ssf_fail(err, SSF_E_MALFORMED, "critical_subject_members: must be names with commas");
	}
	*out = json_array_size(names) > 0 ? json_incref(names) : NULL;
	return 0;
}

static int open_attribution(struct serve *s, struct ssf_err *err)
{
	struct attribution_deps deps = { s->loop, s->db, s->owner, s->log, s->registry, s->client, s->master };

	return attribution_new(&deps, &s->attribution, err);
}

static int open_writers(struct serve *s, struct ssf_err *err)
{
	const struct resource_writer_deps writer = { s->registry, s->log, s->resolver, s->guard };
	struct stream_activity_deps activity = { .loop = s->loop, .db = s->db, .owner = s->owner,
					  .registry = s->registry, .batch = s->batch,
					  .deliver = s->deliver };

	if (resource_writer_new(&writer, &s->writer, err) < 0)
		return -1;
	activity.writer = s->writer;
	return stream_activity_new(&activity, &s->activity, err);
}

static int open_peers(struct serve *s, struct ssf_err *err)
{
	struct serve_api *a = &s->api;
	struct proxy_deps proxy = { s->loop, s->owner, NULL };
	struct scatter_gather_deps gather = { s->loop, s->owner, NULL };

	if (peer_client_new(s->client, s->master, &a->peer_client, err) < 0)
		return -1;
	proxy.client = gather.client = a->peer_client;
	return proxy_new(&proxy, s->conf.poll_wait, &a->proxy, err) < 0 ?
		       -1 :
		       scatter_gather_new(&gather, &a->gather, err);
}

static int open_api(struct serve *s, struct ssf_err *err)
{
	const struct conf *c = &s->conf;
	struct serve_api *a = &s->api;

	a->verifications = ssf_verify_new();
	if (a->verifications == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "api");
	if (open_writers(s, err) < 0 || open_peers(s, err) < 0 ||
	    critical_members(c->critical_subject_members, &a->critical, err) < 0)
		return -1;
	a->readiness.db = s->db;
	a->readiness.owner = s->owner;
	a->ssf = (struct ssf_api){ .registry = s->registry,
				   .writer = s->writer,
				   .activity = s->activity,
				   .keys = s->keys,
				   .master = s->master,
				   .policy = s->guard,
				   .issuer = &a->issuer,
				   .critical_members = a->critical,
				   .max_streams = c->max_streams,
				   .default_all = strcmp(c->default_subjects, "ALL") == 0,
				   .verify_interval_s = c->min_verification_interval / 1000,
				   .inactivity_s = whole_seconds(c->inactivity_timeout) };
	a->stream = (struct stream_api){ .deliver = s->deliver,
					 .registry = s->registry,
					 .db = s->db,
					 .owner = s->owner,
					 .batch = s->batch,
					 .activity = s->activity,
					 .removal_grace_s = c->subject_removal_grace / 1000,
					 .verify_interval_s = a->ssf.verify_interval_s,
					 .verifications = a->verifications };
	a->admin = (struct admin_api){ s->registry, s->writer, s->db, s->batch, s->keys, s->master,
				       s->guard };
	a->monitor = (struct monitor_api){ .readiness = &a->readiness,
					   .db = s->db,
					   .owner = s->owner,
					   .log = s->log,
					   .registry = s->registry,
					   .batch = s->batch,
					   .rules = s->rules,
					   .deliver = s->deliver,
					   .signing_pool = s->pool,
					   .server = s->server,
					   .push_client = s->push_client,
					   .issuer = a->issuer.url,
					   .version = SSFHUB_VERSION,
					   .max_connections = c->max_connections,
					   .crypto_threads = c->crypto_threads,
					   .database_connections = c->database_connections,
					   .metrics_streams = c->metrics_streams,
					   .started_ms = loop_now_ms() };
	a->oauth = (struct oauth_api){ &a->token_endpoint, &a->issuer, s->registry };
	a->ingest = (struct ingest){ .registry = s->registry,
				     .batch = s->batch,
				     .jwks = s->jwks,
				     .attribution = s->attribution,
				     .master = s->master,
				     .source_keys = s->source_keys,
				     .issuer = a->issuer.url };
	a->openapi.issuer = a->issuer.url;
	a->router = (struct router){ .groups = { &a->ssf, &a->stream, &a->admin, &a->monitor, &a->oauth,
						 &a->ingest, &a->openapi },
				     .readiness = &a->readiness,
				     .issuer = &a->issuer,
				     .resource_metadata = a->resource_metadata,
				     .bearer = a->bearer,
				     .limits = a->limits,
				     .registry = s->registry,
				     .owner = s->owner,
				     .proxy = a->proxy,
				     .gather = a->gather };
	return 0;
}

static int open_parts(struct serve *s, struct ssf_err *err)
{
	const struct conf *c = &s->conf;
	const struct deliver_conf deliver = {
		.push_timeout_ms = c->push_timeout,
		.retry_min_ms = c->retry_min,
		.retry_max_ms = c->retry_max,
		.max_age_ms = c->delivery_max_age,
		.retention_ms = c->retention,
		.poll_wait_ms = c->poll_wait,
		.checkpoint_ms = c->checkpoint,
		.heartbeat_s = whole_seconds(c->heartbeat),
		.inactivity_s = whole_seconds(c->inactivity_timeout),
		.backlog_limit = c->backlog_limit,
	};
	const struct partitions_conf partitions = { c->retention, c->partition };
	const struct key_schedule_conf keys = { c->key_rotation, c->key_publish_ahead, c->key_keep };

	if (egress_policy_new(c->push_allow, c->push_allow_http, &s->guard, err) < 0 ||
	    ca_store_new(c->ca_file, &s->trust, err) < 0 ||
	    http_client_new(s->loop, s->guard, s->trust, &s->push_client, err) < 0 ||
	    http_client_go_direct(s->push_client, err) < 0 ||
	    http_client_new(s->loop, NULL, s->trust, &s->client, err) < 0 ||
	    document_cache_new(s->loop, s->client, &s->documents, err) < 0 ||
	    jwks_new(s->documents, &s->jwks, err) < 0 ||
	    open_peer_listener(s, err) < 0 || open_owner(s, err) < 0 || event_log_new(s->loop, s->db, &s->log, err) < 0 ||
	    partitions_new(s->loop, s->db, s->log, &partitions, &s->partitions, err) < 0 ||
	    registry_new(s->loop, s->db, on_registry_ready, s, &s->registry, err) < 0 ||
	    keys_new(s->loop, s->db, s->pool, s->master, &keys, s->api.issuer.url, on_keys_ready, s, &s->keys,
		     err) < 0 ||
	    open_auth(s, err) < 0 ||
	    batch_new(s->loop, s->db, s->log, &s->batch, err) < 0 ||
	    open_attribution(s, err) < 0 ||
	    rules_consumer_new(s->loop, s->db, s->owner, s->log, s->registry, s->api.issuer.url, &s->rules,
			       err) < 0 ||
	    deliver_new(s->loop, &deliver, s->db, s->owner, s->log, s->registry, s->keys, s->master,
			s->push_client, &s->deliver, err) < 0)
		return -1;
	ca_store_load(s->trust);
	if (source_keys_new(s->loop, s->documents, &s->source_keys, err) < 0)
		return -1;
	registry_share(s->registry, s->owner);
	ring_share(keys_ring(s->keys), s->owner);
	event_log_on_wake(s->log, on_appended, s);
	return open_api(s, err);
}

/* A signal while we start is kept until the loop can take it. */
static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(how, &set, NULL);
}

/* Every long poll and every push has a descriptor; the soft limit is what old programs with select() need. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Before there are several processes. */
static int prepare(struct serve *s, struct ssf_err *err)
{
	if (s->conf.issuer != NULL &&
	    issuer_parse(s->conf.issuer, s->conf.tls_off, &s->api.issuer, err) < 0)
		return -1;
	if (metrics_open((unsigned)s->conf.processes, (size_t)s->conf.metrics_streams, err) < 0)
		return -1;
	return data_files(s, err) < 0 || prepare_database(s, err) < 0 ? -1 : 0;
}

static int start(struct serve *s, struct ssf_err *err)
{
	if (loop_new(&s->loop, err) < 0 ||
	    pool_new(s->loop, (unsigned)s->conf.crypto_threads, POOL_QUEUE, &s->pool, err) < 0 ||
	    pool_new(s->loop, RESOLVER_THREADS, RESOLVER_QUEUE, &s->resolver, err) < 0 ||
	    open_database(s, err) < 0 || open_server(s, err) < 0 ||
	    (s->child.number == 0 && on_opened(s, http_server_port(s->server), err) < 0) ||
	    open_parts(s, err) < 0)
		return -1;
	s->tick = loop_tick_start(s->loop, TICK_MS, on_tick, s);
	s->sigterm = loop_signal_start(s->loop, SIGTERM, drain, s);
	s->sigint = loop_signal_start(s->loop, SIGINT, drain, s);
	if (s->tick == NULL || s->sigterm == NULL || s->sigint == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "loop");
	return 0;
}

/* One hub, or one of its processes, until it is told to end. */
static void run(struct serve *s)
{
	struct ssf_err err;

	log_set_process(s->child.number);
	metrics_be(s->child.number > 0 ? s->child.number - 1 : 0);
	if (start(s, &err) < 0) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		s->status = 1;
		return;
	}
	hold_signals(SIG_UNBLOCK);
	loop_run(s->loop);
	log_info("hub.stopped");
}

/* Several processes: returns in each of them, and in their parent when all have ended. */
static int fork_all(struct serve *s, struct ssf_err *err)
{
	const struct supervise_conf conf = { .processes = (unsigned)s->conf.processes,
					     .listen = s->conf.listen,
					     .stop_ms = s->conf.drain_timeout + STOP_SLACK_MS,
					     .cluster = SSF_STEAL(s->cluster),
					     .opened = on_opened,
					     .ready = say_ready,
					     .arg = s };
	bool is_child = false;
	int r = supervise(&conf, &is_child, &s->child, err);

	if (is_child)
		run(s);
	else if (r > 0)
		s->status = r;
	return r < 0 ? -1 : 0;
}

static void stop(struct serve *s)
{
	loop_tick_cancel(s->tick);
	loop_signal_cancel(s->sigterm);
	loop_signal_cancel(s->sigint);
	/* whoever still waits is told, while all that they belong to is there */
	proxy_stop(s->api.proxy);
	scatter_gather_stop(s->api.gather);
	owner_stop(s->owner);
	db_stop(s->db);
	keys_stop(s->keys);
	stream_activity_free(s->activity);
	deliver_free(s->deliver);
	rules_consumer_free(s->rules);
	attribution_free(s->attribution);
	keys_free(s->keys); /* cancels its jobs, which have to be there for that */
	pool_free(s->pool);
	pool_free(s->resolver);
	batch_free(s->batch);
	document_cache_free(s->documents);
	source_keys_free(s->source_keys);
	jwks_free(s->jwks);
	bearer_free(s->api.bearer);
	rate_limits_free(s->api.limits);
	registry_free(s->registry);
	resource_writer_free(s->writer);
	partitions_free(s->partitions);
	event_log_free(s->log);
	http_client_free(s->push_client);
	http_client_free(s->client);
	ca_store_free(s->trust);
	http_server_free(s->metrics_server);
	http_server_free(s->server);
	peer_listener_free(s->api.peer_listener);
	proxy_free(s->api.proxy);
	scatter_gather_free(s->api.gather);
	peer_client_free(s->api.peer_client);
	owner_free(s->owner);
	db_free(s->db);
	postgres_stop(s->cluster);
	loop_free(s->loop);
	ssf_verify_free(s->api.verifications);
	openapi_done(&s->api.openapi);
	egress_policy_free(s->guard);
	master_key_free(s->master);
	issuer_done(&s->api.issuer);
	free(s->api.resource_metadata);
	json_decref(s->api.critical);
	free(s->api.token_endpoint_url);
	free(s->conninfo);
	metrics_close();
}

int cli_serve(int argc, char **argv)
{
	struct serve s = { .status = 0 };
	enum log_level level;
	struct ssf_err err;

	if (conf_load(&s.conf, &argc, argv, &err) < 0) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		return 2;
	}
	if (argc > 1 || log_level_parse(s.conf.log_level, &level) < 0) {
		if (argc > 1)
			fprintf(stderr, "ssfhub: %s: serve takes settings only; see ssfhub help\n",
				argv[1]);
		else
			fprintf(stderr, "ssfhub: log_level: must be debug, info, warn or error\n");
		conf_done(&s.conf);
		return 2;
	}
	if (strcmp(s.conf.default_subjects, "ALL") != 0 && strcmp(s.conf.default_subjects, "NONE") != 0) {
		fprintf(stderr, "ssfhub: default_subjects: must be ALL or NONE\n");
		conf_done(&s.conf);
		return 2;
	}
	log_set_level(level);
	raise_descriptors();
	hold_signals(SIG_BLOCK);
	if (prepare(&s, &err) < 0 || (s.conf.processes > 1 && fork_all(&s, &err) < 0)) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		s.status = 1;
	} else if (s.conf.processes == 1) {
		run(&s);
	}
	stop(&s);
	conf_done(&s.conf);
	return s.status;
}
