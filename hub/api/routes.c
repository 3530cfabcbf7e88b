/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of routes. The order of checks is that of docs/reference/api.md: where, whether we can, how
 * often, who, whether they may.
 */
#include "hub/api/api_priv.h"

#include "hub/api/forward.h"
#include "hub/auth/oauth.h"
#include "hub/ingest/set_request.h"
#include "hub/ingest/source_request.h"
#include "hub/metrics/metrics.h"
#include "lib/http/http_error.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* WHO_EMITTER: the operator, or a client that may emit. WHO_SCRAPER: the operator, or the metrics token. */
enum who { WHO_ANYBODY, WHO_CLIENT, WHO_ADMIN, WHO_EMITTER, WHO_SCRAPER };

static void api_source(const struct call *c)
{
	source_request_start(&c->api->ingest, c->req, c->arg[0], "");
}

static void api_set(const struct call *c)
{
	set_request_start(&c->api->ingest, c->req);
}

static void api_token(const struct call *c)
{
	oauth_token(c->api->auth, c->req);
}

static void api_poll(const struct call *c)
{
	deliver_poll(c->api->deliver, c->req, c->arg[0], c->caller.client);
}

/* "*" in a path takes one segment. First fit wins. */
static const struct route {
	const char *method;
	const char *path;
	enum who who;
	enum perm perm; /* that a client needs; 0: none */
	bool always;    /* also before everything is loaded */
	handler_f *handler;
} routes[] = {
	{ "GET", "/healthz", WHO_ANYBODY, 0, true, api_health },
	{ "GET", "/readyz", WHO_ANYBODY, 0, true, api_ready },
	{ "GET", "/metrics", WHO_SCRAPER, 0, true, api_metrics },
	{ "GET", "/.well-known/ssf-configuration", WHO_ANYBODY, 0, true, api_configuration },
	{ "GET", "/.well-known/risc-configuration", WHO_ANYBODY, 0, true, api_configuration },
	{ "GET", "/.well-known/oauth-authorization-server", WHO_ANYBODY, 0, true, api_oauth_server },
	{ "GET", "/.well-known/oauth-protected-resource", WHO_ANYBODY, 0, true, api_oauth_resource },
	{ "GET", "/openapi.json", WHO_ANYBODY, 0, true, api_openapi },
	{ "GET", "/jwks.json", WHO_ANYBODY, 0, false, api_jwks },
	{ "POST", "/oauth2/token", WHO_ANYBODY, 0, false, api_token },
	{ "POST", "/in/*", WHO_ANYBODY, 0, false, api_source },
	{ "POST", "/events", WHO_ANYBODY, 0, false, api_set },
	{ "POST", "/streams/*/poll", WHO_CLIENT, PERM_POLL, false, api_poll },
	{ "POST", "/ssf/streams", WHO_CLIENT, PERM_CREATE, false, api_ssf_create },
	{ "GET", "/ssf/streams", WHO_CLIENT, PERM_READ, false, api_ssf_read },
	{ "PATCH", "/ssf/streams", WHO_CLIENT, PERM_UPDATE, false, api_ssf_update },
	{ "PUT", "/ssf/streams", WHO_CLIENT, PERM_UPDATE, false, api_ssf_replace },
	{ "DELETE", "/ssf/streams", WHO_CLIENT, PERM_DELETE, false, api_ssf_delete },
	{ "GET", "/ssf/status", WHO_CLIENT, PERM_READ, false, api_ssf_status },
	{ "POST", "/ssf/status", WHO_CLIENT, PERM_STATUS, false, api_ssf_set_status },
	{ "GET", "/ssf/health", WHO_CLIENT, PERM_READ, false, api_ssf_health },
	{ "POST", "/ssf/verify", WHO_CLIENT, PERM_VERIFY, false, api_ssf_verify },
	{ "POST", "/ssf/subjects:add", WHO_CLIENT, PERM_SUBJECTS, false, api_ssf_subject_add },
	{ "POST", "/ssf/subjects:remove", WHO_CLIENT, PERM_SUBJECTS, false, api_ssf_subject_remove },
	{ "POST", "/v1/apply", WHO_ADMIN, 0, false, api_apply },
	{ "POST", "/v1/events", WHO_EMITTER, PERM_EMIT, false, api_emit },
	{ "POST", "/v1/streams/*/test", WHO_ADMIN, 0, false, api_stream_test },
	{ "POST", "/v1/streams/*/redrive", WHO_ADMIN, 0, false, api_redrive },
	{ "POST", "/v1/streams/*/rewind", WHO_ADMIN, 0, false, api_rewind },
	{ "GET", "/v1/streams/*/health", WHO_ADMIN, 0, false, api_stream_health },
	{ "GET", "/v1/status", WHO_ADMIN, 0, true, api_status },
	{ "GET", "/v1/explain/*", WHO_ADMIN, 0, false, api_explain },
	{ "GET", "/v1/events", WHO_ADMIN, 0, false, api_events },
	{ "GET", "/v1/unattributed", WHO_ADMIN, 0, false, api_unattributed },
	{ "GET", "/v1/revocations", WHO_ADMIN, 0, false, api_revocations },
	{ "DELETE", "/v1/revocations/*/*/*", WHO_ADMIN, 0, false, api_lift },
	{ "GET", "/v1/deadletters", WHO_ADMIN, 0, false, api_deadletters },
	{ "GET", "/v1/keys", WHO_ADMIN, 0, false, api_keys },
	{ "POST", "/v1/keys/rotate", WHO_ADMIN, 0, false, api_keys_rotate },
	{ "DELETE", "/v1/keys/*", WHO_ADMIN, 0, false, api_key_revoke },
	{ "GET", "/v1/*", WHO_ADMIN, 0, false, api_list },
	{ "GET", "/v1/*/*", WHO_ADMIN, 0, false, api_get },
	{ "DELETE", "/v1/*/*", WHO_ADMIN, 0, false, api_delete },
};

/* What the owner of a stream has to do, and where it is named. Everything else is done anywhere. */
static const struct owned {
	handler_f *handler;
	enum { NAMED_IN_PATH, NAMED_IN_BODY, NAMED_IN_QUERY } where; /* the first variable part, or "stream_id" */
	bool repeat;    /* may be done twice */
} owned[] = {
	{ api_poll, NAMED_IN_PATH, true },
	{ api_ssf_verify, NAMED_IN_BODY, false },
	{ api_ssf_subject_add, NAMED_IN_BODY, true },
	{ api_ssf_subject_remove, NAMED_IN_BODY, true },
	{ api_ssf_health, NAMED_IN_QUERY, true },
	{ api_stream_health, NAMED_IN_PATH, true },
	{ api_stream_test, NAMED_IN_PATH, false },
	{ api_redrive, NAMED_IN_PATH, false },
	{ api_rewind, NAMED_IN_PATH, false },
};

/* Copies what "*" stands for into args; a segment is 1 to 128 bytes. */
static bool path_fits(const char *pattern, const char *path, struct call *c)
{
	size_t arg = 0;

	while (*pattern != '\0') {
		if (*pattern != '*') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t len = strcspn(path, "/");
		if (len == 0 || len >= sizeof(c->arg[0]))
			return false;
		memcpy(c->arg[arg], path, len);
		c->arg[arg++][len] = '\0';
		path += len;
		pattern++;
	}
	return *path == '\0';
}

/* --- who ------------------------------------------------------------------------------------------- */

/* RFC 6750 section 3: an error only when something was presented; RFC 9728 section 5.1: where to ask. */
static void refuse(const struct call *c, const struct ssf_err *err, int64_t retry_after_s)
{
	struct http_hint hint = { .retry_after_s = retry_after_s };
	bool presented = http_header(c->req, "Authorization").len > 0;
	const char *scope = scope_of(c->route->perm);
	char challenge[1400];

	snprintf(challenge, sizeof(challenge), "Bearer resource_metadata=\"%s\"%s%s%s%s",
		 c->api->resource_metadata,
		 err->code == SSF_E_SCOPE ? ", error=\"insufficient_scope\"" :
		 presented		  ? ", error=\"invalid_token\"" :
					    "",
		 scope[0] != '\0' ? ", scope=\"" : "", scope, scope[0] != '\0' ? "\"" : "");
	if (err->code == SSF_E_UNAUTHENTICATED || err->code == SSF_E_SCOPE)
		hint.challenge = challenge;
	http_reply_error_hint(c->req, 0, err, &hint);
}

static int check_caller(const struct call *c, struct ssf_err *err)
{
	enum who who = c->route->who;

	if (c->caller.metrics)
		return who == WHO_SCRAPER ? 0 : ssf_fail(err, SSF_E_DENIED, "this token is for /metrics alone");
	if (c->caller.admin)
		return who != WHO_CLIENT ? 0 :
					   ssf_fail(err, SSF_E_DENIED, "this needs the token of a client");
	if (who == WHO_ADMIN || who == WHO_SCRAPER)
		return ssf_fail(err, SSF_E_DENIED, "this needs the admin token");
	if ((c->caller.perms & c->route->perm) == 0)
		return ssf_fail(err, SSF_E_SCOPE, "the token's scopes do not cover this");
	return 0;
}

/* NULL: it is done anywhere. */
static const struct owned *owned_of(const struct call *c)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(owned); i++) {
		if (owned[i].handler == c->route->handler)
			return &owned[i];
	}
	return NULL;
}

/* The unit of the stream that a request is about; -1: it is about none that there is. */
static int unit_of(const struct call *c, const struct owned *how)
{
	static const struct ssf_json_limits limits = { 64 * 1024, 16 };
	json_auto_t *body = NULL;
	const char *stream = how->where == NAMED_IN_PATH ? c->arg[0] :
			     how->where == NAMED_IN_QUERY ? http_query(c->req, "stream_id") : NULL;

	if (how->where == NAMED_IN_BODY && ssf_json_parse(http_body(c->req), &limits, &body, NULL) == 0)
		stream = json_string_value(json_object_get(body, "stream_id"));
	if (stream == NULL || registry_get(c->api->registry, KIND_STREAM, stream) == NULL)
		return -1;
	return owner_shard(stream);
}

void api_run(const struct call *c)
{
	c->route->handler(c);
}

bool api_may_repeat(const struct call *c)
{
	const struct owned *how = owned_of(c);

	return how != NULL && how->repeat;
}

/* Where there are no others, what cannot be done now is told by who does it. */
static void run_where(const struct call *c)
{
	const struct owned *how = owner_others(c->api->owner) > 0 ? owned_of(c) : NULL;
	int unit = how != NULL ? unit_of(c, how) : -1;

	if (unit >= 0 && !owner_acts(c->api->owner, unit))
		forward_start(c, unit);
	else
		api_run(c);
}

static void run_authenticated(const struct call *c)
{
	int64_t wait = c->caller.client[0] == '\0' ? 0 : auth_rate_client(c->api->auth, c->caller.client);
	struct ssf_err err;

	if (wait > 0) {
		ssf_fail(&err, SSF_E_RATE, "too many requests of this client");
		refuse(c, &err, wait);
	} else if (check_caller(c, &err) < 0) {
		refuse(c, &err, 0);
	} else {
		run_where(c);
	}
}

/* Receivers are counted as soon as they come; of others every token that was wrong. Without one there is no guess. */
static void refuse_token(const struct call *c, const struct ssf_err *err)
{
	if (c->route->who != WHO_CLIENT && err->code == SSF_E_UNAUTHENTICATED &&
	    http_header(c->req, "Authorization").len > 0)
		auth_guessed(c->api->auth, c->req);
	refuse(c, err, 0);
}

/* The issuer's keys have come, or not. */
static void on_authenticated(void *arg, const struct caller *caller, const struct ssf_err *err)
{
	struct call *c = arg;

	if (err != NULL) {
		refuse_token(c, err);
	} else {
		c->caller = *caller;
		run_authenticated(c);
	}
	free(c);
}

static void authenticate(struct call *c)
{
	struct ssf_str header = http_header(c->req, "Authorization");
	struct auth_wait *wait;
	struct call *kept;
	struct ssf_err err;
	int r = auth_now(c->api->auth, header, &c->caller, &err);

	if (r == 0) {
		run_authenticated(c);
		return;
	}
	if (r < 0) {
		refuse_token(c, &err);
		return;
	}
	kept = malloc(sizeof(*kept));
	if (kept == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		refuse(c, &err, 0);
		return;
	}
	*kept = *c;
	if (auth_start(c->api->auth, header, on_authenticated, kept, &wait, &err) < 0) {
		free(kept);
		refuse_token(c, &err);
	}
}

/* Seconds that its address has to wait, or 0. */
static int64_t address_wait(const struct call *c)
{
	switch (c->route->who) {
	case WHO_ANYBODY:
		return 0;
	case WHO_CLIENT:
		return auth_rate_address(c->api->auth, c->req);
	default:
		return auth_rate_guesses(c->api->auth, c->req);
	}
}

static void run(struct call *c)
{
	int64_t wait = address_wait(c);
	struct ssf_err err;

	if (!c->api->ready && !c->route->always) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "starting: the database is not there yet");
		http_reply_error(c->req, 0, &err);
	} else if (wait > 0) {
		ssf_fail(&err, SSF_E_RATE, "too many requests of this address");
		refuse(c, &err, wait);
	} else if (c->route->who == WHO_ANYBODY) {
		c->route->handler(c);
	} else {
		authenticate(c);
	}
}

/* --- where ------------------------------------------------------------------------------------------ */

/* RFC 9110 section 15.5.6: a 405 says which methods there are. */
static void say_allowed(struct http_req *req, const char *path)
{
	struct call c; /* only to see what fits */
	char allow[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		if (path_fits(routes[i].path, path, &c) && strstr(allow, routes[i].method) == NULL)
			len += (size_t)snprintf(allow + len, sizeof(allow) - len, "%s%s",
						len > 0 ? ", " : "", routes[i].method);
	}
	http_answer_header(req, "Allow", allow);
}

/* Whom a request is for, or NULL: then found says whether its path is one of ours. */
static const struct route *route_of(struct call *c, const char *path, bool *found)
{
	*found = false;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		if (!path_fits(routes[i].path, path, c))
			continue;
		*found = true;
		if (strcmp(routes[i].method, http_method(c->req)) == 0) {
			http_tag(c->req, (unsigned)i + 1);
			return &routes[i];
		}
	}
	return NULL;
}

/* False: it was answered that there is nothing. */
static bool find_route(struct call *c)
{
	ssf_auto_buf path = SSF_BUF(64 * 1024);
	bool ours = issuer_strip(&c->api->issuer, http_path(c->req), &path), found = false;
	struct ssf_err err;

	if (ours)
		c->route = route_of(c, path.ptr, &found);
	if (c->route != NULL)
		return true;
	if (found)
		say_allowed(c->req, path.ptr);
	ssf_fail(&err, found ? SSF_E_METHOD : SSF_E_NOT_FOUND,
		 found ? "this method is not for this path" : "no such path");
	http_reply_error(c->req, 0, &err);
	return false;
}

void api_handle(void *arg, struct http_req *req)
{
	struct call c = { .api = arg, .req = req };

	if (find_route(&c))
		run(&c);
}

/* Who passes a request on has looked who may send it; whether we own the stream is for us to say. */
void api_handle_peer(struct api *api, struct http_req *req, const struct caller *caller)
{
	struct call c = { .api = api, .req = req, .caller = *caller, .peer = true };
	const struct owned *how;
	struct ssf_err err;
	int unit;

	if (!find_route(&c))
		return;
	how = owned_of(&c);
	unit = how != NULL ? unit_of(&c, how) : -1;
	if (!api->ready || c.route->who == WHO_ANYBODY ||
	    (how != NULL && (unit < 0 || !owner_acts(api->owner, unit)))) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "not done by this process");
		http_reply_error(req, FORWARD_MISDIRECTED, &err);
	} else if (check_caller(&c, &err) < 0) {
		http_reply_error(req, 0, &err);
	} else {
		api_run(&c);
	}
}

void api_handle_open(void *arg, struct http_req *req)
{
	struct call c = { .api = arg, .req = req };
	struct ssf_err err;
	bool found;

	c.route = route_of(&c, http_path(req), &found);
	if (c.route != NULL && (c.route->handler == api_metrics || c.route->handler == api_health ||
				c.route->handler == api_ready)) {
		c.route->handler(&c);
		return;
	}
	ssf_fail(&err, SSF_E_NOT_FOUND, "here are /metrics, /healthz and /readyz alone");
	http_reply_error(req, 0, &err);
}

/* --- what is counted -------------------------------------------------------------------------------- */

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

void api_name_metrics(void)
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

void api_answered(void *arg, unsigned tag, int status, int64_t us)
{
	size_t i = 0;

	(void)arg;
	while (statuses[i].status != 0 && statuses[i].status != status)
		i++;
	metric_add_of2(http_requests, tag, i, 1);
	metric_observe_of(http_request_seconds, tag, us);
}

void reply_json(struct http_req *req, int status, json_t *body)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct ssf_err err;

	if (text != NULL) {
		http_reply_json(req, status, text);
	} else {
		ssf_fail(&err, SSF_E_NOMEM, "answer");
		http_reply_error(req, 0, &err);
	}
	free(text);
	json_decref(body);
}
