/* SPDX-License-Identifier: Apache-2.0 */
/* The message of an error is written in this program and never quotes a value, so that a client may see it. */
#include "lib/http/http_error.h"

#include "lib/http/error_body.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <stdio.h>

void http_reply_error(struct http_req *req, int status, const struct ssf_err *err)
{
	http_reply_error_hint(req, status, err, &(struct http_hint){ .challenge = NULL });
}

void http_reply_error_hint(struct http_req *req, int status, const struct ssf_err *err,
			   const struct http_hint *hint)
{
	const struct ssf_code_info *info = ssf_code_info(err->code);
	ssf_auto_free char *text = http_error_body(err);
	struct http_answer a = {
		.status = status != 0 ? status : info->http_status,
		.content_type = "application/json",
		.body = ssf_str_c(text),
		.headers = { { "Content-Language", "en" } },
	};
	char seconds[24];
	size_t n = 1;

	if (err->code == SSF_E_INTERNAL)
		log_error("http.internal", log_why(err));

	if (a.status == 503 || a.status == 429) {
		snprintf(seconds, sizeof(seconds), "%lld",
			 (long long)(hint->retry_after_s > 0 ? hint->retry_after_s : 1));
		a.headers[n][0] = "Retry-After";
		a.headers[n++][1] = seconds;
	}
	if (a.status == 401 || hint->challenge != NULL) {
		a.headers[n][0] = "WWW-Authenticate";
		a.headers[n++][1] = hint->challenge != NULL ? hint->challenge : "Bearer";
	}
	http_reply(req, &a);
}
