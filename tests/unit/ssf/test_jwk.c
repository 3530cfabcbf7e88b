/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: vectors of RFC 7517 and RFC 7638, round trips, and every key that is refused. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/base64url.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define P256 "{\"kty\":\"EC\",\"crv\":\"P-256\","
#define EC "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\""

static void thumbprint_of_rfc7638(void **state)
{
	json_auto_t *jwk = support_vector_json("rfc7638_3.1.jwk");
	ssf_auto_free char *wanted = support_vector("rfc7638_3.1.thumbprint");
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_key_from_jwk(jwk, &key, &err), 0);
	assert_string_equal(ssf_key_kid(key), wanted);
	assert_int_equal(ssf_key_alg(key), SSF_ALG_RS256);
	assert_false(ssf_key_is_private(key));

	/* an empty kid is none; another one does not change the key */
	json_object_set_new(jwk, "kid", json_string(""));
	ssf_auto(ssf_key) same = NULL;
	assert_int_equal(ssf_key_from_jwk(jwk, &same, &err), 0);
	assert_string_equal(ssf_key_kid(same), wanted);
	json_object_set_new(jwk, "kid", json_string("2011-04-29"));
	ssf_auto(ssf_key) named = NULL;
	assert_int_equal(ssf_key_from_jwk(jwk, &named, &err), 0);
	assert_string_equal(ssf_key_kid(named), "2011-04-29");
}

static void key_set_of_rfc7517(void **state)
{
	json_auto_t *doc = support_vector_json("rfc7517_A.1.jwks");
	ssf_auto(ssf_jwks) set = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_jwks_parse(doc, &set, &err), 0);
	assert_int_equal(ssf_jwks_count(set), 1); /* the EC key there is for encryption */
	assert_non_null(ssf_jwks_find(set, SSF_STR("2011-04-29"), SSF_ALG_RS256));
	assert_null(ssf_jwks_find(set, SSF_STR("2011-04-29"), SSF_ALG_ES256));
	assert_null(ssf_jwks_find(set, SSF_STR("1"), SSF_ALG_ES256));
}

static void new_keys_round_trip(void **state)
{
	static const enum ssf_alg algs[] = { SSF_ALG_RS256, SSF_ALG_ES256 };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		struct ssf_err err;
		ssf_auto(ssf_key) key = support_key(algs[i]);
		ssf_auto(ssf_key) public = support_public(key);
		ssf_auto(ssf_key) again = NULL;
		ssf_auto_buf pem;

		assert_true(ssf_key_is_private(key));
		assert_int_equal(ssf_key_alg(key), algs[i]);
		assert_int_equal(strlen(ssf_key_kid(key)), 43);
		assert_false(ssf_key_is_private(public));
		assert_string_equal(ssf_key_kid(public), ssf_key_kid(key));
		assert_int_equal(EVP_PKEY_eq(ssf_key_pkey(key), ssf_key_pkey(public)), 1);

		ssf_buf_init(&pem, 8192);
		assert_int_equal(ssf_key_to_private_pem(key, &pem, &err), 0);
		assert_true(ssf_str_has_prefix(ssf_buf_str(&pem), "-----BEGIN PRIVATE KEY-----\n"));
		assert_int_equal(ssf_key_from_pem(ssf_buf_str(&pem), NULL, &again, &err), 0);
		assert_true(ssf_key_is_private(again));
		assert_string_equal(ssf_key_kid(again), ssf_key_kid(key));
		assert_int_equal(ssf_key_to_private_pem(public, &pem, &err), -1);
		assert_int_equal(err.code, SSF_E_KEY);
	}
	struct ssf_err err;
	struct ssf_key *none;
	assert_int_equal(ssf_key_generate(SSF_ALG_NONE, &none, &err), -1);
}

static void published_jwk_has_no_private_member(void **state)
{
	static const char *const private_members[] = { "d", "p", "q", "dp", "dq", "qi" };
	static const enum ssf_alg algs[] = { SSF_ALG_RS256, SSF_ALG_ES256 };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		ssf_auto(ssf_key) key = support_key(algs[i]);
		json_auto_t *jwk = ssf_key_to_jwk(key);

		for (size_t k = 0; k < SSF_ARRAY_SIZE(private_members); k++)
			assert_null(json_object_get(jwk, private_members[k]));
		assert_string_equal(json_string_value(json_object_get(jwk, "use")), "sig");
		assert_string_equal(json_string_value(json_object_get(jwk, "kid")),
				    ssf_key_kid(key));
		assert_string_equal(json_string_value(json_object_get(jwk, "alg")),
				    ssf_alg_name(algs[i]));
		assert_int_equal(json_object_size(jwk), algs[i] == SSF_ALG_RS256 ? 6 : 7);
	}
}

static void references_are_counted(void **state)
{
	struct ssf_key *key = support_key(SSF_ALG_ES256);

	(void)state;
	assert_ptr_equal(ssf_key_ref(key), key);
	ssf_key_free(key);
	assert_int_equal(ssf_key_alg(key), SSF_ALG_ES256);
	ssf_key_free(key);
	ssf_key_free(NULL);
}

static void names_of_algorithms(void **state)
{
	(void)state;
	assert_string_equal(ssf_alg_name(SSF_ALG_RS256), "RS256");
	assert_string_equal(ssf_alg_name(SSF_ALG_ES256), "ES256");
	assert_null(ssf_alg_name(SSF_ALG_NONE));
	assert_int_equal(ssf_alg_from_name(SSF_STR("ES256")), SSF_ALG_ES256);
	static const char *const unknown[] = { "", "none", "None", "HS256", "rs256", "RS256 ",
					       "RS384", "PS256", "ES384", "ES256K", "EdDSA" };
	for (size_t i = 0; i < SSF_ARRAY_SIZE(unknown); i++)
		assert_int_equal(ssf_alg_from_name(ssf_str_c(unknown[i])), SSF_ALG_NONE);
}

static void refuses_ec_and_other_jwk(void **state)
{
	static const struct {
		const char *text;
		enum ssf_code code;
		const char *part;
	} cases[] = {
		{ "[]", SSF_E_MALFORMED, "kty" },
		{ "{\"kty\":1}", SSF_E_MALFORMED, "kty" },
		{ "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}", SSF_E_KEY, "kty" },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\"}", SSF_E_KEY, "kty" },
		{ "{" EC ",\"kid\":7}", SSF_E_MALFORMED, "kid" },
		{ "{" EC ",\"use\":\"enc\"}", SSF_E_KEY, "use" },
		{ "{" EC ",\"use\":\"\"}", SSF_E_KEY, "use" },
		{ "{" EC ",\"alg\":\"RS256\"}", SSF_E_KEY, "alg" },
		{ "{" EC ",\"alg\":\"ES384\"}", SSF_E_KEY, "alg" },
		{ "{" EC ",\"alg\":\"HS256\"}", SSF_E_KEY, "alg" },
		{ "{" EC ",\"alg\":\"none\"}", SSF_E_KEY, "alg" },
		{ "{" EC ",\"key_ops\":[\"sign\"]}", SSF_E_KEY, "key_ops" },
		{ "{" EC ",\"key_ops\":[]}", SSF_E_KEY, "key_ops" },
		{ "{" EC ",\"key_ops\":\"verify\"}", SSF_E_MALFORMED, "key_ops" },
		{ "{" EC ",\"d\":\"" X "\"}", SSF_E_KEY, "d: " },
		{ "{" EC ",\"d\":null}", SSF_E_KEY, "d: " },
		{ "{" EC ",\"k\":\"\"}", SSF_E_KEY, "k: " },
		{ "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		  SSF_E_KEY, "crv" },
		{ "{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}", SSF_E_MALFORMED, "crv" },
		{ P256 "\"y\":\"" Y "\"}", SSF_E_MALFORMED, "x" },
		{ P256 "\"x\":\"" X "\"}", SSF_E_MALFORMED, "y" },
		/* not on the curve: coordinates exchanged, equal, zero */
		{ P256 "\"x\":\"" Y "\",\"y\":\"" X "\"}", SSF_E_KEY, "EC" },
		{ P256 "\"x\":\"" X "\",\"y\":\"" X "\"}", SSF_E_KEY, "EC" },
		{ P256 "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		  "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", SSF_E_KEY, "EC" },
		/* one octet short, one too many, padded */
		{ P256 "\"x\":\"AAAA\",\"y\":\"" Y "\"}", SSF_E_KEY, "x" },
		{ P256 "\"x\":\"" X "\",\"y\":\"AAAA\"}", SSF_E_KEY, "y" },
		{ P256 "\"x\":\"" X "\",\"y\":\"" Y "A\"}", SSF_E_KEY, "y" },
		{ P256 "\"x\":\"" X "=\",\"y\":\"" Y "\"}",
		  SSF_E_MALFORMED, "x" },
		/* the last character carries stray bits */
		{ P256 "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV\",\"y\":\"" Y "\"}",
		  SSF_E_MALFORMED, "x" },
	};

	(void)state;
	json_auto_t *good = support_json("{" EC ",\"use\":\"sig\",\"key_ops\":[\"verify\"]}");
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err err;
	assert_int_equal(ssf_key_from_jwk(good, &key, &err), 0);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *jwk = support_json(cases[i].text);
		struct ssf_key *bad = NULL;

		if (ssf_key_from_jwk(jwk, &bad, &err) == 0)
			fail_msg("accepted %s", cases[i].text);
		support_assert_err(&err, cases[i].code, cases[i].part, cases[i].text);
	}
}

/* A JWK with an all-ones modulus of so many bits, of which the last may be cleared. */
static json_t *rsa_jwk(size_t bits, bool odd, const char *e)
{
	unsigned char modulus[4096];
	ssf_auto_buf n;

	assert_true(bits % 8 == 0 && bits / 8 <= sizeof(modulus));
	memset(modulus, 0xff, sizeof(modulus));
	if (!odd)
		modulus[bits / 8 - 1] = 0xfe;
	ssf_buf_init(&n, 8192);
	assert_int_equal(ssf_base64url_encode((struct ssf_str){ (char *)modulus, bits / 8 }, &n), 0);
	return json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", n.ptr, "e", e);
}

static void refuses_rsa_jwk(void **state)
{
	static const struct {
		size_t bits;
		bool odd;
		const char *e;
		bool good;
	} cases[] = {
		{ 2048, true, "AQAB", true },
		{ 8192, true, "Aw", true },
		{ 2048, true, "_____w", true },   /* 32 bits */
		{ 1024, true, "AQAB", false },
		{ 2040, true, "AQAB", false },
		{ 8200, true, "AQAB", false },
		{ 32768, true, "AQAB", false },
		{ 2048, false, "AQAB", false },
		{ 2048, true, "AQ", false },      /* 1: every message is its own signature */
		{ 2048, true, "AQAA", false },    /* even */
		{ 2048, true, "AA", false },
		{ 2048, true, "", false },
		{ 2048, true, "AAEAAQ", false },  /* leading zeros */
		{ 2048, true, "Af____8", false }, /* 33 bits */
		{ 2048, true, "AQAB=", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *jwk = rsa_jwk(cases[i].bits, cases[i].odd, cases[i].e);
		ssf_auto(ssf_key) key = NULL;
		struct ssf_err err = { 0 };

		int r = ssf_key_from_jwk(jwk, &key, &err);
		if ((r == 0) != cases[i].good)
			fail_msg("case %zu: %s", i, err.msg);
	}
	struct ssf_err err;
	struct ssf_key *key;
	json_auto_t *weak = rsa_jwk(1024, true, "AQAB");
	assert_int_equal(ssf_key_from_jwk(weak, &key, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	json_auto_t *huge = rsa_jwk(32768, true, "AQAB");
	assert_int_equal(ssf_key_from_jwk(huge, &key, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	json_auto_t *private = rsa_jwk(2048, true, "AQAB");
	json_object_set_new(private, "qi", json_string("AQ"));
	assert_int_equal(ssf_key_from_jwk(private, &key, &err), -1);
	support_assert_err(&err, SSF_E_KEY, "qi", "private member");
}

static void key_sets(void **state)
{
	ssf_auto(ssf_key) a = support_key(SSF_ALG_ES256);
	ssf_auto(ssf_key) b = support_key(SSF_ALG_ES256);
	json_auto_t *doc = json_pack("{s:[o, o, {s:s}, {s:s, s:s}, {}, o]}", "keys",
				     ssf_key_to_jwk(a), ssf_key_to_jwk(b), "kty", "OKP",
				     "kty", "oct", "k", "AAAA", rsa_jwk(1024, true, "AQAB"));
	ssf_auto(ssf_jwks) set = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_jwks_parse(doc, &set, &err), 0);
	assert_int_equal(ssf_jwks_count(set), 2); /* the useless four are skipped */
	struct ssf_key *found = ssf_jwks_find(set, ssf_str_c(ssf_key_kid(b)), SSF_ALG_ES256);
	assert_string_equal(ssf_key_kid(found), ssf_key_kid(b));
	assert_null(ssf_jwks_find(set, ssf_str_c(ssf_key_kid(b)), SSF_ALG_RS256));
	assert_null(ssf_jwks_find(set, ssf_str_c(ssf_key_kid(b)), SSF_ALG_NONE));
	assert_null(ssf_jwks_find(set, SSF_STR("other"), SSF_ALG_ES256));
	assert_null(ssf_jwks_find(set, SSF_STR(""), SSF_ALG_ES256)); /* two to choose from */

	json_auto_t *single = json_pack("{s:[o]}", "keys", ssf_key_to_jwk(a));
	ssf_auto(ssf_jwks) one = NULL;
	assert_int_equal(ssf_jwks_parse(single, &one, &err), 0);
	assert_non_null(ssf_jwks_find(one, SSF_STR(""), SSF_ALG_ES256));
	assert_null(ssf_jwks_find(one, SSF_STR(""), SSF_ALG_RS256));
}

static void refuses_key_sets(void **state)
{
	static const char *const bad[] = { "[]", "{}", "{\"keys\":{}}", "{\"keys\":[1]}",
					   "{\"keys\":\"x\"}", "{\"keys\":[[]]}" };
	struct ssf_err err;
	struct ssf_jwks *set;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++) {
		json_auto_t *doc = support_json(bad[i]);
		assert_int_equal(ssf_jwks_parse(doc, &set, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	json_auto_t *many = json_pack("{s:[]}", "keys");
	for (int i = 0; i < 65; i++)
		json_array_append_new(json_object_get(many, "keys"), json_object());
	assert_int_equal(ssf_jwks_parse(many, &set, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	ssf_jwks_free(NULL);
}

typedef int pem_writer(BIO *bio, EVP_PKEY *pkey);

static int write_public(BIO *bio, EVP_PKEY *pkey)
{
	return PEM_write_bio_PUBKEY(bio, pkey);
}

static int write_traditional(BIO *bio, EVP_PKEY *pkey)
{
	return PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL);
}

static int write_encrypted(BIO *bio, EVP_PKEY *pkey)
{
	return PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
}

static int write_pkcs8(BIO *bio, EVP_PKEY *pkey)
{
	return PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
}

static int read_back(EVP_PKEY *pkey, pem_writer *write, struct ssf_key **key, struct ssf_err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	assert_non_null(pkey);
	assert_int_equal(write(bio, pkey), 1);
	long len = BIO_get_mem_data(bio, &text);
	int r = ssf_key_from_pem((struct ssf_str){ text, (size_t)len }, "a kid", key, err);
	BIO_free(bio);
	return r;
}

static void pem_files(void **state)
{
	static const struct {
		pem_writer *write;
		bool good;
		bool private;
	} forms[] = {
		{ write_public, true, false },
		{ write_pkcs8, true, true },
		{ write_traditional, false, false },
		{ write_encrypted, false, false },
	};
	ssf_auto(ssf_key) fresh = support_key(SSF_ALG_ES256);
	struct ssf_err err;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(forms); i++) {
		ssf_auto(ssf_key) key = NULL;
		int r = read_back(ssf_key_pkey(fresh), forms[i].write, &key, &err);
		assert_int_equal(r, forms[i].good ? 0 : -1);
		if (!forms[i].good)
			continue;
		assert_string_equal(ssf_key_kid(key), "a kid");
		assert_int_equal(ssf_key_is_private(key), forms[i].private);
	}
}

static void refuses_pem(void **state)
{
	static const char *const bad[] = {
		"", "-----BEGIN PUBLIC KEY-----\n", "no pem at all\n",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	};
	struct ssf_err err;
	struct ssf_key *key = NULL;

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++) {
		assert_int_equal(ssf_key_from_pem(ssf_str_c(bad[i]), NULL, &key, &err), -1);
		assert_int_equal(err.code, SSF_E_KEY);
	}
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_int_equal(read_back(weak, write_pkcs8, &key, &err), -1);
	support_assert_err(&err, SSF_E_KEY, "modulus", "RSA 1024");
	assert_int_equal(read_back(p384, write_public, &key, &err), -1);
	support_assert_err(&err, SSF_E_KEY, "P-256", "P-384");
	assert_int_equal(read_back(ed, write_public, &key, &err), -1);
	support_assert_err(&err, SSF_E_KEY, "neither RSA nor EC", "Ed25519");
	EVP_PKEY_free(weak);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(ed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thumbprint_of_rfc7638),
		cmocka_unit_test(key_set_of_rfc7517),
		cmocka_unit_test(new_keys_round_trip),
		cmocka_unit_test(published_jwk_has_no_private_member),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(names_of_algorithms),
		cmocka_unit_test(refuses_ec_and_other_jwk),
		cmocka_unit_test(refuses_rsa_jwk),
		cmocka_unit_test(key_sets),
		cmocka_unit_test(refuses_key_sets),
		cmocka_unit_test(pem_files),
		cmocka_unit_test(refuses_pem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
