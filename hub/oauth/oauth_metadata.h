/* SPDX-License-Identifier: Apache-2.0 */
/* What the hub publishes as an authorization server (RFC 8414) and as a protected resource (RFC 9728). */
#pragma once

#include <jansson.h>

#include "hub/registry/registry.h"

/* New references; NULL when out of memory. token_endpoint is its URL. */
json_t *oauth_metadata_server(const char *issuer, const char *token_endpoint);
json_t *oauth_metadata_resource(const char *issuer, const struct registry *registry);
