/* SPDX-License-Identifier: Apache-2.0 */
/* What anybody may read: SSF metadata (SSF 1.0 section 7.1), keys. */
#include "hub/api/api_priv.h"

#include "hub/auth/oauth.h"
#include "hub/streams/stream.h"
#include "lib/http/http_error.h"

#include <stdio.h>
#include <string.h>

#define JWKS_PATH "/jwks.json"

static void put_url(json_t *doc, const char *name, const struct issuer *issuer, const char *path)
{
	ssf_auto_free char *url = issuer_url(issuer, path);

	json_object_set_new(doc, name, json_string(url != NULL ? url : ""));
}

void api_configuration(const struct call *c)
{
	const struct issuer *issuer = &c->api->issuer;
	json_t *doc = json_pack("{s:s, s:s, s:[s, s], s:[{s:s}, {s:s}], s:s, s:O*}", "spec_version", "1_0",
				"issuer", issuer->url, "delivery_methods_supported", STREAM_METHOD_PUSH,
				STREAM_METHOD_POLL, "authorization_schemes", "spec_urn",
				"urn:ietf:rfc:6749", "spec_urn", "urn:ietf:rfc:6750",
				"default_subjects", c->api->default_all ? "ALL" : "NONE",
				"critical_subject_members", c->api->critical);

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
	json_t *doc = oauth_server_metadata(c->api->auth);

	put_url(doc, "jwks_uri", &c->api->issuer, JWKS_PATH);
	reply_json(c->req, 200, doc);
}

void api_oauth_resource(const struct call *c)
{
	reply_json(c->req, 200, oauth_resource_metadata(c->api->auth));
}

/* Kept for less than a next key is published ahead, so that it is known everywhere when it signs. */
void api_jwks(const struct call *c)
{
	json_auto_t *keys = keys_jwks(c->api->keys);
	ssf_auto_free char *text = keys != NULL ? json_dumps(keys, JSON_COMPACT) : NULL;
	char age[64];
	struct http_answer a = { .status = 200,
				 .content_type = "application/json",
				 .body = ssf_str_c(text),
				 .headers = { { "Cache-Control", age } } };
	struct ssf_err err;

	if (text == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "keys");
		http_reply_error(c->req, 0, &err);
		return;
	}
	snprintf(age, sizeof(age), "public, max-age=%lld",
		 (long long)ring_jwks_max_age(keys_ring(c->api->keys)));
	http_reply(c->req, &a);
}
