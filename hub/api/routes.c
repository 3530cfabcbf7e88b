/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of routes. The order of checks is that of docs/api.md: where, who, whether we can.
 */
#include "hub/api/api_priv.h"

#include "lib/kit/http_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum who { WHO_ANYBODY, WHO_CLIENT, WHO_ADMIN };

static void api_source(const struct call *c)
{
	ingest_source(&c->api->ingest, c->req, c->arg[0]);
}

static void api_set(const struct call *c)
{
	ingest_set(&c->api->ingest, c->req);
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
	bool always; /* also before everything is loaded */
	handler_f *handler;
} routes[] = {
	{ "GET", "/healthz", WHO_ANYBODY, true, api_health },
	{ "GET", "/readyz", WHO_ANYBODY, true, api_ready },
	{ "GET", "/.well-known/ssf-configuration", WHO_ANYBODY, true, api_configuration },
	{ "GET", "/.well-known/ssf-configuration/*", WHO_ANYBODY, true, api_configuration },
	{ "GET", "/.well-known/risc-configuration", WHO_ANYBODY, true, api_configuration },
	{ "GET", "/openapi.json", WHO_ANYBODY, true, api_openapi },
	{ "GET", "/jwks.json", WHO_ANYBODY, false, api_jwks },
	{ "POST", "/in/*", WHO_ANYBODY, false, api_source },
	{ "POST", "/events", WHO_ANYBODY, false, api_set },
	{ "POST", "/streams/*/poll", WHO_CLIENT, false, api_poll },
	{ "POST", "/ssf/streams", WHO_CLIENT, false, api_ssf_create },
	{ "GET", "/ssf/streams", WHO_CLIENT, false, api_ssf_read },
	{ "PATCH", "/ssf/streams", WHO_CLIENT, false, api_ssf_update },
	{ "PUT", "/ssf/streams", WHO_CLIENT, false, api_ssf_replace },
	{ "DELETE", "/ssf/streams", WHO_CLIENT, false, api_ssf_delete },
	{ "GET", "/ssf/status", WHO_CLIENT, false, api_ssf_status },
	{ "POST", "/ssf/status", WHO_CLIENT, false, api_ssf_set_status },
	{ "POST", "/ssf/verify", WHO_CLIENT, false, api_ssf_verify },
	{ "POST", "/ssf/subjects:add", WHO_CLIENT, false, api_ssf_subject_add },
	{ "POST", "/ssf/subjects:remove", WHO_CLIENT, false, api_ssf_subject_remove },
	{ "POST", "/v1/apply", WHO_ADMIN, false, api_apply },
	{ "POST", "/v1/events", WHO_ADMIN, false, api_emit },
	{ "GET", "/v1/status", WHO_ADMIN, true, api_status },
	{ "GET", "/v1/explain/*", WHO_ADMIN, false, api_explain },
	{ "GET", "/v1/events", WHO_ADMIN, false, api_events },
	{ "GET", "/v1/unattributed", WHO_ADMIN, false, api_unattributed },
	{ "GET", "/v1/revocations", WHO_ADMIN, false, api_revocations },
	{ "DELETE", "/v1/revocations/*/*/*", WHO_ADMIN, false, api_lift },
	{ "GET", "/v1/deadletters", WHO_ADMIN, false, api_deadletters },
	{ "GET", "/v1/*", WHO_ADMIN, false, api_list },
	{ "GET", "/v1/*/*", WHO_ADMIN, false, api_get },
	{ "DELETE", "/v1/*/*", WHO_ADMIN, false, api_delete },
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

static int authorize(struct call *c, enum who who, struct ssf_err *err)
{
	if (who == WHO_ANYBODY)
		return 0;
	if (auth_bearer(http_header(c->req, "Authorization"), c->api->admin, c->api->registry,
			&c->caller, err) < 0)
		return -1;
	if (who == WHO_ADMIN && !c->caller.admin)
		return ssf_fail(err, SSF_E_DENIED, "this needs the admin token");
	if (who == WHO_CLIENT && c->caller.client == NULL)
		return ssf_fail(err, SSF_E_DENIED, "this needs the token of a client");
	return 0;
}

static void run(struct call *c, const struct route *r)
{
	struct ssf_err err;

	if (!c->api->ready && !r->always) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "starting: the database is not there yet");
		http_reply_error(c->req, 0, &err);
	} else if (authorize(c, r->who, &err) < 0) {
		http_reply_error(c->req, 0, &err);
	} else {
		r->handler(c);
	}
}

/* RFC 9110 section 15.5.6: a 405 says which methods there are. */
static void say_allowed(struct http_req *req)
{
	struct call c; /* only to see what fits */
	char allow[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		if (path_fits(routes[i].path, http_path(req), &c) && strstr(allow, routes[i].method) == NULL)
			len += (size_t)snprintf(allow + len, sizeof(allow) - len, "%s%s",
						len > 0 ? ", " : "", routes[i].method);
	}
	http_answer_header(req, "Allow", allow);
}

void api_handle(void *arg, struct http_req *req)
{
	struct call c = { .api = arg, .req = req };
	bool found = false;
	struct ssf_err err;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(routes); i++) {
		if (!path_fits(routes[i].path, http_path(req), &c))
			continue;
		found = true;
		if (strcmp(routes[i].method, http_method(req)) == 0) {
			run(&c, &routes[i]);
			return;
		}
	}
	if (found)
		say_allowed(req);
	ssf_fail(&err, found ? SSF_E_METHOD : SSF_E_NOT_FOUND,
		 found ? "this method is not for this path" : "no such path");
	http_reply_error(req, 0, &err);
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
