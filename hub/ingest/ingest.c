/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/ingest/ingest.h"

void ingest_count(enum label_source source, const struct batch_result *first,
		  const struct ssf_err *err)
{
	enum label_taken taken = LABEL_taken_duplicate;

	if (err != NULL)
		taken = ssf_code_info(err->code)->http_status >= 500 ? LABEL_taken_unavailable :
								       LABEL_taken_refused;
	else if (first == NULL || first->appended)
		taken = LABEL_taken_accepted;
	metric_add_of2(ingest_requests, source, taken, 1);
}

const char *ingest_trace(const struct http_req *req, char out[SSF_TRACEPARENT_LEN])
{
	/* of two, neither can be relied on */
	if (http_header_count(req, "traceparent") != 1 ||
	    !ssf_traceparent_parse(http_header(req, "traceparent"), out))
		return NULL;
	return out;
}
