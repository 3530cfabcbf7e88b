/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: builds both documents from the settings and the issuer resources. */
#include "hub/oauth/oauth_metadata.h"

#include "hub/oauth/token_request.h"
#include "hub/scopes/scope.h"

static json_t *scopes_supported(void)
{
	json_t *list = json_array();

	for (size_t i = 0; scope_names[i] != NULL; i++)
		json_array_append_new(list, json_string(scope_names[i]));
	return list;
}

/* RFC 8414 section 2 requires response_types_supported, though the hub has no authorization endpoint. */
json_t *oauth_metadata_server(const char *issuer, const char *token_endpoint)
{
	return json_pack("{s:s, s:s, s:[], s:[s], s:[s, s, s], s:[s, s], s:o}", "issuer", issuer,
			 "token_endpoint", token_endpoint, "response_types_supported",
			 "grant_types_supported", "client_credentials",
			 "token_endpoint_auth_methods_supported",
			 token_request_method_name(CLIENT_SECRET_BASIC),
			 token_request_method_name(CLIENT_SECRET_POST),
			 token_request_method_name(CLIENT_PRIVATE_KEY_JWT),
			 "token_endpoint_auth_signing_alg_values_supported", "RS256", "ES256",
			 "scopes_supported", scopes_supported());
}

json_t *oauth_metadata_resource(const char *issuer, const struct registry *registry)
{
	json_t *servers = json_pack("[s]", issuer), *spec;
	const char *id;

	json_object_foreach((json_t *)registry_all(registry, KIND_ISSUER), id, spec)
		json_array_append(servers, json_object_get(spec, "issuer"));
	return json_pack("{s:s, s:o, s:[s], s:o, s:s}", "resource", issuer, "authorization_servers",
			 servers, "bearer_methods_supported", "header", "scopes_supported",
			 scopes_supported(), "resource_name", "ssfhub");
}
