/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of parts, at the end of this file, and how each starts and stops. A part may use those that
 * stand above it. The order is also the reverse of the order in which they are freed, which matters in
 * these places:
 *
 *   - The listeners stand above everything that answers requests: http_server_free() asserts that no
 *     request is pending.
 *   - "database" is cancelled last, after everything that has statements pending, and before anything is
 *     freed (part.h): the callback of a statement finds all parts alive.
 *   - The pools stand above what submits jobs.
 */
#include "hub/server/parts.h"

#include "hub/eventlog/partitions.h"
#include "hub/metrics/metrics.h"
#include "hub/postgres/postgres.h"
#include "hub/server/lifecycle.h"
#include "hub/server/listen_address.h"
#include "hub/server/server.h"
#include "hub/server/urls.h"
#include "lib/kit/file.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>

#define DATABASE_QUEUE 20000
#define CRYPTO_QUEUE 10000
#define RESOLVER_THREADS 2
#define RESOLVER_QUEUE 64
#define METRICS_CONNECTIONS 64
#define METRICS_BODY 1024

/* A stop function that frees one handle. */
#define STOP(part, free_function, handle) \
	static void stop_##part(struct server *s) \
	{ \
		free_function(SSF_STEAL(s->handle)); \
	}

/* --- runtime and database ----------------------------------------------------------------------- */

static int start_loop(struct server *s, struct ssf_err *err)
{
	return loop_new(&s->base.loop, err);
}
STOP(loop, loop_free, base.loop)

static int start_crypto_pool(struct server *s, struct ssf_err *err)
{
	return pool_new(s->base.loop, (unsigned)s->conf.crypto_threads, CRYPTO_QUEUE,
			&s->base.crypto_pool, err);
}
STOP(crypto_pool, pool_free, base.crypto_pool)

static void on_db_state(void *arg, bool up)
{
	struct server *s = arg;

	if (!up)
		return;
	log_info("db.up");
	if (s->base.log != NULL)
		event_log_look(s->base.log);
	if (s->base.registry != NULL)
		registry_load(s->base.registry);
}

static int start_database(struct server *s, struct ssf_err *err)
{
	const struct db_conf conf = { .conninfo = s->conninfo,
				      .connections = (unsigned)s->conf.database_connections,
				      .queue_max = DATABASE_QUEUE,
				      .timeout_ms = (int)s->conf.database_timeout };

	if (db_new(s->base.loop, &conf, on_db_state, s, &s->base.db, err) < 0)
		return -1;
	return s->postgres != NULL ? postgres_watch(s->postgres, s->base.loop, err) : 0;
}

static void cancel_database(struct server *s)
{
	db_stop(s->base.db);
}

static void stop_database(struct server *s)
{
	db_free(SSF_STEAL(s->base.db));
	postgres_stop(SSF_STEAL(s->postgres));
}

/* --- HTTP --------------------------------------------------------------------------------------- */

static int start_http_clients(struct server *s, struct ssf_err *err)
{
	struct server_http *h = &s->http;

	if (egress_policy_new(s->conf.push_allow, s->conf.push_allow_http, &h->egress, err) < 0 ||
	    ca_store_new(s->conf.ca_file, &h->ca_store, err) < 0 ||
	    http_client_new(s->base.loop, h->egress, h->ca_store, &h->push_client, err) < 0 ||
	    http_client_go_direct(h->push_client, err) < 0 ||
	    http_client_new(s->base.loop, NULL, h->ca_store, &h->client, err) < 0)
		return -1;
	ca_store_load(h->ca_store);
	return 0;
}

static void stop_http_clients(struct server *s)
{
	http_client_free(SSF_STEAL(s->http.client));
	http_client_free(SSF_STEAL(s->http.push_client));
	ca_store_free(SSF_STEAL(s->http.ca_store));
	egress_policy_free(SSF_STEAL(s->http.egress));
}

static int start_documents(struct server *s, struct ssf_err *err)
{
	if (document_cache_new(s->base.loop, s->http.client, &s->http.documents, err) < 0)
		return -1;
	return jwks_new(s->http.documents, &s->http.jwks, err);
}

static void cancel_documents(struct server *s)
{
	document_cache_stop(s->http.documents);
}

static void stop_documents(struct server *s)
{
	document_cache_free(SSF_STEAL(s->http.documents));
	jwks_free(SSF_STEAL(s->http.jwks));
}

static void on_peer_request(void *arg, struct http_req *req, const struct caller *caller)
{
	struct server *s = arg;

	router_serve_peer(&s->api.router, req, caller);
}

/* Where the other processes reach this one: each of several has a port of its own. */
static int start_peer_listener(struct server *s, struct ssf_err *err)
{
	const struct conf *c = &s->conf;
	struct listen_address address;
	char listen[LISTEN_ADDRESS_MAX];
	const struct peer_listener_conf conf = {
		.listen = listen,
		.host = c->peer_host,
		.tls_cert = c->peer_host != NULL ? c->tls_cert : NULL,
		.tls_key = c->peer_host != NULL ? c->tls_key : NULL,
		.max_body = (size_t)c->max_body,
		.request_timeout_ms = (int)c->request_timeout,
		.max_connections = (unsigned)c->max_connections,
	};

	if (listen_address_parse(c->peer_listen, &address, err) < 0)
		return ssf_fail_prefix(err, "peer_listen");
	if (address.port > 0 && s->child.number > 0)
		address.port += s->child.number - 1;
	listen_address_text(&address, address.port, listen);
	return peer_listener_new(s->base.loop, &conf, s->files.master, on_peer_request, s,
				 &s->http.peer_listener, err);
}

static bool peer_listener_is_drained(const struct server *s)
{
	return peer_listener_pending(s->http.peer_listener) == 0;
}
STOP(peer_listener, peer_listener_free, http.peer_listener)

static void on_request(void *arg, struct http_req *req)
{
	struct server *s = arg;

	router_serve(&s->api.router, req);
}

static int start_listener(struct server *s, struct ssf_err *err)
{
	const struct conf *c = &s->conf;
	ssf_auto_free char *cert = file_join(c->data, "server.pem");
	ssf_auto_free char *key = file_join(c->data, "server.key");
	const struct http_server_conf conf = {
		.listen = c->listen,
		.listen_fd = s->child.listen_fd,
		.tls_cert = c->tls_off ? NULL : c->tls_cert != NULL ? c->tls_cert : cert,
		.tls_key = c->tls_off ? NULL : c->tls_key != NULL ? c->tls_key : key,
		.max_body = (size_t)c->max_body,
		.request_timeout_ms = (int)c->request_timeout,
		.max_connections = (unsigned)c->max_connections,
		.answered = router_count_answer,
	};

	if (cert == NULL || key == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	router_name_metrics();
	return http_server_new(s->base.loop, &conf, on_request, s, &s->http.listener, err);
}

static void drain_listener(struct server *s)
{
	http_server_drain(s->http.listener);
}

static bool listener_is_drained(const struct server *s)
{
	return http_server_pending(s->http.listener) == 0;
}
STOP(listener, http_server_free, http.listener)

static void on_monitor_request(void *arg, struct http_req *req)
{
	struct server *s = arg;

	router_serve_monitor(&s->api.router, req);
}

/* Of several processes the first has it: it shows what all have counted. */
static int start_metrics_listener(struct server *s, struct ssf_err *err)
{
	const struct http_server_conf conf = { .listen = s->conf.metrics_listen,
					       .max_body = METRICS_BODY,
					       .max_connections = METRICS_CONNECTIONS,
					       .answered = router_count_answer };

	if (conf.listen == NULL || s->child.number > 1)
		return 0;
	if (http_server_new(s->base.loop, &conf, on_monitor_request, s, &s->http.metrics_listener,
			    err) < 0)
		return ssf_fail_prefix(err, "metrics");
	return 0;
}
STOP(metrics_listener, http_server_free, http.metrics_listener)

/* Alone, this process learns its port here; of several processes the parent has made the URLs. */
static int start_urls(struct server *s, struct ssf_err *err)
{
	return s->child.number == 0 ? urls_set(s, http_server_port(s->http.listener), err) : 0;
}

/* --- log, registry, keys ------------------------------------------------------------------------ */

static void on_bus_notice(void *arg, enum owner_news what, int64_t version)
{
	struct server *s = arg;

	(void)version;
	if (what == OWNER_EVENTS)
		event_log_look(s->base.log);
	else if (what == OWNER_CHANGES)
		registry_load(s->base.registry);
	else
		key_manager_reload(s->work.key_manager);
}

static int start_owner(struct server *s, struct ssf_err *err)
{
	const struct owner_conf conf = { .conninfo = s->conninfo,
					 .timeout_ms = (int)s->conf.database_timeout,
					 .url = peer_listener_url(s->http.peer_listener),
					 .ready = lifecycle_leases_ready,
					 .news = on_bus_notice,
					 .arg = s };

	if (owner_new(s->base.loop, &conf, &s->base.owner, err) < 0)
		return -1;
	peer_listener_set_owner(s->http.peer_listener, s->base.owner);
	return 0;
}

static void cancel_owner(struct server *s)
{
	owner_stop(s->base.owner);
}
STOP(owner, owner_free, base.owner)

static void on_appended(void *arg)
{
	const struct server *s = arg;

	owner_say(s->base.owner, OWNER_EVENTS);
}

static int start_event_log(struct server *s, struct ssf_err *err)
{
	if (event_log_new(s->base.loop, s->base.db, &s->base.log, err) < 0)
		return -1;
	event_log_on_wake(s->base.log, on_appended, s);
	return 0;
}
STOP(event_log, event_log_free, base.log)

static int start_partitions(struct server *s, struct ssf_err *err)
{
	const struct partitions_conf conf = { s->conf.retention, s->conf.partition };

	return partitions_new(s->base.loop, s->base.db, s->base.log, &conf, &s->base.partitions, err);
}
STOP(partitions, partitions_free, base.partitions)

static int start_registry(struct server *s, struct ssf_err *err)
{
	if (registry_new(s->base.loop, s->base.db, lifecycle_registry_ready, s, &s->base.registry,
			 err) < 0)
		return -1;
	registry_share(s->base.registry, s->base.owner);
	return 0;
}

static void cancel_registry(struct server *s)
{
	registry_stop(s->base.registry);
}
STOP(registry, registry_free, base.registry)

static int start_keyring(struct server *s, struct ssf_err *err)
{
	const struct key_schedule_conf schedule = { s->conf.key_rotation, s->conf.key_publish_ahead,
						    s->conf.key_keep };

	return keyring_new(s->files.master, &schedule, &s->work.keyring, err);
}
STOP(keyring, keyring_free, work.keyring)

static int start_keys(struct server *s, struct ssf_err *err)
{
	const struct key_manager_deps deps = { .loop = s->base.loop,
					       .db = s->base.db,
					       .pool = s->base.crypto_pool,
					       .master = s->files.master,
					       .owner = s->base.owner,
					       .keyring = s->work.keyring };

	return key_manager_new(&deps, lifecycle_keys_ready, s, &s->work.key_manager, err);
}

static void cancel_keys(struct server *s)
{
	key_manager_stop(s->work.key_manager);
}
STOP(keys, key_manager_free, work.key_manager)

static int start_signer(struct server *s, struct ssf_err *err)
{
	const struct set_signer_deps deps = { .loop = s->base.loop,
					      .pool = s->base.crypto_pool,
					      .keyring = s->work.keyring,
					      .master = s->files.master,
					      .issuer = s->api.issuer.url };

	return set_signer_new(&deps, &s->work.signer, err);
}

static void cancel_signer(struct server *s)
{
	set_signer_stop(s->work.signer);
}
STOP(signer, set_signer_free, work.signer)

/* --- work --------------------------------------------------------------------------------------- */

static int start_auth(struct server *s, struct ssf_err *err)
{
	struct server_api *a = &s->api;
	const struct rate_limits_conf limits = { s->conf.rate_limit_client, s->conf.rate_limit_address,
						 s->conf.forwarded_for };
	struct bearer_conf conf;

	memcpy(conf.admin, s->files.admin, sizeof(conf.admin));
	memcpy(conf.metrics, s->files.metrics, sizeof(conf.metrics));
	a->tokens = (struct access_tokens){ a->issuer.url, s->conf.token_lifetime / 1000,
					    s->base.registry, s->work.keyring };
	if (rate_limits_new(&limits, &a->limits, err) < 0 ||
	    bearer_new(&conf, &a->tokens, s->http.jwks, &a->bearer, err) < 0)
		return -1;
	a->token_endpoint = (struct token_endpoint){ a->token_endpoint_url, s->base.db, s->base.registry,
						     s->http.jwks, a->limits, &a->tokens };
	return 0;
}

static void stop_auth(struct server *s)
{
	bearer_free(SSF_STEAL(s->api.bearer));
	rate_limits_free(SSF_STEAL(s->api.limits));
}

static int start_appender(struct server *s, struct ssf_err *err)
{
	return batch_new(s->base.loop, s->base.db, s->base.log, &s->work.batch, err);
}

static bool appender_is_drained(const struct server *s)
{
	return batch_pending(s->work.batch) == 0;
}
STOP(appender, batch_free, work.batch)

static int start_attribution(struct server *s, struct ssf_err *err)
{
	const struct attribution_deps deps = { s->base.loop, s->base.db, s->base.owner, s->base.log,
					       s->base.registry, s->http.client, s->files.master };

	return attribution_new(&deps, &s->work.attribution, err);
}
STOP(attribution, attribution_free, work.attribution)

static int start_rules(struct server *s, struct ssf_err *err)
{
	return rules_consumer_new(s->base.loop, s->base.db, s->base.owner, s->base.log, s->base.registry,
				  s->api.issuer.url, &s->work.rules, err);
}
STOP(rules, rules_consumer_free, work.rules)

/* Rounded up, so that a value above 0 does not become "off". */
static int64_t whole_seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

static int start_deliver(struct server *s, struct ssf_err *err)
{
	const struct conf *c = &s->conf;
	const struct deliver_conf conf = {
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

	const struct deliver_deps deps = {
		.loop = s->base.loop,
		.db = s->base.db,
		.owner = s->base.owner,
		.log = s->base.log,
		.registry = s->base.registry,
		.keyring = s->work.keyring,
		.signer = s->work.signer,
		.master = s->files.master,
		.client = s->http.push_client,
	};

	return deliver_new(&deps, &conf, &s->work.deliver, err);
}

static void on_deliver_drained(void *arg)
{
	struct server *s = arg;

	s->life.deliver_drained = true;
}

static void on_owner_left(void *arg)
{
	struct server *s = arg;

	s->life.owner_left = true;
}

/* Delivery first: leases are handed over when nothing is delivered for them any more. */
static void drain_deliver(struct server *s)
{
	deliver_drain(s->work.deliver, s->conf.drain_timeout, on_deliver_drained, s);
	owner_leave(s->base.owner, on_owner_left, s);
}

static bool deliver_is_drained(const struct server *s)
{
	return s->life.deliver_drained && s->life.owner_left;
}
STOP(deliver, deliver_free, work.deliver)

static int start_source_keys(struct server *s, struct ssf_err *err)
{
	return source_keys_new(s->base.loop, s->http.documents, &s->work.source_keys, err);
}
STOP(source_keys, source_keys_free, work.source_keys)

/* --- requests ----------------------------------------------------------------------------------- */

static int start_resolver_pool(struct server *s, struct ssf_err *err)
{
	return pool_new(s->base.loop, RESOLVER_THREADS, RESOLVER_QUEUE, &s->base.resolver_pool, err);
}

/* Ends the resource writes that wait for a lookup. */
static void cancel_resolver_pool(struct server *s)
{
	pool_stop(s->base.resolver_pool);
}
STOP(resolver_pool, pool_free, base.resolver_pool)

static int start_resource_writer(struct server *s, struct ssf_err *err)
{
	const struct resource_writer_deps deps = { s->base.registry, s->base.log, s->base.resolver_pool,
						   s->http.egress };

	return resource_writer_new(&deps, &s->base.writer, err);
}
STOP(resource_writer, resource_writer_free, base.writer)

static int start_activity(struct server *s, struct ssf_err *err)
{
	const struct stream_activity_deps deps = { .loop = s->base.loop,
						   .db = s->base.db,
						   .owner = s->base.owner,
						   .registry = s->base.registry,
						   .writer = s->base.writer,
						   .batch = s->work.batch,
						   .deliver = s->work.deliver };

	return stream_activity_new(&deps, &s->work.activity, err);
}

static void drain_activity(struct server *s)
{
	stream_activity_stop(s->work.activity);
}
STOP(activity, stream_activity_free, work.activity)

static int start_proxy(struct server *s, struct ssf_err *err)
{
	struct server_api *a = &s->api;
	struct proxy_deps proxy = { s->base.loop, s->base.owner, NULL };
	struct scatter_gather_deps gather = { s->base.loop, s->base.owner, NULL };

	if (peer_client_new(s->http.client, s->files.master, &a->peer_client, err) < 0)
		return -1;
	proxy.client = gather.client = a->peer_client;
	if (proxy_new(&proxy, s->conf.poll_wait, &a->proxy, err) < 0)
		return -1;
	return scatter_gather_new(&gather, &a->gather, err);
}

static void drain_proxy(struct server *s)
{
	proxy_drain(s->api.proxy);
}

static void cancel_proxy(struct server *s)
{
	proxy_stop(s->api.proxy);
	scatter_gather_stop(s->api.gather);
}

static void stop_proxy(struct server *s)
{
	proxy_free(SSF_STEAL(s->api.proxy));
	scatter_gather_free(SSF_STEAL(s->api.gather));
	peer_client_free(SSF_STEAL(s->api.peer_client));
}

/* "user, tenant" as an array; NULL without names. */
static int parse_critical_members(const char *text, json_t **out, struct ssf_err *err)
{
	json_auto_t *names = json_array();
	size_t len;

	for (const char *p = text != NULL ? text : ""; *p != '\0'; p += len) {
		p += strspn(p, ", ");
		len = strcspn(p, ", ");
		if (len > 0 && json_array_append_new(names, json_stringn(p, len)) < 0)
			return ssf_fail(err, SSF_E_MALFORMED,
					"critical_subject_members: must be names separated by commas");
	}
	*out = json_array_size(names) > 0 ? json_incref(names) : NULL;
	return 0;
}

static void fill_stream_groups(struct server *s)
{
	const struct conf *c = &s->conf;
	struct server_api *a = &s->api;

	a->ssf = (struct ssf_api){ .registry = s->base.registry,
				   .writer = s->base.writer,
				   .activity = s->work.activity,
				   .keyring = s->work.keyring,
				   .check = { s->base.registry, s->files.master, s->http.egress },
				   .issuer = &a->issuer,
				   .critical_members = a->critical,
				   .max_streams = c->max_streams,
				   .default_all = strcmp(c->default_subjects, "ALL") == 0,
				   .verify_interval_s = c->min_verification_interval / 1000,
				   .inactivity_s = whole_seconds(c->inactivity_timeout) };
	a->stream = (struct stream_api){ .deliver = s->work.deliver,
					 .registry = s->base.registry,
					 .db = s->base.db,
					 .owner = s->base.owner,
					 .batch = s->work.batch,
					 .activity = s->work.activity,
					 .removal_grace_s = c->subject_removal_grace / 1000,
					 .verify_interval_s = a->ssf.verify_interval_s,
					 .verifications = a->verifications };
}

static void fill_monitor_group(struct server *s)
{
	struct server_api *a = &s->api;

	a->readiness.db = s->base.db;
	a->readiness.owner = s->base.owner;
	a->monitor = (struct monitor_api){ .readiness = &a->readiness,
					   .db = s->base.db,
					   .owner = s->base.owner,
					   .log = s->base.log,
					   .registry = s->base.registry,
					   .batch = s->work.batch,
					   .rules = s->work.rules,
					   .deliver = s->work.deliver,
					   .signing_pool = s->base.crypto_pool,
					   .server = s->http.listener,
					   .push_client = s->http.push_client,
					   .issuer = a->issuer.url,
					   .version = SSFHUB_VERSION,
					   .max_connections = s->conf.max_connections,
					   .crypto_threads = s->conf.crypto_threads,
					   .database_connections = s->conf.database_connections,
					   .metrics_streams = s->conf.metrics_streams,
					   .started_ms = loop_now_ms() };
}

static int start_api(struct server *s, struct ssf_err *err)
{
	struct server_api *a = &s->api;

	if (parse_critical_members(s->conf.critical_subject_members, &a->critical, err) < 0)
		return -1;
	a->verifications = ssf_verify_new();
	if (a->verifications == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	fill_stream_groups(s);
	fill_monitor_group(s);
	a->admin = (struct admin_api){ s->base.registry, s->base.writer, s->base.db, s->work.batch,
				       s->work.keyring, s->work.key_manager, a->ssf.check };
	a->oauth = (struct oauth_api){ &a->token_endpoint, &a->issuer, s->base.registry };
	a->ingest = (struct ingest){ .registry = s->base.registry,
				     .batch = s->work.batch,
				     .jwks = s->http.jwks,
				     .attribution = s->work.attribution,
				     .master = s->files.master,
				     .source_keys = s->work.source_keys,
				     .issuer = a->issuer.url };
	a->openapi.issuer = a->issuer.url;
	a->router = (struct router){ .groups = { &a->ssf, &a->stream, &a->admin, &a->monitor, &a->oauth,
						 &a->ingest, &a->openapi },
				     .readiness = &a->readiness,
				     .issuer = &a->issuer,
				     .resource_metadata = a->resource_metadata,
				     .bearer = a->bearer,
				     .limits = a->limits,
				     .registry = s->base.registry,
				     .owner = s->base.owner,
				     .proxy = a->proxy,
				     .gather = a->gather };
	return 0;
}

static void stop_api(struct server *s)
{
	ssf_verify_free(SSF_STEAL(s->api.verifications));
	json_decref(SSF_STEAL(s->api.critical));
	openapi_done(&s->api.openapi);
}

/* --- the table ---------------------------------------------------------------------------------- */

const struct part server_parts[] = {
	{ "loop", start_loop, NULL, NULL, NULL, stop_loop },
	{ "crypto pool", start_crypto_pool, NULL, NULL, NULL, stop_crypto_pool },
	{ "database", start_database, NULL, NULL, cancel_database, stop_database },
	{ "HTTP clients", start_http_clients, NULL, NULL, NULL, stop_http_clients },
	{ "documents", start_documents, NULL, NULL, cancel_documents, stop_documents },
	{ "peer listener", start_peer_listener, NULL, peer_listener_is_drained, NULL,
	  stop_peer_listener },
	{ "listen", start_listener, drain_listener, listener_is_drained, NULL, stop_listener },
	{ "metrics", start_metrics_listener, NULL, NULL, NULL, stop_metrics_listener },
	{ "URLs", start_urls, NULL, NULL, NULL, NULL },
	{ "leases", start_owner, NULL, NULL, cancel_owner, stop_owner },
	{ "event log", start_event_log, NULL, NULL, NULL, stop_event_log },
	{ "partitions", start_partitions, NULL, NULL, NULL, stop_partitions },
	{ "registry", start_registry, NULL, NULL, cancel_registry, stop_registry },
	{ "keyring", start_keyring, NULL, NULL, NULL, stop_keyring },
	{ "keys", start_keys, NULL, NULL, cancel_keys, stop_keys },
	{ "signer", start_signer, NULL, NULL, cancel_signer, stop_signer },
	{ "auth", start_auth, NULL, NULL, NULL, stop_auth },
	{ "appender", start_appender, NULL, appender_is_drained, NULL, stop_appender },
	{ "attribution", start_attribution, NULL, NULL, NULL, stop_attribution },
	{ "rules", start_rules, NULL, NULL, NULL, stop_rules },
	{ "deliver", start_deliver, drain_deliver, deliver_is_drained, NULL, stop_deliver },
	{ "source keys", start_source_keys, NULL, NULL, NULL, stop_source_keys },
	{ "resolver pool", start_resolver_pool, NULL, NULL, cancel_resolver_pool, stop_resolver_pool },
	{ "resource writer", start_resource_writer, NULL, NULL, NULL, stop_resource_writer },
	{ "stream activity", start_activity, drain_activity, NULL, NULL, stop_activity },
	{ "proxy", start_proxy, drain_proxy, NULL, cancel_proxy, stop_proxy },
	{ "api", start_api, NULL, NULL, NULL, stop_api },
	{ "lifecycle", lifecycle_start, NULL, NULL, NULL, lifecycle_stop },
};
const size_t server_part_count = SSF_ARRAY_SIZE(server_parts);
