/* SPDX-License-Identifier: Apache-2.0 */
/* Stateless; the only place that turns JSON values into answers. */
#include "hub/api/reply.h"

#include "lib/http/http_error.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/etag.h"
#include "lib/ssf/json.h"

#include <stdlib.h>

static const struct ssf_json_limits limits = { 64 * 1024, 16 };

int reply_parse_body(const struct http_req *req, json_t **out, struct ssf_err *err)
{
	json_auto_t *body = NULL;

	if (ssf_json_parse(http_body(req), &limits, &body, err) < 0) {
		if (err->code == SSF_E_LIMIT && http_body(req).len <= limits.max_bytes)
			err->code = SSF_E_MALFORMED; /* nested too deeply, not too long */
		return -1;
	}
	if (!json_is_object(body))
		return ssf_fail(err, SSF_E_MALFORMED, "the body must be an object");
	*out = SSF_STEAL(body);
	return 0;
}

static void reply_nomem(struct http_req *req)
{
	struct ssf_err err;

	ssf_fail(&err, SSF_E_NOMEM, "answer");
	http_reply_error(req, 0, &err);
}

void reply_json(struct http_req *req, int status, json_t *body)
{
	ssf_auto_free char *text = body != NULL ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(body);
	if (text != NULL)
		http_reply_json(req, status, text);
	else
		reply_nomem(req);
}

void reply_versioned(struct http_req *req, int status, json_t *body, int64_t version)
{
	ssf_auto_free char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	char etag[SSF_ETAG_LEN];

	json_decref(body);
	if (text == NULL) {
		reply_nomem(req);
		return;
	}
	ssf_etag(version, etag);
	http_reply(req, &(struct http_answer){
				.status = status,
				.content_type = "application/json",
				.body = ssf_str_c(text),
				.headers = { { "ETag", etag }, { "Cache-Control", "no-store" } },
			});
}

void reply_gone(struct http_req *req)
{
	struct ssf_err err;

	ssf_fail(&err, SSF_E_UNAVAILABLE, "the client is gone");
	http_reply_error(req, 0, &err);
}
