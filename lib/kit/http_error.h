/* SPDX-License-Identifier: Apache-2.0 */
/* Errors on the wire: {"err","description"} as in RFC 8935 section 2.3, for every endpoint alike. */
#pragma once

#include "lib/kit/http_server.h"

/* Answers with the status of the code, or with this one if it is not 0. 503 and 429 say when to try again. */
void http_reply_error(struct http_req *req, int status, const struct ssf_err *err);
