/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in memory decides first, so that a stale request costs no statement; the store decides again,
 * because memory may be behind.
 */
#include "hub/api/version.h"

#include "lib/http/http_error.h"
#include "lib/ssf/etag.h"

#include <stdlib.h>

int version_check(const struct http_req *req, int64_t version, struct put_limits *limit,
		  struct ssf_err *err)
{
	size_t count = http_header_count(req, "If-Match");
	bool matches;

	if (count == 0)
		return 0;
	if (count > 1)
		return ssf_fail(err, SSF_E_MALFORMED, "If-Match: more than one header");
	if (ssf_etag_match(http_header(req, "If-Match"), version, &matches, err) < 0)
		return -1;
	if (!matches)
		return ssf_fail(err, SSF_E_PRECONDITION, "If-Match: the stored version is another one");
	limit->check = PUT_IF_MATCH;
	limit->version = version;
	return 0;
}

void version_reply(struct http_req *req, int status, json_t *body, int64_t version)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	char etag[SSF_ETAG_LEN];
	struct ssf_err err;

	ssf_etag(version, etag);
	struct http_answer a = {
		.status = status,
		.content_type = "application/json",
		.body = ssf_str_c(text),
		.headers = { { "ETag", etag }, { "Cache-Control", "no-store" } },
	};
	if (text != NULL) {
		http_reply(req, &a);
	} else {
		ssf_fail(&err, SSF_E_NOMEM, "answer");
		http_reply_error(req, 0, &err);
	}
	free(text);
	json_decref(body);
}
