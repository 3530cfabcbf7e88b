/* SPDX-License-Identifier: Apache-2.0 */
/* POST /oauth2/token (RFC 6749 section 4.4: client credentials). */
#pragma once

#include "hub/auth/access_token.h"
#include "hub/auth/rate_limits.h"
#include "hub/db/db.h"
#include "lib/http/jwks.h"

/* All borrowed. */
struct token_endpoint {
	const char *url;
	struct db *db;
	struct registry *registry;
	struct jwks *jwks;
	struct rate_limits *limits;
	const struct access_tokens *tokens;
};

/*
 * Takes the request over and answers it. There is no handle to cancel: when the client goes away, the
 * request stops by itself; at shutdown, document_cache_free() and db_stop() end what it waits for.
 */
void token_endpoint_serve(const struct token_endpoint *t, struct http_req *req);
