/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of resources on the wire: ETag of an answer, If-Match of a request (RFC 9110 section 13.1.1). */
#pragma once

#include "hub/api/put.h"

/*
 * What the request's If-Match asks of a resource that is stored in this version; without one limit stays as it
 * is. SSF_E_MALFORMED, SSF_E_PRECONDITION.
 */
ssf_nodiscard int version_check(const struct http_req *req, int64_t version, struct put_limits *limit,
				struct ssf_err *err);

/* Answers with a JSON value and its version, and frees it; NULL: out of memory. */
void version_reply(struct http_req *req, int status, json_t *body, int64_t version);
