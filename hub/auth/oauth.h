/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token endpoint (RFC 6749 section 4.4: client credentials), and what the hub says of itself as an
 * authorization server (RFC 8414) and as a protected resource (RFC 9728).
 */
#pragma once

#include <jansson.h>

#include "hub/auth/auth.h"

/* POST /oauth2/token: takes the request over and answers it. */
void oauth_token(struct auth *a, struct http_req *req);

/* New references, or NULL when out of memory. */
json_t *oauth_server_metadata(const struct auth *a);
json_t *oauth_resource_metadata(const struct auth *a);
