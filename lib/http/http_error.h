/* SPDX-License-Identifier: Apache-2.0 */
/* Answers with errors: {"err","description"} as in RFC 8935 section 2.3, for every endpoint alike. */
#pragma once

#include "lib/http/server/request.h"

/* Answers with the status of the code, or with this one if it is not 0. 503 and 429 say when to try again. */
void http_reply_error(struct http_req *req, int status, const struct ssf_err *err);

/* The same, with what its caller needs to do better. */
struct http_hint {
	const char *challenge;  /* with 401 and 403: WWW-Authenticate; NULL: "Bearer" with 401 */
	int64_t retry_after_s;  /* with 429 and 503; 0: 1 */
};
void http_reply_error_hint(struct http_req *req, int status, const struct ssf_err *err,
			   const struct http_hint *hint);
