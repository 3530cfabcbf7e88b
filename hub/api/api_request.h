/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request as handlers see it. A handler takes the request over and answers it exactly once, at once or
 * later; it copies what it needs later, because the struct is borrowed for the call.
 */
#pragma once

#include "hub/auth/caller.h"
#include "lib/http/http_server.h"

#define API_REQUEST_PARTS 3
#define API_REQUEST_PART_LEN 129 /* with the NUL */

struct api_request {
	struct http_req *http;
	struct caller caller; /* zero for routes that anybody may use */
	char part[API_REQUEST_PARTS][API_REQUEST_PART_LEN]; /* of the path, where its route has "*" */
};
