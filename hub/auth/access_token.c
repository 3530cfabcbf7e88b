/* SPDX-License-Identifier: Apache-2.0 */
/* Our own clock on both sides: no skew. */
#include "hub/auth/access_token.h"

#include "hub/auth/auth_priv.h"
#include "hub/eventlog/draft.h"
#include "lib/kit/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int access_token_make(struct auth *a, const char *client, const char *scope, int64_t now,
		      struct ssf_buf *out, struct ssf_err *err)
{
	ssf_auto_free char *text = NULL;
	char jti[UUID_LEN];

	uuid_make(jti);
	json_auto_t *claims = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I}", "iss", a->conf.issuer, "sub",
		client, "aud", a->conf.issuer, "client_id", client, "iat", (json_int_t)now, "exp",
		(json_int_t)(now + a->conf.token_lifetime_s), "jti", jti, "scope", scope,
		"client_version",
		(json_int_t)registry_version(a->registry, KIND_CLIENT, client));

	text = claims != NULL ? json_dumps(claims, JSON_COMPACT) : NULL;
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "access token");
	return keys_sign_now(a->keys, ACCESS_TOKEN_TYP, ssf_str_c(text), out, err);
}

static int check_claims(const struct auth *a, const json_t *claims, int64_t now, struct caller *out,
			int64_t *exp, struct ssf_err *err)
{
	const char *const ours[] = { a->conf.issuer, NULL };
	const char *client = jwt_id(claims, "client_id");
	const char *scope = json_string_value(json_object_get(claims, "scope"));
	json_int_t version = json_integer_value(json_object_get(claims, "client_version"));
	const json_t *spec;

	if (jwt_check_times(claims, now, exp, err) < 0 ||
	    jwt_check_audience(claims, ours, true, err) < 0)
		return -1;
	if (*exp <= now)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "exp: has passed");
	spec = client != NULL ? registry_get(a->registry, KIND_CLIENT, client) : NULL;
	if (spec == NULL || scope == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "client_id: no such client");
	if (version != registry_version(a->registry, KIND_CLIENT, client))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "the client has changed since");
	*out = (struct caller){ .perms = scope_list_perms(scope) & auth_client_perms(spec) };
	snprintf(out->client, sizeof(out->client), "%s", client);
	return 0;
}

int access_token_check(const struct auth *a, const struct ssf_jws *jws, int64_t now,
		       struct caller *out, int64_t *exp, struct ssf_err *err)
{
	const struct ssf_key *key = keys_find(a->keys, ssf_str_c(jws->kid), jws->alg);
	json_auto_t *claims = NULL;

	if (key == NULL || !jwt_is_typ(jws, ACCESS_TOKEN_TYP))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "kid or typ: not of an access token of ours");
	if (ssf_jws_verify(jws, key, err) < 0 || jwt_peek(jws, &claims, err) < 0)
		return -1;
	return check_claims(a, claims, now, out, exp, err);
}
