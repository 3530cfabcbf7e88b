/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies and answers as JSON. */
#pragma once

#include <jansson.h>

#include "lib/http/http_server.h"

/* The body as an object; SSF_E_MALFORMED, SSF_E_LIMIT. New reference. */
ssf_nodiscard int reply_parse_body(const struct http_req *req, json_t **out, struct ssf_err *err);

/* Answers with a JSON value and frees it; NULL: out of memory. */
void reply_json(struct http_req *req, int status, json_t *body);
/* The same with the resource's version as ETag. */
void reply_versioned(struct http_req *req, int status, json_t *body, int64_t version);

/* Ends a request whose client has gone; the answer goes nowhere. */
void reply_gone(struct http_req *req);
