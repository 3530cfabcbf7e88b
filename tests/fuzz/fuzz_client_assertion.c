/* SPDX-License-Identifier: Apache-2.0 */
/* hub/oauth/client_assertion and the claims of hub/auth/jwt: any bytes as the payload of a well signed token. */
#include "hub/oauth/client_assertion.h"
#include "hub/auth/jwt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const audiences[] = { "https://h", NULL };
	static struct ssf_key *key;
	ssf_auto_buf token = SSF_BUF(SSF_JWS_MAX);
	json_auto_t *claims = NULL;
	struct client_assertion a;
	struct ssf_jws jws;
	struct ssf_err err;

	if (key == NULL && ssf_key_generate(SSF_ALG_ES256, &key, NULL) < 0)
		abort();
	if (ssf_jws_sign(key, "JWT", (struct ssf_str){ (const char *)data, size }, &token, NULL) < 0)
		return 0;
	if (ssf_jws_parse(ssf_buf_str(&token), &jws, &err) < 0)
		abort();
	if (jwt_verify(ssf_buf_str(&token), &jws, key, &claims, &err) == 0 &&
	    client_assertion_check(claims, audiences, NOW, &a, &err) == 0 &&
	    (a.remember_until < NOW || a.remember_until > NOW + CLIENT_ASSERTION_LIFE_MAX_S + 2 * JWT_SKEW_S))
		abort();
	ssf_jws_done(&jws);
	return 0;
}
