/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/auth/jwt.h"

#include "lib/ssf/attr.h"
#include "lib/ssf/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>

#define NOW 1800000000

struct signed_jwt {
	struct ssf_key *key;
	struct ssf_buf token;
	struct ssf_jws jws;
};

static void jwt_make(struct signed_jwt *s, enum ssf_alg alg, const char *typ, const char *claims)
{
	struct ssf_err err;

	*s = (struct signed_jwt){ .key = NULL };
	ssf_buf_init(&s->token, SSF_JWS_MAX);
	assert_int_equal(ssf_key_generate(alg, &s->key, &err), 0);
	assert_int_equal(ssf_jws_sign(s->key, typ, ssf_str_c(claims), &s->token, &err), 0);
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&s->token), &s->jws, &err), 0);
}

static void jwt_drop(struct signed_jwt *s)
{
	ssf_jws_done(&s->jws);
	ssf_buf_done(&s->token);
	ssf_key_free(s->key);
}

/* libjwt verifies plain JWTs, lib/ssf all others. */
static void a_signed_token_verifies(void **state)
{
	static const struct {
		enum ssf_alg alg;
		const char *typ;
	} cases[] = {
		{ SSF_ALG_RS256, "at+jwt" },
		{ SSF_ALG_ES256, "at+jwt" },
		{ SSF_ALG_RS256, "JWT" },
		{ SSF_ALG_ES256, "JWT" },
		{ SSF_ALG_ES256, "client-authentication+jwt" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct signed_jwt good, other;
		json_t *claims = NULL;
		struct ssf_err err;

		jwt_make(&good, cases[i].alg, cases[i].typ, "{\"iss\":\"a\"}");
		jwt_make(&other, cases[i].alg, cases[i].typ, "{\"iss\":\"b\"}");
		assert_int_equal(jwt_verify(ssf_buf_str(&good.token), &good.jws, good.key, &claims, &err), 0);
		assert_string_equal(jwt_id(claims, "iss"), "a");
		json_decref(claims);
		assert_true(jwt_is_typ(&good.jws, cases[i].typ));
		assert_false(jwt_is_typ(&good.jws, "secevent+jwt"));
		assert_int_equal(jwt_verify(ssf_buf_str(&good.token), &good.jws, other.key, &claims, &err), -1);
		assert_int_equal(err.code, SSF_E_SIGNATURE);
		/* claims of one, signature of the other */
		assert_int_equal(jwt_verify(ssf_buf_str(&other.token), &other.jws, good.key, &claims, &err), -1);
		jwt_drop(&good);
		jwt_drop(&other);
	}
}

/* The attack that pinning the algorithm prevents: HS256 with the public key as the secret. */
static void hmac_with_the_public_key_is_refused(void **state)
{
	const char *header = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}";
	ssf_auto_buf token = SSF_BUF(8192);
	unsigned char mac[32];
	unsigned mac_len = sizeof(mac);
	struct ssf_key *key;
	struct ssf_jws jws;
	struct ssf_err err;
	char *pem;

	(void)state;
	assert_int_equal(ssf_key_generate(SSF_ALG_RS256, &key, &err), 0);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PUBKEY(bio, ssf_key_pkey(key)), 1);
	long len = BIO_get_mem_data(bio, &pem);
	ssf_base64url_encode(ssf_str_c(header), &token);
	ssf_buf_addc(&token, '.');
	ssf_base64url_encode(SSF_STR("{\"iss\":\"a\"}"), &token);
	HMAC(EVP_sha256(), pem, (int)len, (unsigned char *)token.ptr, token.len, mac, &mac_len);
	ssf_buf_addc(&token, '.');
	ssf_base64url_encode((struct ssf_str){ (char *)mac, mac_len }, &token);
	/* it does not reach libjwt, which would accept it */
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	BIO_free(bio);
	ssf_key_free(key);
}

static void an_algorithm_other_than_the_keys_is_refused(void **state)
{
	struct signed_jwt rsa, ec;
	json_t *claims = NULL;
	struct ssf_err err;

	(void)state;
	jwt_make(&rsa, SSF_ALG_RS256, "JWT", "{}");
	jwt_make(&ec, SSF_ALG_ES256, "JWT", "{}");
	assert_int_equal(jwt_verify(ssf_buf_str(&rsa.token), &rsa.jws, ec.key, &claims, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	jwt_drop(&rsa);
	jwt_drop(&ec);
}

static json_t *parse(const char *text)
{
	json_t *claims = json_loads(text, 0, NULL);

	assert_non_null(claims);
	return claims;
}

static void times_are_checked_with_skew(void **state)
{
	static const struct {
		const char *claims;
		int good;
	} cases[] = {
		{ "{\"exp\":1800000001}", 1 },
		{ "{\"exp\":1800000000.5,\"iat\":1799999999.9,\"nbf\":1800000059}", 1 },
		{ "{\"exp\":1799999941}", 1 }, /* within the skew */
		{ "{\"exp\":1799999940}", 0 },
		{ "{}", 0 },
		{ "{\"exp\":null}", 0 },
		{ "{\"exp\":\"1800000001\"}", 0 },
		{ "{\"exp\":-1}", 0 },
		{ "{\"exp\":1e300}", 0 },
		{ "{\"exp\":1800000100,\"nbf\":1800000061}", 0 },
		{ "{\"exp\":1800000100,\"iat\":1800000061}", 0 },
		{ "{\"exp\":1800000100,\"iat\":\"now\"}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_t *claims = parse(cases[i].claims);
		int64_t exp = 0;
		struct ssf_err err;
		if ((jwt_check_times(claims, NOW, &exp, &err) == 0) != cases[i].good)
			fail_msg("%s", cases[i].claims);
		json_decref(claims);
	}
}

static void an_audience_must_be_accepted(void **state)
{
	static const char *const accepted[] = { "https://hub", "https://hub/token", NULL };
	static const struct {
		const char *claims;
		int any, only;
	} cases[] = {
		{ "{\"aud\":\"https://hub\"}", 1, 1 },
		{ "{\"aud\":\"https://hub/\"}", 0, 0 },
		{ "{\"aud\":[\"https://hub\"]}", 1, 1 },
		{ "{\"aud\":[\"https://hub\",\"https://hub/token\"]}", 1, 1 },
		{ "{\"aud\":[\"https://hub\",\"https://other\"]}", 1, 0 },
		{ "{\"aud\":[\"https://hub\",7]}", 1, 0 },
		{ "{\"aud\":[]}", 0, 0 },
		{ "{\"aud\":{}}", 0, 0 },
		{ "{}", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_t *claims = parse(cases[i].claims);
		struct ssf_err err;
		if ((jwt_check_audience(claims, accepted, false, &err) == 0) != cases[i].any ||
		    (jwt_check_audience(claims, accepted, true, &err) == 0) != cases[i].only)
			fail_msg("%s", cases[i].claims);
		json_decref(claims);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_token_verifies),
		cmocka_unit_test(hmac_with_the_public_key_is_refused),
		cmocka_unit_test(an_algorithm_other_than_the_keys_is_refused),
		cmocka_unit_test(times_are_checked_with_skew),
		cmocka_unit_test(an_audience_must_be_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
