/* SPDX-License-Identifier: Apache-2.0 */
/* Which trace a request belongs to, for the events that it leads to (W3C Trace Context). */
#pragma once

#include "lib/http/http_server.h"
#include "lib/ssf/traceparent.h"

/* out, or NULL: the request says nothing of it, or nothing valid. */
const char *ingest_trace(const struct http_req *req, char out[SSF_TRACEPARENT_LEN]);
