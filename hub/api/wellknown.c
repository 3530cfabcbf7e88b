/* SPDX-License-Identifier: Apache-2.0 */
/* What anybody may read: SSF metadata (SSF 1.0 section 7.1), keys, health. */
#include "hub/api/api_priv.h"

#include "hub/auth/oauth.h"
#include "hub/streams/stream.h"
#include "lib/kit/http_error.h"

#include <stdio.h>
#include <string.h>

#define JWKS_PATH "/jwks.json"

/* The issuer's path without slashes at its ends: "" or "tenant1". */
static void issuer_path(const char *issuer, char out[129])
{
	const char *host = strstr(issuer, "://");
	const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
	size_t len;

	path = path != NULL ? path + 1 : "";
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	snprintf(out, 129, "%.*s", (int)len, path);
}

/* Metadata stands at the well-known path followed by the issuer's path; elsewhere it is somebody else's. */
static bool is_ours(const struct call *c)
{
	char path[129];
	struct ssf_err err;

	issuer_path(c->api->issuer, path);
	if (strcmp(path, c->arg[0]) == 0)
		return true;
	ssf_fail(&err, SSF_E_NOT_FOUND, "no such issuer");
	http_reply_error(c->req, 0, &err);
	return false;
}

static void put_url(json_t *doc, const char *name, const char *issuer, const char *path)
{
	char url[1100];
	size_t len = strlen(issuer);

	while (len > 0 && issuer[len - 1] == '/')
		len--;
	snprintf(url, sizeof(url), "%.*s%s", (int)len, issuer, path);
	json_object_set_new(doc, name, json_string(url));
}

void api_configuration(const struct call *c)
{
	const char *issuer = c->api->issuer;
	json_t *doc;

	if (!is_ours(c))
		return;
	doc = json_pack("{s:s, s:s, s:[s, s], s:[{s:s}, {s:s}], s:s}", "spec_version", "1_0", "issuer", issuer,
			"delivery_methods_supported", STREAM_METHOD_PUSH, STREAM_METHOD_POLL,
			"authorization_schemes", "spec_urn", "urn:ietf:rfc:6749", "spec_urn",
			"urn:ietf:rfc:6750", "default_subjects", c->api->default_all ? "ALL" : "NONE");
	put_url(doc, "jwks_uri", issuer, JWKS_PATH);
	put_url(doc, "configuration_endpoint", issuer, "/ssf/streams");
	put_url(doc, "status_endpoint", issuer, "/ssf/status");
	put_url(doc, "verification_endpoint", issuer, "/ssf/verify");
	put_url(doc, "add_subject_endpoint", issuer, "/ssf/subjects:add");
	put_url(doc, "remove_subject_endpoint", issuer, "/ssf/subjects:remove");
	reply_json(c->req, 200, doc);
}

void api_oauth_server(const struct call *c)
{
	json_t *doc;

	if (!is_ours(c))
		return;
	doc = oauth_server_metadata(c->api->auth);
	put_url(doc, "jwks_uri", c->api->issuer, JWKS_PATH);
	reply_json(c->req, 200, doc);
}

void api_oauth_resource(const struct call *c)
{
	if (is_ours(c))
		reply_json(c->req, 200, oauth_resource_metadata(c->api->auth));
}

void api_jwks(const struct call *c)
{
	reply_json(c->req, 200, keys_jwks(c->api->keys));
}

/* The process runs and its loop turns. */
void api_health(const struct call *c)
{
	http_reply_json(c->req, 200, "{\"status\":\"ok\"}");
}

/* Events can be accepted and delivered. */
void api_ready(const struct call *c)
{
	bool up = c->api->ready && !c->api->draining && db_is_up(c->api->db) &&
		  db_is_up(c->api->lease);

	http_reply_json(c->req, up ? 200 : 503, up ? "{\"status\":\"ready\"}" : "{\"status\":\"not ready\"}");
}
