/* SPDX-License-Identifier: Apache-2.0 */
/* hub/oauth/token_request: the first line is the Authorization header, the rest the form. */
#include "hub/oauth/token_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_promises(const struct token_request *r)
{
	bool secret = r->method == CLIENT_SECRET_BASIC || r->method == CLIENT_SECRET_POST;

	if (secret != (r->client_secret != NULL) ||
	    (r->method == CLIENT_PRIVATE_KEY_JWT) != (r->assertion != NULL) ||
	    (r->method == CLIENT_SECRET_BASIC && r->client_id == NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
	size_t header = end != NULL ? (size_t)(end - text) : 0;
	size_t skip = end != NULL ? header + 1 : 0;
	struct token_request r;
	struct ssf_err err;

	if (token_request_parse(SSF_STR("application/x-www-form-urlencoded"),
				(struct ssf_str){ text, header },
				(struct ssf_str){ text + skip, size - skip }, &r, &err) == 0)
		check_promises(&r);
	else if (!ssf_utf8_valid(ssf_str_c(err.msg)))
		abort();
	token_request_done(&r);
	return 0;
}
