/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: token_endpoint.c verifies the signature and remembers which assertions were used. */
#include "hub/oauth/client_assertion.h"

#include "hub/auth/jwt.h"

#include <string.h>

int client_assertion_client(const json_t *claims, const char **client, struct ssf_err *err)
{
	const char *iss = jwt_id(claims, "iss"), *sub = jwt_id(claims, "sub");

	if (iss == NULL || sub == NULL || strcmp(iss, sub) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "iss and sub: must both be the client's id");
	*client = sub;
	return 0;
}

int client_assertion_check(const json_t *claims, const char *const *audiences, int64_t now_s,
			   struct client_assertion *out, struct ssf_err *err)
{
	const char *client, *jti = jwt_id(claims, "jti");
	char text[2 * JWT_ID_MAX + 1];
	size_t len;
	int64_t exp;

	if (client_assertion_client(claims, &client, err) < 0 ||
	    jwt_check_times(claims, now_s, &exp, err) < 0 ||
	    jwt_check_audience(claims, audiences, true, err) < 0)
		return -1;
	if (exp > now_s + CLIENT_ASSERTION_LIFE_MAX_S + JWT_SKEW_S)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "exp: more than %d s ahead",
				CLIENT_ASSERTION_LIFE_MAX_S);
	if (jti == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "jti: missing");
	/* the NUL between them makes the pair unambiguous: neither has one inside */
	len = strlen(client) + 1;
	memcpy(text, client, len);
	memcpy(text + len, jti, strlen(jti));
	ssf_sha256((struct ssf_str){ text, len + strlen(jti) }, out->once);
	out->remember_until = exp + JWT_SKEW_S;
	return 0;
}
