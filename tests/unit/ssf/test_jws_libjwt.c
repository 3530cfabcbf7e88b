/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libjwt as the other side: it verifies what we sign, and we verify what it
 * signs. libjwt 1.10 reads and writes no other typ than "JWT", so the claims
 * here are those of a SET, but the header says JWT.
 */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/set.h"
#include "lib/ssf/subject.h"

#include <jwt.h>
#include <openssl/pem.h>
#include <string.h>

#define EVENT "https://schemas.openid.net/secevent/caep/event-type/session-revoked"

static const struct {
	enum ssf_alg ours;
	jwt_alg_t theirs;
} algs[] = {
	{ SSF_ALG_RS256, JWT_ALG_RS256 },
	{ SSF_ALG_ES256, JWT_ALG_ES256 },
};

static char *public_pem(const struct ssf_key *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, ssf_key_pkey(key)), 1);
	long len = BIO_get_mem_data(bio, &text);
	char *pem = ssf_str_dup((struct ssf_str){ text, (size_t)len });
	BIO_free(bio);
	return pem;
}

static char *private_pem(const struct ssf_key *key)
{
	struct ssf_err err;
	ssf_auto_buf pem;

	ssf_buf_init(&pem, 8192);
	assert_int_equal(ssf_key_to_private_pem(key, &pem, &err), 0);
	return ssf_buf_steal(&pem);
}

static char *sign_here(const struct ssf_key *key)
{
	json_auto_t *subject = ssf_subject_opaque("1");
	const struct ssf_set_spec spec = {
		.iss = "https://i", .aud = "https://r", .jti = "jti-1", .txn = "txn-1",
		.iat = 1000, .sub_id = subject, .event_uri = EVENT,
	};
	struct ssf_err err;
	ssf_auto_buf claims;
	ssf_auto_buf token;

	ssf_buf_init(&claims, 4096);
	ssf_buf_init(&token, 8192);
	assert_int_equal(ssf_set_compose(&spec, &claims, &err), 0);
	assert_int_equal(ssf_jws_sign(key, "JWT", ssf_buf_str(&claims), &token, &err), 0);
	return ssf_buf_steal(&token);
}

static void libjwt_verifies_ours(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		ssf_auto(ssf_key) key = support_key(algs[i].ours);
		ssf_auto(ssf_key) other = support_key(algs[i].ours);
		ssf_auto_free char *pem = public_pem(key);
		ssf_auto_free char *other_pem = public_pem(other);
		ssf_auto_free char *token = sign_here(key);
		jwt_t *jwt = NULL;

		assert_int_equal(jwt_decode(&jwt, token, (unsigned char *)pem, (int)strlen(pem)),
				 0);
		assert_int_equal(jwt_get_alg(jwt), algs[i].theirs);
		assert_string_equal(jwt_get_grant(jwt, "jti"), "jti-1");
		assert_string_equal(jwt_get_header(jwt, "kid"), ssf_key_kid(key));
		jwt_free(jwt);
		jwt = NULL;
		assert_int_not_equal(jwt_decode(&jwt, token, (unsigned char *)other_pem,
						(int)strlen(other_pem)), 0);
		jwt_free(jwt);
	}
}

static char *sign_there(const struct ssf_key *key, jwt_alg_t alg)
{
	ssf_auto_free char *pem = private_pem(key);
	jwt_t *jwt = NULL;

	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(jwt_add_header(jwt, "kid", ssf_key_kid(key)), 0);
	assert_int_equal(jwt_add_grants_json(jwt, "{\"iss\":\"https://i\",\"aud\":\"https://r\","
						  "\"jti\":\"jti-2\",\"iat\":1000,\"sub_id\":"
						  "{\"format\":\"opaque\",\"id\":\"1\"},\"events\":"
						  "{\"" EVENT "\":{}}}"), 0);
	assert_int_equal(jwt_set_alg(jwt, alg, (unsigned char *)pem, (int)strlen(pem)), 0);
	char *token = jwt_encode_str(jwt);
	assert_non_null(token);
	jwt_free(jwt);
	return token;
}

static void we_verify_libjwts(void **state)
{
	const char *const audience[] = { "https://r", NULL };
	const struct ssf_set_policy policy = {
		.issuer = "https://i", .audience = audience, .now = 1000, .max_skew = 60,
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		ssf_auto(ssf_key) key = support_key(algs[i].ours);
		ssf_auto(ssf_key) public = support_public(key);
		ssf_auto(ssf_key) other = support_key(algs[i].ours);
		ssf_auto_free char *token = sign_there(key, algs[i].theirs);
		struct ssf_err err;
		struct ssf_jws jws;
		struct ssf_set set;

		assert_int_equal(ssf_jws_parse(ssf_str_c(token), &jws, &err), 0);
		assert_string_equal(jws.kid, ssf_key_kid(key));
		if (ssf_jws_verify(&jws, public, &err) < 0)
			fail_msg("%s", err.msg);
		assert_non_null(strstr(jws.payload.ptr, "jti-2"));
		assert_int_equal(ssf_jws_verify(&jws, other, &err), -1);
		assert_int_equal(err.code, SSF_E_SIGNATURE);
		/* a plain JWT is no SET, however good its signature and claims */
		assert_int_equal(ssf_set_verify(&jws, public, &policy, &set, &err), -1);
		support_assert_err(&err, SSF_E_MALFORMED, "typ", "typ JWT");
		ssf_jws_done(&jws);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libjwt_verifies_ours),
		cmocka_unit_test(we_verify_libjwts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
