/* SPDX-License-Identifier: Apache-2.0 */
/* Which client it is, and whether it is authentic, is decided by token_endpoint.c. */
#include "hub/oauth/token_request.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/base64url.h"
#include "lib/ssf/media_type.h"

#include <string.h>
#include <strings.h>

#define FORM_TYPE "application/x-www-form-urlencoded"
#define BASIC_MAX 8192

const char *token_request_method_name(enum token_request_method method)
{
	static const char *const names[] = {
		[CLIENT_AUTH_NONE] = "none",
		[CLIENT_SECRET_BASIC] = "client_secret_basic",
		[CLIENT_SECRET_POST] = "client_secret_post",
		[CLIENT_PRIVATE_KEY_JWT] = "private_key_jwt",
	};

	return names[method];
}

/* Appends one half of the Basic credentials, which is form-encoded (RFC 6749 section 2.3.1), and a NUL. */
static int decode_half(struct ssf_str half, struct ssf_buf *out, size_t *at)
{
	*at = out->len;
	if (ssf_percent_decode(half, true, out, NULL) < 0 || ssf_buf_add(out, "", 1) < 0)
		return -1;
	/* no NUL but the one at the end */
	return strlen(out->ptr + *at) == out->len - *at - 1 ? 0 : -1;
}

static int parse_basic(struct ssf_str header, struct token_request *r, struct ssf_err *err)
{
	ssf_auto_buf plain = SSF_BUF(BASIC_MAX);
	const char *colon;
	size_t id, secret, len;

	if (header.len < 7 || strncasecmp(header.ptr, "Basic ", 6) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "Authorization: must be Basic");
	if (ssf_base64_decode((struct ssf_str){ header.ptr + 6, header.len - 6 }, &plain, NULL) < 0 ||
	    plain.len == 0 || (colon = memchr(plain.ptr, ':', plain.len)) == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "Authorization: malformed");
	len = (size_t)(colon - plain.ptr);
	if (decode_half((struct ssf_str){ plain.ptr, len }, &r->basic, &id) < 0 ||
	    decode_half((struct ssf_str){ colon + 1, plain.len - len - 1 }, &r->basic, &secret) < 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "Authorization: malformed");
	r->method = CLIENT_SECRET_BASIC;
	r->client_id = r->basic.ptr + id;
	r->client_secret = r->basic.ptr + secret;
	return 0;
}

static int parse_assertion(struct token_request *r, struct ssf_err *err)
{
	const char *type = ssf_form_get(&r->form, "client_assertion_type");

	r->assertion = ssf_form_get(&r->form, "client_assertion");
	if (r->assertion == NULL && type == NULL)
		return 0;
	if (r->assertion == NULL || type == NULL || strcmp(type, TOKEN_REQUEST_ASSERTION) != 0)
		return ssf_fail(err, SSF_E_MALFORMED,
				"client_assertion and client_assertion_type: must be a JWT bearer assertion");
	r->method = CLIENT_PRIVATE_KEY_JWT;
	return 0;
}

/* RFC 6749 section 2.3: a request uses at most one authentication method. */
static int parse_credentials(struct ssf_str authorization, struct token_request *r, struct ssf_err *err)
{
	const char *id = ssf_form_get(&r->form, "client_id");
	const char *secret = ssf_form_get(&r->form, "client_secret");

	if (parse_assertion(r, err) < 0)
		return -1;
	if ((authorization.len > 0) + (secret != NULL) + (r->assertion != NULL) > 1)
		return ssf_fail(err, SSF_E_MALFORMED, "more than one way to authenticate");
	if (authorization.len > 0) {
		if (parse_basic(authorization, r, err) < 0)
			return -1;
		if (id != NULL && strcmp(id, r->client_id) != 0)
			return ssf_fail(err, SSF_E_MALFORMED, "client_id: not the one in the header");
		return 0;
	}
	r->client_id = id;
	if (secret != NULL) {
		r->client_secret = secret;
		r->method = CLIENT_SECRET_POST;
	}
	return 0;
}

int token_request_parse(struct ssf_str content_type, struct ssf_str authorization, struct ssf_str body,
			struct token_request *out, struct ssf_err *err)
{
	*out = (struct token_request){ .method = CLIENT_AUTH_NONE };
	ssf_buf_init(&out->basic, BASIC_MAX);
	if (!ssf_media_type_is(content_type, FORM_TYPE))
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Type: must be " FORM_TYPE);
	if (body.len > TOKEN_REQUEST_BODY_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "longer than %d bytes", TOKEN_REQUEST_BODY_MAX);
	if (ssf_form_parse(body, &out->form, err) < 0)
		return -1;
	out->grant_type = ssf_form_get(&out->form, "grant_type");
	out->scope = ssf_form_get(&out->form, "scope");
	return parse_credentials(authorization, out, err);
}

void token_request_done(struct token_request *r)
{
	ssf_form_done(&r->form);
	ssf_buf_done(&r->basic);
	*r = (struct token_request){ .method = CLIENT_AUTH_NONE };
}
