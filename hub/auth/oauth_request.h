/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to the token endpoint, taken apart (RFC 6749 sections 2.3.1, 4.4.2; RFC 7523 section
 * 2.2): pure, nothing of it is believed yet. Memory is wiped when it is released.
 */
#pragma once

#include "lib/ssf/form.h"

#define OAUTH_BODY_MAX (32 * 1024)
#define OAUTH_ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

enum oauth_method {
	OAUTH_NONE,                 /* it did not authenticate */
	OAUTH_CLIENT_SECRET_BASIC,
	OAUTH_CLIENT_SECRET_POST,
	OAUTH_PRIVATE_KEY_JWT,
};

const char *oauth_method_name(enum oauth_method method); /* as in metadata */

/* Strings are borrowed from form and basic; those that are not there are NULL. */
struct oauth_request {
	struct ssf_form form;
	struct ssf_buf basic;
	enum oauth_method method;
	const char *grant_type;
	const char *scope;
	const char *client_id;     /* with an assertion it may be missing */
	const char *client_secret;
	const char *assertion;
};

/*
 * SSF_E_MALFORMED ("invalid_request"): not a form, a parameter twice, two ways to authenticate at
 * once, an unknown client_assertion_type; SSF_E_LIMIT; SSF_E_UNAUTHENTICATED ("invalid_client"):
 * an Authorization header that is not Basic. *out is to be released in any case.
 */
ssf_nodiscard int oauth_request_parse(struct ssf_str content_type, struct ssf_str authorization,
				      struct ssf_str body, struct oauth_request *out,
				      struct ssf_err *err);
void oauth_request_done(struct oauth_request *r); /* no-op on zeroed memory */
