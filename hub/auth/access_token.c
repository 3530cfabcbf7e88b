/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's clock both writes and checks the times: no skew is allowed for. */
#include "hub/auth/access_token.h"

#include "hub/auth/jwt.h"
#include "hub/scopes/scope.h"
#include "lib/kit/uuid.h"
#include "lib/ssf/attr.h"

#include <stdio.h>
#include <stdlib.h>

int access_token_make(const struct access_tokens *t, const char *client, const char *scope,
		      int64_t now_s, struct ssf_buf *out, struct ssf_err *err)
{
	int64_t version = registry_version(t->registry, KIND_CLIENT, client);
	json_auto_t *claims = NULL;
	ssf_auto_free char *text = NULL;
	char jti[UUID_LEN];

	uuid_make(jti);
	claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I}", "iss", t->issuer, "sub",
			   client, "aud", t->issuer, "client_id", client, "iat", (json_int_t)now_s, "exp",
			   (json_int_t)(now_s + t->lifetime_s), "jti", jti, "scope", scope,
			   "client_version", (json_int_t)version);
	text = claims != NULL ? json_dumps(claims, JSON_COMPACT) : NULL;
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "access token");
	return keyring_sign(t->keyring, ACCESS_TOKEN_TYP, ssf_str_c(text), out, err);
}

static int check_claims(const struct access_tokens *t, const json_t *claims, int64_t now_s,
			struct caller *out, int64_t *exp, struct ssf_err *err)
{
	const char *const audiences[] = { t->issuer, NULL };
	const char *client = jwt_id(claims, "client_id");
	const char *scope = json_string_value(json_object_get(claims, "scope"));
	json_int_t version = json_integer_value(json_object_get(claims, "client_version"));
	const json_t *spec;

	if (jwt_check_times(claims, now_s, exp, err) < 0 ||
	    jwt_check_audience(claims, audiences, true, err) < 0)
		return -1;
	if (*exp <= now_s)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "exp: has passed");
	spec = client != NULL ? registry_get(t->registry, KIND_CLIENT, client) : NULL;
	if (spec == NULL || scope == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "client_id: no such client");
	if (version != registry_version(t->registry, KIND_CLIENT, client))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "the client has changed since");
	*out = (struct caller){
		.perms = scope_list_perms(scope) & scope_array_perms(json_object_get(spec, "scopes"))
	};
	snprintf(out->client, sizeof(out->client), "%s", client);
	return 0;
}

int access_token_check(const struct access_tokens *t, const struct ssf_jws *jws, int64_t now_s,
		       struct caller *out, int64_t *exp, struct ssf_err *err)
{
	const struct ssf_key *key = keyring_find(t->keyring, ssf_str_c(jws->kid), jws->alg);
	json_auto_t *claims = NULL;

	if (key == NULL || !jwt_is_typ(jws, ACCESS_TOKEN_TYP))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "kid or typ: not an access token of the hub");
	if (ssf_jws_verify(jws, key, err) < 0 || jwt_peek(jws, &claims, err) < 0)
		return -1;
	return check_claims(t, claims, now_s, out, exp, err);
}
