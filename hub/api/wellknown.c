/* SPDX-License-Identifier: Apache-2.0 */
/* What anybody may read: SSF metadata (SSF 1.0 section 7.1), keys, health. */
#include "hub/api/api_priv.h"

#include "hub/streams/stream.h"

#include <stdio.h>

void api_configuration(const struct call *c)
{
	char jwks_uri[1100];

	snprintf(jwks_uri, sizeof(jwks_uri), "%s/jwks.json", c->api->issuer);
	reply_json(c->req, 200,
		   json_pack("{s:s, s:s, s:s, s:[s, s]}", "spec_version", "1_0", "issuer",
			     c->api->issuer, "jwks_uri", jwks_uri, "delivery_methods_supported",
			     STREAM_METHOD_PUSH, STREAM_METHOD_POLL));
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
