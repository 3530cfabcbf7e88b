/* SPDX-License-Identifier: Apache-2.0 */
/* It never makes up a trace: who sends none gets none. */
#include "hub/ingest/trace.h"

const char *ingest_trace(const struct http_req *req, char out[SSF_TRACEPARENT_LEN])
{
	/* sent twice, it says nothing that could be relied on */
	if (http_header_count(req, "traceparent") != 1 ||
	    !ssf_traceparent_parse(http_header(req, "traceparent"), out))
		return NULL;
	return out;
}
