/* SPDX-License-Identifier: Apache-2.0 */
/* The hub as an OAuth authorization server and protected resource (docs/reference/oauth.md). */
#pragma once

#include "hub/api/api_request.h"
#include "hub/api/issuer.h"
#include "hub/oauth/token_endpoint.h"

/* All borrowed. */
struct oauth_api {
	const struct token_endpoint *endpoint;
	const struct issuer *issuer;
	const struct registry *registry;
};

void oauth_api_token(const struct oauth_api *api, const struct api_request *r);
void oauth_api_server_metadata(const struct oauth_api *api, const struct api_request *r);
void oauth_api_resource_metadata(const struct oauth_api *api, const struct api_request *r);
