/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses a request to the token endpoint (RFC 6749 sections 2.3.1 and 4.4.2, RFC 7523 section 2.2). Pure:
 * nothing in it is verified yet. Memory is wiped when it is released.
 */
#pragma once

#include "lib/ssf/form.h"

#define TOKEN_REQUEST_BODY_MAX (32 * 1024)
#define TOKEN_REQUEST_ASSERTION "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

enum token_request_method {
	CLIENT_AUTH_NONE, /* the client did not authenticate */
	CLIENT_SECRET_BASIC,
	CLIENT_SECRET_POST,
	CLIENT_PRIVATE_KEY_JWT,
};

const char *token_request_method_name(enum token_request_method method); /* as in metadata */

/* Strings are borrowed from form and basic; NULL when the request does not have them. */
struct token_request {
	struct ssf_form form;
	struct ssf_buf basic;
	enum token_request_method method;
	const char *grant_type;
	const char *scope;
	const char *client_id;     /* optional with an assertion */
	const char *client_secret;
	const char *assertion;
};

/*
 * SSF_E_MALFORMED ("invalid_request"): not a form, a repeated parameter, two authentication methods, an
 * unknown client_assertion_type. SSF_E_LIMIT: the body is too long. SSF_E_UNAUTHENTICATED
 * ("invalid_client"): an Authorization header that is not Basic. The caller releases *out in any case.
 */
ssf_nodiscard int token_request_parse(struct ssf_str content_type, struct ssf_str authorization,
				      struct ssf_str body, struct token_request *out,
				      struct ssf_err *err);
void token_request_done(struct token_request *r); /* no-op on zeroed memory */
