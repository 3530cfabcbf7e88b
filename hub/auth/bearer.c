/* SPDX-License-Identifier: Apache-2.0 */
/* Looks tokens up by their digest, so that neither time nor a dump tells what they are. */
#include "hub/auth/bearer.h"

#include <strings.h>

#define TOKEN_MAX 512

/* b64token of RFC 6750 section 2.1; anything else is simply not a token that we know. */
static bool token_of(struct ssf_str header, struct ssf_str *token)
{
	if (header.len < 8 || strncasecmp(header.ptr, "Bearer ", 7) != 0)
		return false;
	*token = (struct ssf_str){ header.ptr + 7, header.len - 7 };
	while (token->len > 0 && token->ptr[0] == ' ') {
		token->ptr++;
		token->len--;
	}
	return token->len > 0 && token->len <= TOKEN_MAX;
}

int auth_bearer(struct ssf_str authorization, const uint8_t admin[SSF_SHA256_LEN],
		const struct registry *registry, struct caller *out, struct ssf_err *err)
{
	uint8_t digest[SSF_SHA256_LEN];
	char hex[SSF_SHA256_HEX];
	struct ssf_str token;
	const char *client;

	if (!token_of(authorization, &token))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "a bearer token is needed");
	ssf_sha256(token, digest);
	if (ssf_str_eq_secret((struct ssf_str){ (const char *)digest, sizeof(digest) },
			      (struct ssf_str){ (const char *)admin, SSF_SHA256_LEN })) {
		*out = (struct caller){ .admin = true };
		return 0;
	}
	ssf_hex(digest, sizeof(digest), hex);
	client = registry_client_of_token(registry, hex);
	if (client == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "a bearer token is needed");
	*out = (struct caller){ .client = client };
	return 0;
}
