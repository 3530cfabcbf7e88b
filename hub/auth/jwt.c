/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only user of libjwt in the hub. libjwt 1.10 refuses every typ but JWT (docs/adr/0007), so tokens of
 * other types, such as at+jwt, are verified by lib/ssf, like SETs.
 */
#include "hub/auth/jwt.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>

#define FAR_FUTURE 253402300800.0 /* the year 10000: later times are refused */

static const struct ssf_json_limits limits = { .max_bytes = SSF_JWS_MAX, .max_depth = 16 };

/* --- signature ------------------------------------------------------------------------------------- */

/* libjwt takes public keys as PEM. */
static int public_pem(const struct ssf_key *key, struct ssf_buf *out, struct ssf_err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;
	long len = 0;
	int r;

	if (bio != NULL && PEM_write_bio_PUBKEY(bio, ssf_key_pkey(key)) == 1)
		len = BIO_get_mem_data(bio, &pem);
	r = len > 0 ? ssf_buf_append(out, (struct ssf_str){ pem, (size_t)len }, err) :
		      ssf_fail(err, SSF_E_NOMEM, "key");
	BIO_free(bio);
	ERR_clear_error();
	return r;
}

static bool algs_match(jwt_alg_t theirs, enum ssf_alg ours)
{
	return (ours == SSF_ALG_RS256 && theirs == JWT_ALG_RS256) ||
	       (ours == SSF_ALG_ES256 && theirs == JWT_ALG_ES256);
}

static int libjwt_verify(struct ssf_str token, const struct ssf_key *key, struct ssf_err *err)
{
	ssf_auto_free char *text = ssf_str_dup(token);
	ssf_auto_buf pem = SSF_BUF(16 * 1024);
	jwt_t *jwt = NULL;
	bool good;

	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "token");
	if (public_pem(key, &pem, err) < 0)
		return -1;
	good = jwt_decode(&jwt, text, (const unsigned char *)pem.ptr, (int)pem.len) == 0 &&
	       algs_match(jwt_get_alg(jwt), ssf_key_alg(key));
	jwt_free(jwt);
	ERR_clear_error();
	return good ? 0 : ssf_fail(err, SSF_E_SIGNATURE, "the signature does not verify");
}

int jwt_verify(struct ssf_str token, const struct ssf_jws *jws, const struct ssf_key *key,
	       json_t **claims, struct ssf_err *err)
{
	bool plain = jws->typ == NULL || jwt_is_typ(jws, "JWT");

	/* ssf_jws_parse() accepts RS256 and ES256 only, and the key is for one of them */
	if (jws->alg != ssf_key_alg(key))
		return ssf_fail(err, SSF_E_KEY, "alg: not the key's");
	if ((plain ? libjwt_verify(token, key, err) : ssf_jws_verify(jws, key, err)) < 0)
		return -1;
	return jwt_peek(jws, claims, err);
}

int jwt_peek(const struct ssf_jws *jws, json_t **claims, struct ssf_err *err)
{
	json_auto_t *parsed = NULL;

	if (ssf_json_parse(ssf_buf_str(&jws->payload), &limits, &parsed, err) < 0)
		return ssf_fail_prefix(err, "claims");
	if (!json_is_object(parsed))
		return ssf_fail(err, SSF_E_MALFORMED, "claims: not an object");
	*claims = SSF_STEAL(parsed);
	return 0;
}

/* --- claims -------------------------------------------------------------------------------------------- */

bool jwt_is_typ(const struct ssf_jws *jws, const char *name)
{
	struct ssf_str typ = ssf_str_c(jws->typ);
	const struct ssf_str prefix = SSF_STR("application/");

	if (typ.len > prefix.len && ssf_str_ieq_c((struct ssf_str){ typ.ptr, prefix.len }, prefix.ptr)) {
		typ.ptr += prefix.len;
		typ.len -= prefix.len;
	}
	return ssf_str_ieq_c(typ, name);
}

/* An absent claim leaves *out as it was. */
static int claim_time(const json_t *claims, const char *name, double *out, struct ssf_err *err)
{
	const json_t *value = json_object_get(claims, name);

	if (value == NULL)
		return 0;
	*out = json_number_value(value);
	if (!json_is_number(value) || !(*out >= 0 && *out < FAR_FUTURE))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "%s: not a time", name);
	return 0;
}

int jwt_check_times(const json_t *claims, int64_t now, int64_t *exp, struct ssf_err *err)
{
	double expires = -1, not_before = 0, issued = 0;

	if (claim_time(claims, "exp", &expires, err) < 0 || claim_time(claims, "nbf", &not_before, err) < 0 ||
	    claim_time(claims, "iat", &issued, err) < 0)
		return -1;
	if (expires < 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "exp: missing");
	if (expires + JWT_SKEW_S <= (double)now)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "exp: has passed");
	if (not_before > (double)(now + JWT_SKEW_S) || issued > (double)(now + JWT_SKEW_S))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "nbf or iat: in the future");
	*exp = (int64_t)expires;
	return 0;
}

static bool is_in(const json_t *value, const char *const *list)
{
	const char *text = json_string_value(value);

	for (; text != NULL && *list != NULL; list++) {
		if (strcmp(*list, text) == 0)
			return true;
	}
	return false;
}

int jwt_check_audience(const json_t *claims, const char *const *accepted, bool only,
		       struct ssf_err *err)
{
	const json_t *aud = json_object_get(claims, "aud"), *one;
	size_t i, fit = 0;

	if (json_is_string(aud) && is_in(aud, accepted))
		return 0;
	json_array_foreach(aud, i, one)
		fit += is_in(one, accepted);
	if (fit == 0 || (only && fit < json_array_size(aud)))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "aud: not for this server%s",
				only ? " alone" : "");
	return 0;
}

const char *jwt_id(const json_t *claims, const char *name)
{
	const char *text = json_string_value(json_object_get(claims, name));
	size_t len = text != NULL ? strlen(text) : 0;

	return len >= 1 && len <= JWT_ID_MAX ? text : NULL;
}
