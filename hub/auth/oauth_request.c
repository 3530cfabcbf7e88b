/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a token request apart. Which client it is, and whether that is so, is for oauth.c. */
#include "hub/auth/oauth_request.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/base64url.h"
#include "lib/ssf/media_type.h"

#include <string.h>
#include <strings.h>

#define FORM "application/x-www-form-urlencoded"
#define BASIC_MAX 8192

const char *oauth_method_name(enum oauth_method method)
{
	static const char *const names[] = {
		[OAUTH_NONE] = "none",
		[OAUTH_CLIENT_SECRET_BASIC] = "client_secret_basic",
		[OAUTH_CLIENT_SECRET_POST] = "client_secret_post",
		[OAUTH_PRIVATE_KEY_JWT] = "private_key_jwt",
	};

	return names[method];
}

/* One half of the Basic credentials: form-encoded inside (RFC 6749 section 2.3.1), ended by NUL. */
static int take_half(struct ssf_str half, struct ssf_buf *out, size_t *at)
{
	*at = out->len;
	if (ssf_percent_decode(half, true, out, NULL) < 0 || ssf_buf_add(out, "", 1) < 0)
		return -1;
	/* no NUL but the one at the end */
	return strlen(out->ptr + *at) == out->len - *at - 1 ? 0 : -1;
}

static int take_basic(struct ssf_str header, struct oauth_request *r, struct ssf_err *err)
{
	ssf_auto_buf plain = SSF_BUF(BASIC_MAX);
	const char *colon;
	size_t id, secret;

	if (header.len < 7 || strncasecmp(header.ptr, "Basic ", 6) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "Authorization: must be Basic");
	if (ssf_base64_decode((struct ssf_str){ header.ptr + 6, header.len - 6 }, &plain, NULL) < 0 ||
	    plain.len == 0 || (colon = memchr(plain.ptr, ':', plain.len)) == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "Authorization: malformed");
	size_t len = (size_t)(colon - plain.ptr);
	if (take_half((struct ssf_str){ plain.ptr, len }, &r->basic, &id) < 0 ||
	    take_half((struct ssf_str){ colon + 1, plain.len - len - 1 }, &r->basic, &secret) < 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "Authorization: malformed");
	r->method = OAUTH_CLIENT_SECRET_BASIC;
	r->client_id = r->basic.ptr + id;
	r->client_secret = r->basic.ptr + secret;
	return 0;
}

static int take_assertion(struct oauth_request *r, struct ssf_err *err)
{
	const char *type = ssf_form_get(&r->form, "client_assertion_type");

	r->assertion = ssf_form_get(&r->form, "client_assertion");
	if (r->assertion == NULL && type == NULL)
		return 0;
	if (r->assertion == NULL || type == NULL || strcmp(type, OAUTH_ASSERTION_TYPE) != 0)
		return ssf_fail(err, SSF_E_MALFORMED,
				"client_assertion and client_assertion_type: must be a JWT bearer assertion");
	r->method = OAUTH_PRIVATE_KEY_JWT;
	return 0;
}

/* RFC 6749 section 2.3: not more than one method a request. */
static int take_credentials(struct ssf_str authorization, struct oauth_request *r,
			    struct ssf_err *err)
{
	const char *id = ssf_form_get(&r->form, "client_id");
	const char *secret = ssf_form_get(&r->form, "client_secret");

	if (take_assertion(r, err) < 0)
		return -1;
	if ((authorization.len > 0) + (secret != NULL) + (r->assertion != NULL) > 1)
		return ssf_fail(err, SSF_E_MALFORMED, "more than one way to authenticate");
	if (authorization.len > 0) {
		if (take_basic(authorization, r, err) < 0)
			return -1;
		if (id != NULL && strcmp(id, r->client_id) != 0)
			return ssf_fail(err, SSF_E_MALFORMED, "client_id: not that of the header");
		return 0;
	}
	r->client_id = id;
	if (secret != NULL) {
		r->client_secret = secret;
		r->method = OAUTH_CLIENT_SECRET_POST;
	}
	return 0;
}

int oauth_request_parse(struct ssf_str content_type, struct ssf_str authorization,
			struct ssf_str body, struct oauth_request *out, struct ssf_err *err)
{
	*out = (struct oauth_request){ .method = OAUTH_NONE };
	ssf_buf_init(&out->basic, BASIC_MAX);
	if (!ssf_media_type_is(content_type, FORM))
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Type: must be " FORM);
	if (body.len > OAUTH_BODY_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "longer than %d bytes", OAUTH_BODY_MAX);
	if (ssf_form_parse(body, &out->form, err) < 0)
		return -1;
	out->grant_type = ssf_form_get(&out->form, "grant_type");
	out->scope = ssf_form_get(&out->form, "scope");
	return take_credentials(authorization, out, err);
}

void oauth_request_done(struct oauth_request *r)
{
	ssf_form_done(&r->form);
	ssf_buf_done(&r->basic);
	*r = (struct oauth_request){ .method = OAUTH_NONE };
}
