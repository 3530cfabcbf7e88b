/* SPDX-License-Identifier: Apache-2.0 */
/* Thin: what the endpoints do is in hub/oauth. */
#include "hub/api/oauth/oauth_api.h"

#include "hub/api/reply.h"
#include "hub/api/ssf/ssf_metadata.h"
#include "hub/oauth/oauth_metadata.h"

void oauth_api_token(const struct oauth_api *api, const struct api_request *r)
{
	token_endpoint_serve(api->endpoint, r->http);
}

void oauth_api_server_metadata(const struct oauth_api *api, const struct api_request *r)
{
	json_t *doc = oauth_metadata_server(api->issuer->url, api->endpoint->url);

	if (issuer_put_url(doc, "jwks_uri", api->issuer, SSF_METADATA_JWKS) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	reply_json(r->http, 200, doc);
}

void oauth_api_resource_metadata(const struct oauth_api *api, const struct api_request *r)
{
	reply_json(r->http, 200, oauth_metadata_resource(api->issuer->url, api->registry));
}
