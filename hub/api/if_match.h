/* SPDX-License-Identifier: Apache-2.0 */
/* The If-Match header of a request (RFC 9110 section 13.1.1). */
#pragma once

#include "hub/registry/resource_writer.h"
#include "lib/http/http_server.h"

/*
 * Turns the request's If-Match into a condition of the write; without the header the condition stays as it
 * is. version: the one in memory. SSF_E_MALFORMED, SSF_E_PRECONDITION.
 */
ssf_nodiscard int if_match_check(const struct http_req *req, int64_t version,
				 struct resource_condition *condition, struct ssf_err *err);
