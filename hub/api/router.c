/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request:
 *
 *   find route -> ready? -> limits -> authenticate (may wait for keys) -> permissions -> run here
 *                                                                      -> proxy to the stream's owner
 *                                                                      -> gather all processes, run here
 *
 * Must never run the handler of a STREAM_ROUTE for a stream that another process owns.
 */
#include "hub/api/router.h"

#include "hub/api/admin/admin_emit.h"
#include "hub/api/admin/admin_keys.h"
#include "hub/api/admin/admin_lift.h"
#include "hub/api/admin/admin_replay.h"
#include "hub/api/admin/admin_reports.h"
#include "hub/api/admin/admin_resources.h"
#include "hub/api/admin/admin_test.h"
#include "hub/api/monitor/monitor_health.h"
#include "hub/api/monitor/monitor_metrics.h"
#include "hub/api/monitor/monitor_status.h"
#include "hub/api/reply.h"
#include "hub/api/ssf/ssf_health.h"
#include "hub/api/ssf/ssf_metadata.h"
#include "hub/api/ssf/ssf_poll.h"
#include "hub/api/ssf/ssf_status.h"
#include "hub/api/ssf/ssf_streams.h"
#include "hub/api/ssf/ssf_subjects.h"
#include "hub/api/ssf/ssf_verify.h"
#include "hub/ingest/set_request.h"
#include "hub/ingest/source_request.h"
#include "hub/metrics/metrics.h"
#include "hub/scopes/scope.h"
#include "lib/http/http_error.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum who { WHO_ANYBODY, WHO_CLIENT, WHO_ADMIN, WHO_EMITTER, WHO_SCRAPER };
enum limit { LIMIT_UNLIMITED, LIMIT_PER_ADDRESS, LIMIT_FAILED_TOKENS };
enum process { PROCESS_ANY, PROCESS_STREAM_OWNER, PROCESS_ALL };
enum where { WHERE_NONE, WHERE_IN_PATH, WHERE_IN_QUERY, WHERE_IN_BODY };

struct route {
	const char *method;
	const char *path;
	enum who who;
	enum perm perm;
	enum limit limit;
	bool early;   /* also before everything is loaded */
	bool monitor; /* also on metrics_listen */
	enum process process;
	enum where where;
	bool repeatable;
	/* others: of PROCESS_ALL */
	void (*run)(const struct api_groups *groups, const struct api_request *r, const json_t *others);
};

static void receive_from_source(struct ingest *ingest, const struct api_request *r)
{
	source_request_start(ingest, r->http, r->part[0], "");
}

static void receive_set(struct ingest *ingest, const struct api_request *r)
{
	set_request_start(ingest, r->http);
}

/* --- the table -------------------------------------------------------------------------------------- */

/* A handler gets the struct of its group and no other: the compiler checks that it may have it. */
#define RUN(operation, call)                                                                \
	static void run_##operation(const struct api_groups *g, const struct api_request *r, \
				    const json_t *others)                                    \
	{                                                                                    \
		(void)others;                                                                \
		call;                                                                        \
	}
#define ROUTE(method, path, who, perm, limit, group, handler, operation) \
	RUN(operation, handler(g->group, r))
#define EARLY_ROUTE(method, path, group, handler, operation) RUN(operation, handler(g->group, r))
#define MONITOR_ROUTE(method, path, who, limit, handler, operation) \
	RUN(operation, handler(g->monitor, r))
#define STREAM_ROUTE(method, path, who, perm, limit, where, repeat, handler, operation) \
	RUN(operation, handler(g->stream, r))
#define GATHER_ROUTE(method, path, who, perm, limit, group, handler, operation) \
	RUN(operation, handler(g->group, r, others))
#include "hub/api/routes.def"

#define ROUTE(m, p, w, pm, l, group, handler, operation)                              \
	{ .method = m, .path = p, .who = WHO_##w, .perm = PERM_##pm, .limit = LIMIT_##l, \
	  .process = PROCESS_ANY, .run = run_##operation },
#define EARLY_ROUTE(m, p, group, handler, operation) \
	{ .method = m, .path = p, .who = WHO_ANYBODY, .early = true, .run = run_##operation },
#define MONITOR_ROUTE(m, p, w, l, handler, operation)                                \
	{ .method = m, .path = p, .who = WHO_##w, .limit = LIMIT_##l, .early = true, \
	  .monitor = true, .run = run_##operation },
#define STREAM_ROUTE(m, p, w, pm, l, wh, repeat, handler, operation)                    \
	{ .method = m, .path = p, .who = WHO_##w, .perm = PERM_##pm, .limit = LIMIT_##l, \
	  .process = PROCESS_STREAM_OWNER, .where = WHERE_##wh,                         \
	  .repeatable = REPEAT_##repeat, .run = run_##operation },
#define GATHER_ROUTE(m, p, w, pm, l, group, handler, operation)                         \
	{ .method = m, .path = p, .who = WHO_##w, .perm = PERM_##pm, .limit = LIMIT_##l, \
	  .early = true, .process = PROCESS_ALL, .run = run_##operation },
#define REPEAT_REPEATABLE true
#define REPEAT_ONCE false

static const struct route routes[] = {
#include "hub/api/routes.def"
};

/* A request on its way through the router. */
struct routed {
	struct router *router;
	const struct route *route;
	struct api_request request;
	struct bearer_lookup *lookup; /* while its issuer's keys are fetched */
};

/* --- find the route ------------------------------------------------------------------------------------- */

/* Copies what "*" stands for; a segment has 1 to 128 bytes. */
static bool path_matches(const char *pattern, const char *path, struct api_request *r)
{
	size_t part = 0;

	while (*pattern != '\0') {
		size_t len;
		if (*pattern != '*') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strcspn(path, "/");
		if (len == 0 || len >= API_REQUEST_PART_LEN)
			return false;
		memcpy(r->part[part], path, len);
		r->part[part++][len] = '\0';
		path += len;
		pattern++;
	}
	return *path == '\0';
}

/* NULL: *found says whether the path has other methods. */
static const struct route *match_route(struct api_request *r, const char *path, bool *found)
{
	*found = false;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		if (!path_matches(routes[i].path, path, r))
			continue;
		*found = true;
		if (strcmp(routes[i].method, http_method(r->http)) == 0) {
			http_tag(r->http, (unsigned)i + 1);
			return &routes[i];
		}
	}
	return NULL;
}

/* RFC 9110 section 15.5.6: a 405 lists the methods of the path. */
static void add_allow(struct http_req *req, const char *path)
{
	struct api_request parts; /* not used */
	char allow[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		if (path_matches(routes[i].path, path, &parts) && strstr(allow, routes[i].method) == NULL)
			len += (size_t)snprintf(allow + len, sizeof(allow) - len, "%s%s",
						len > 0 ? ", " : "", routes[i].method);
	}
	http_answer_header(req, "Allow", allow);
}

/* False: the request was answered. */
static bool find_route(struct routed *q)
{
	ssf_auto_buf path = SSF_BUF(64 * 1024);
	struct http_req *req = q->request.http;
	bool found = false;
	struct ssf_err err;

	if (issuer_strip(q->router->issuer, http_path(req), &path))
		q->route = match_route(&q->request, path.ptr, &found);
	if (q->route != NULL)
		return true;
	if (found)
		add_allow(req, path.ptr);
	ssf_fail(&err, found ? SSF_E_METHOD : SSF_E_NOT_FOUND,
		 found ? "this method is not for this path" : "no such path");
	http_reply_error(req, 0, &err);
	return false;
}

/* --- refuse ------------------------------------------------------------------------------------------- */

/* RFC 6750 section 3: an error only when a token was presented; RFC 9728 section 5.1: where to get one. */
static void reply_refused(const struct routed *q, const struct ssf_err *err, int64_t retry_after_s)
{
	struct http_req *req = q->request.http;
	struct http_hint hint = { .retry_after_s = retry_after_s };
	bool presented = http_header(req, "Authorization").len > 0;
	const char *scope = scope_of(q->route->perm);
	char challenge[1400];

	snprintf(challenge, sizeof(challenge), "Bearer resource_metadata=\"%s\"%s%s%s%s",
		 q->router->resource_metadata,
		 err->code == SSF_E_SCOPE ? ", error=\"insufficient_scope\"" :
		 presented		  ? ", error=\"invalid_token\"" :
					    "",
		 scope[0] != '\0' ? ", scope=\"" : "", scope, scope[0] != '\0' ? "\"" : "");
	if (err->code == SSF_E_UNAUTHENTICATED || err->code == SSF_E_SCOPE)
		hint.challenge = challenge;
	http_reply_error_hint(req, 0, err, &hint);
}

static int check_permission(const struct routed *q, struct ssf_err *err)
{
	const struct caller *caller = &q->request.caller;
	enum who who = q->route->who;

	if (caller->metrics)
		return who == WHO_SCRAPER ? 0 : ssf_fail(err, SSF_E_DENIED, "this token is for /metrics only");
	if (caller->admin)
		return who != WHO_CLIENT ? 0 : ssf_fail(err, SSF_E_DENIED, "this needs the token of a client");
	if (who == WHO_ADMIN || who == WHO_SCRAPER)
		return ssf_fail(err, SSF_E_DENIED, "this needs the admin token");
	if ((caller->perms & q->route->perm) == 0)
		return ssf_fail(err, SSF_E_SCOPE, "the token's scopes do not cover this");
	return 0;
}

/* --- run: here, at the owner, everywhere ------------------------------------------------------------------- */

static void run_here(const struct routed *q, const json_t *others)
{
	q->route->run(&q->router->groups, &q->request, others);
}

/* The unit of the stream that the request names; -1: it names no stream that exists. */
static int stream_unit(const struct routed *q)
{
	static const struct ssf_json_limits limits = { 64 * 1024, 16 };
	const struct api_request *r = &q->request;
	json_auto_t *body = NULL;
	const char *stream = NULL;

	if (q->route->where == WHERE_IN_PATH)
		stream = r->part[0];
	else if (q->route->where == WHERE_IN_QUERY)
		stream = http_query(r->http, "stream_id");
	else if (ssf_json_parse(http_body(r->http), &limits, &body, NULL) == 0)
		stream = json_string_value(json_object_get(body, "stream_id"));
	if (stream == NULL || registry_get(q->router->registry, KIND_STREAM, stream) == NULL)
		return -1;
	return owner_shard(stream);
}

static void on_proxied(void *arg, bool here)
{
	struct routed *q = arg;

	if (here)
		run_here(q, NULL);
	free(q);
}

static void on_gathered(void *arg, const json_t *others)
{
	struct routed *q = arg;

	run_here(q, others);
	free(q);
}

/* Continues on the heap what waits for other processes. */
static void run_elsewhere(const struct routed *on_stack, int unit)
{
	struct routed *q = malloc(sizeof(*q));
	struct ssf_err err;
	int started;

	if (q == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(on_stack->request.http, 0, &err);
		return;
	}
	*q = *on_stack;
	if (q->route->process == PROCESS_ALL) {
		started = scatter_gather_start(q->router->gather, q->request.http, &q->request.caller,
					       on_gathered, q, &err);
	} else {
		struct proxy_request p = { .http = q->request.http, .caller = &q->request.caller,
					   .unit = unit, .repeatable = q->route->repeatable };
		started = proxy_start(q->router->proxy, &p, on_proxied, q, &err);
	}
	if (started < 0) {
		http_reply_error(q->request.http, 0, &err);
		free(q);
	}
}

/* Without other processes, the handler itself says what cannot be done now. */
static void run(const struct routed *q)
{
	json_auto_t *none = NULL;
	int unit;

	if (q->route->process == PROCESS_ANY || owner_others(q->router->owner) == 0) {
		none = q->route->process == PROCESS_ALL ? json_array() : NULL;
		run_here(q, none);
		return;
	}
	unit = q->route->process == PROCESS_STREAM_OWNER ? stream_unit(q) : -1;
	if (q->route->process == PROCESS_STREAM_OWNER && (unit < 0 || owner_acts(q->router->owner, unit)))
		run_here(q, NULL);
	else
		run_elsewhere(q, unit);
}

/* --- authenticate ------------------------------------------------------------------------------------------ */

static void authorize(const struct routed *q)
{
	const char *client = q->request.caller.client;
	int64_t wait = client[0] == '\0' ? 0 : rate_limits_take_client(q->router->limits, client);
	struct ssf_err err;

	if (wait > 0) {
		ssf_fail(&err, SSF_E_RATE, "too many requests of this client");
		reply_refused(q, &err, wait);
	} else if (check_permission(q, &err) < 0) {
		reply_refused(q, &err, 0);
	} else {
		run(q);
	}
}

/* A request without a token is not a guess. */
static void refuse_token(const struct routed *q, const struct ssf_err *err)
{
	if (q->route->limit == LIMIT_FAILED_TOKENS && err->code == SSF_E_UNAUTHENTICATED &&
	    http_header(q->request.http, "Authorization").len > 0)
		rate_limits_count_failed_token(q->router->limits, q->request.http);
	reply_refused(q, err, 0);
}

static void on_authenticated(void *arg, const struct caller *caller, const struct ssf_err *err)
{
	struct routed *q = arg;

	q->lookup = NULL;
	http_on_cancel(q->request.http, NULL, NULL);
	if (err != NULL) {
		refuse_token(q, err);
	} else {
		q->request.caller = *caller;
		authorize(q);
	}
	free(q);
}

static void on_client_gone(void *arg)
{
	struct routed *q = arg;

	bearer_lookup_cancel(q->lookup);
	reply_gone(q->request.http);
	free(q);
}

/* The keys of the token's issuer have to be fetched. */
static void authenticate_later(const struct routed *on_stack, struct ssf_str authorization)
{
	struct routed *q = malloc(sizeof(*q));
	struct ssf_err err;

	if (q == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		reply_refused(on_stack, &err, 0);
		return;
	}
	*q = *on_stack;
	if (bearer_lookup_start(q->router->bearer, authorization, on_authenticated, q, &q->lookup, &err) < 0) {
		refuse_token(q, &err);
		free(q);
		return;
	}
	http_on_cancel(q->request.http, on_client_gone, q);
}

static void authenticate(struct routed *q)
{
	struct ssf_str authorization = http_header(q->request.http, "Authorization");
	struct ssf_err err;
	int r = bearer_check(q->router->bearer, authorization, &q->request.caller, &err);

	if (r == 0)
		authorize(q);
	else if (r == BEARER_LATER)
		authenticate_later(q, authorization);
	else
		refuse_token(q, &err);
}

static int64_t limit_wait_s(const struct routed *q)
{
	switch (q->route->limit) {
	case LIMIT_PER_ADDRESS:
		return rate_limits_take_address(q->router->limits, q->request.http);
	case LIMIT_FAILED_TOKENS:
		return rate_limits_lockout(q->router->limits, q->request.http);
	default:
		return 0;
	}
}

/* --- the three listeners -------------------------------------------------------------------------------------- */

void router_serve(struct router *router, struct http_req *req)
{
	struct routed q = { .router = router, .request = { .http = req } };
	struct ssf_err err;
	int64_t wait;

	if (!find_route(&q))
		return;
	if (!router->readiness->running && !q.route->early) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "starting: the database is not there yet");
		http_reply_error(req, 0, &err);
		return;
	}
	wait = limit_wait_s(&q);
	if (wait > 0) {
		ssf_fail(&err, SSF_E_RATE, "too many requests of this address");
		reply_refused(&q, &err, wait);
	} else if (q.route->who == WHO_ANYBODY) {
		run(&q);
	} else {
		authenticate(&q);
	}
}

void router_serve_monitor(struct router *router, struct http_req *req)
{
	struct routed q = { .router = router, .request = { .http = req } };
	struct ssf_err err;
	bool found;

	q.route = match_route(&q.request, http_path(req), &found);
	if (q.route != NULL && q.route->monitor) {
		run_here(&q, NULL);
		return;
	}
	ssf_fail(&err, SSF_E_NOT_FOUND, "here are /metrics, /healthz and /readyz only");
	http_reply_error(req, 0, &err);
}

/*
 * The forwarding process has authorized the caller; the permission is checked again all the same. Whether this
 * process owns the stream is decided here.
 */
void router_serve_peer(struct router *router, struct http_req *req, const struct caller *caller)
{
	struct routed q = { .router = router,
			    .request = { .http = req, .caller = *caller } };
	struct ssf_err err;
	bool owned = true;
	int unit;

	if (!find_route(&q))
		return;
	if (q.route->process == PROCESS_STREAM_OWNER) {
		unit = stream_unit(&q);
		owned = unit >= 0 && owner_acts(router->owner, unit);
	}
	if (!router->readiness->running || q.route->who == WHO_ANYBODY || !owned) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "not done by this process");
		http_reply_error(req, PEER_CLIENT_MISDIRECTED, &err);
	} else if (check_permission(&q, &err) < 0) {
		http_reply_error(req, 0, &err);
	} else {
		run_here(&q, NULL);
	}
}

/* --- metrics ------------------------------------------------------------------------------------------------ */

/* The last stands for all others. */
static const struct {
	int status;
	const char *name;
} statuses[] = {
	{ 200, "200" }, { 202, "202" }, { 201, "201" }, { 204, "204" }, { 400, "400" }, { 401, "401" }, { 403, "403" },
	{ 404, "404" }, { 405, "405" }, { 408, "408" }, { 409, "409" }, { 412, "412" }, { 413, "413" }, { 415, "415" },
	{ 429, "429" }, { 431, "431" }, { 500, "500" }, { 501, "501" }, { 503, "503" }, { 0, "other" },
};
_Static_assert(SSF_ARRAY_SIZE(statuses) <= LABEL_status_COUNT, "metrics.def: status");
_Static_assert(SSF_ARRAY_SIZE(routes) < LABEL_route_COUNT, "metrics.def: route");

void router_name_metrics(void)
{
	static char names[SSF_ARRAY_SIZE(routes)][80];

	for (size_t i = 0; i < SSF_ARRAY_SIZE(statuses); i++)
		metrics_name_status[i] = statuses[i].name;
	metrics_name_route[0] = "none";
	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		snprintf(names[i], sizeof(names[i]), "%s %s", routes[i].method, routes[i].path);
		metrics_name_route[i + 1] = names[i];
	}
}

void router_count_answer(void *arg, unsigned tag, int status, int64_t us)
{
	size_t i = 0;

	(void)arg;
	while (statuses[i].status != 0 && statuses[i].status != status)
		i++;
	metric_add_of2(http_requests, tag, i, 1);
	metric_observe_of(http_request_seconds, tag, us);
}
