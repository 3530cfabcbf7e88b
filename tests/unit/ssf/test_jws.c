/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: vectors of RFC 7515 appendix A, and every token and key that must not go together. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/base64url.h"
#include "lib/ssf/jws.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
	struct ssf_key *rsa;
	struct ssf_key *other_rsa;
	struct ssf_key *ec;
	struct ssf_key *other_ec;
};

static struct fixture keys;

static int make_keys(void **state)
{
	(void)state;
	keys.rsa = support_key(SSF_ALG_RS256);
	keys.other_rsa = support_key(SSF_ALG_RS256);
	keys.ec = support_key(SSF_ALG_ES256);
	keys.other_ec = support_key(SSF_ALG_ES256);
	return 0;
}

static int drop_keys(void **state)
{
	(void)state;
	ssf_key_free(keys.rsa);
	ssf_key_free(keys.other_rsa);
	ssf_key_free(keys.ec);
	ssf_key_free(keys.other_ec);
	return 0;
}

/* Parses and verifies; the code of the first failure. */
static enum ssf_code verdict(struct ssf_str token, const struct ssf_key *key)
{
	struct ssf_err err;
	struct ssf_jws jws;

	if (ssf_jws_parse(token, &jws, &err) < 0)
		return err.code;
	int r = ssf_jws_verify(&jws, key, &err);
	ssf_jws_done(&jws);
	return r == 0 ? SSF_OK : err.code;
}

static struct ssf_key *vector_key(const char *name)
{
	json_auto_t *jwk = support_vector_json(name);
	struct ssf_key *key;
	struct ssf_err err;

	assert_int_equal(ssf_key_from_jwk(jwk, &key, &err), 0);
	return key;
}

static void vectors_of_rfc7515(void **state)
{
	ssf_auto(ssf_key) rsa = vector_key("rfc7515_A.2.jwk");
	ssf_auto(ssf_key) ec = vector_key("rfc7515_A.3.jwk");
	ssf_auto_free char *hs256 = support_vector("rfc7515_A.1.jws");
	ssf_auto_free char *rs256 = support_vector("rfc7515_A.2.jws");
	ssf_auto_free char *es256 = support_vector("rfc7515_A.3.jws");
	ssf_auto_free char *none = support_vector("rfc7515_A.5.jws");

	(void)state;
	assert_int_equal(verdict(ssf_str_c(rs256), rsa), SSF_OK);
	assert_int_equal(verdict(ssf_str_c(es256), ec), SSF_OK);
	assert_int_equal(verdict(ssf_str_c(rs256), ec), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(es256), rsa), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(rs256), keys.rsa), SSF_E_SIGNATURE);
	assert_int_equal(verdict(ssf_str_c(es256), keys.ec), SSF_E_SIGNATURE);
	assert_int_equal(verdict(ssf_str_c(hs256), rsa), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(none), rsa), SSF_E_KEY);
}

static void parts_of_a_token(void **state)
{
	ssf_auto_free char *token = support_vector("rfc7515_A.2.jws");
	struct ssf_err err;
	struct ssf_jws jws;

	(void)state;
	assert_int_equal(ssf_jws_parse(ssf_str_c(token), &jws, &err), 0);
	assert_int_equal(jws.alg, SSF_ALG_RS256);
	assert_null(jws.typ);
	assert_null(jws.kid);
	assert_int_equal(jws.signature.len, 256);
	assert_int_equal(jws.signing_input.len, strrchr(token, '.') - token);
	assert_string_equal(jws.payload.ptr, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
					     "\"http://example.com/is_root\":true}");
	ssf_jws_done(&jws);
	ssf_jws_done(&jws);
}

static void every_wrong_key_is_refused(void **state)
{
	struct ssf_key *const all[] = { keys.rsa, keys.other_rsa, keys.ec, keys.other_ec };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(all); i++) {
		struct ssf_err err;
		ssf_auto_buf token;

		ssf_buf_init(&token, 4096);
		assert_int_equal(ssf_jws_sign(all[i], "JWT", SSF_STR("{}"), &token, &err), 0);
		for (size_t k = 0; k < SSF_ARRAY_SIZE(all); k++) {
			ssf_auto(ssf_key) public = support_public(all[k]);
			enum ssf_code wanted = SSF_E_SIGNATURE;
			if (i == k)
				wanted = SSF_OK;
			else if (ssf_key_alg(all[i]) != ssf_key_alg(all[k]))
				wanted = SSF_E_KEY;
			assert_int_equal(verdict(ssf_buf_str(&token), public), wanted);
		}
	}
}

static void header_is_alg_kid_typ(void **state)
{
	struct ssf_err err;
	ssf_auto_buf token;
	ssf_auto_buf header;
	ssf_auto_buf wanted;

	(void)state;
	ssf_buf_init(&token, 4096);
	ssf_buf_init(&header, 4096);
	ssf_buf_init(&wanted, 4096);
	assert_int_equal(ssf_jws_sign(keys.ec, "secevent+jwt", SSF_STR("{}"), &token, &err), 0);
	size_t len = strcspn(token.ptr, ".");
	assert_int_equal(ssf_base64url_decode((struct ssf_str){ token.ptr, len }, &header, &err), 0);
	ssf_buf_addf(&wanted, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"secevent+jwt\"}",
		     ssf_key_kid(keys.ec));
	assert_string_equal(header.ptr, wanted.ptr);
}

static void appends_or_leaves_alone(void **state)
{
	static char large[SSF_JWS_MAX + 1];
	ssf_auto(ssf_key) public = support_public(keys.ec);
	struct ssf_err err;
	ssf_auto_buf out;

	(void)state;
	ssf_buf_init(&out, SSF_JWS_MAX + 4);
	ssf_buf_adds(&out, "pre.");
	assert_int_equal(ssf_jws_sign(public, "JWT", SSF_STR("{}"), &out, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	assert_int_equal(ssf_jws_sign(keys.ec, "JWT", (struct ssf_str){ large, sizeof(large) },
				      &out, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_int_equal(ssf_jws_sign(keys.ec, "JWT", (struct ssf_str){ large, SSF_JWS_MAX }, &out,
				      &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_string_equal(out.ptr, "pre.");
	assert_int_equal(ssf_jws_sign(keys.ec, NULL, SSF_STR("{}"), &out, &err), 0);
	assert_int_equal(verdict((struct ssf_str){ out.ptr + 4, out.len - 4 }, keys.ec), SSF_OK);
	ssf_auto_buf small;
	ssf_buf_init(&small, 16);
	assert_int_equal(ssf_jws_sign(keys.ec, NULL, SSF_STR("{}"), &small, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
}

static void one_changed_bit_is_noticed(void **state)
{
	struct ssf_key *const both[] = { keys.rsa, keys.ec };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(both); i++) {
		struct ssf_err err;
		ssf_auto_buf token;

		ssf_buf_init(&token, 4096);
		assert_int_equal(ssf_jws_sign(both[i], "JWT", SSF_STR("{\"a\":1}"), &token, &err),
				 0);
		for (size_t at = 0; at < token.len; at++) {
			char before = token.ptr[at];
			token.ptr[at] = before == 'A' ? 'B' : 'A';
			assert_int_not_equal(verdict(ssf_buf_str(&token), both[i]), SSF_OK);
			token.ptr[at] = before;
		}
		assert_int_equal(verdict(ssf_buf_str(&token), both[i]), SSF_OK);
	}
}

/* The signature is good in each case: only the header is at fault. */
static void refuses_headers(void **state)
{
	static const struct {
		const char *header;
		enum ssf_code code;
		const char *part;
	} cases[] = {
		{ "{\"alg\":\"RS256\",\"alg\":\"RS256\"}", SSF_E_MALFORMED, "twice" },
		{ "{\"alg\":\"RS256\",\"\\u0061lg\":\"none\"}", SSF_E_MALFORMED, "twice" },
		{ "{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"b\"}", SSF_E_MALFORMED, "twice" },
		{ "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", SSF_E_MALFORMED, "crit" },
		{ "{\"alg\":\"RS256\",\"crit\":[]}", SSF_E_MALFORMED, "crit" },
		{ "{\"alg\":\"RS256\",\"crit\":null}", SSF_E_MALFORMED, "crit" },
		{ "{\"alg\":\"RS256\",\"b64\":true}", SSF_E_MALFORMED, "b64" },
		{ "{\"alg\":\"RS256\",\"b64\":false}", SSF_E_MALFORMED, "b64" },
		{ "{\"alg\":\"RS256\",\"typ\":1}", SSF_E_MALFORMED, "typ" },
		{ "{\"alg\":\"RS256\",\"kid\":[\"a\"]}", SSF_E_MALFORMED, "kid" },
		{ "{\"alg\":[\"RS256\"]}", SSF_E_MALFORMED, "alg" },
		{ "{\"alg\":null}", SSF_E_KEY, "alg" },
		{ "{}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"none\"}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"nOnE\"}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"\"}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"HS256\"}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"PS256\"}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"RS512\"}", SSF_E_KEY, "alg" },
		{ "{\"alg\":\"rs256\"}", SSF_E_KEY, "alg" },
		{ "[\"alg\",\"RS256\"]", SSF_E_MALFORMED, "object" },
		{ "\"RS256\"", SSF_E_MALFORMED, "JSON" },
		{ "{\"alg\":\"RS256\"} ", SSF_OK, "" },
		{ "{\"alg\":\"RS256\"}x", SSF_E_MALFORMED, "JSON" },
		{ "{\"alg\":\"RS256\",\"x\":[[[[[[[[1]]]]]]]]}", SSF_E_LIMIT, "deeper" },
		{ "", SSF_E_MALFORMED, "header" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_free char *token = support_token(cases[i].header, "{}", keys.rsa);
		struct ssf_err err = { 0 };
		struct ssf_jws jws = { 0 };

		int r = ssf_jws_parse(ssf_str_c(token), &jws, &err);
		if ((r == 0) != (cases[i].code == SSF_OK))
			fail_msg("%s: %d %s", cases[i].header, r, err.msg);
		if (r < 0)
			support_assert_err(&err, cases[i].code, cases[i].part, cases[i].header);
		ssf_jws_done(&jws);
	}
}

/* The classic: an HMAC keyed with the public key, in the hope that it is used as the secret. */
static void public_key_is_no_hmac_secret(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, ssf_key_pkey(keys.rsa)), 1);
	long len = BIO_get_mem_data(bio, &text);
	ssf_auto_free char *pem = ssf_str_dup((struct ssf_str){ text, (size_t)len });
	BIO_free(bio);
	ssf_auto_free char *hs256 = support_hmac_token("{\"alg\":\"HS256\"}", "{}", pem);
	ssf_auto_free char *rs256 = support_hmac_token("{\"alg\":\"RS256\"}", "{}", pem);
	ssf_auto_free char *es256 = support_hmac_token("{\"alg\":\"ES256\"}", "{}", pem);
	assert_int_equal(verdict(ssf_str_c(hs256), keys.rsa), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(rs256), keys.rsa), SSF_E_SIGNATURE);
	assert_int_equal(verdict(ssf_str_c(es256), keys.rsa), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(es256), keys.ec), SSF_E_SIGNATURE);
}

/* An RSA signature under an ES256 header, and the header that the verifier might wish for. */
static void header_does_not_choose(void **state)
{
	ssf_auto_free char *es_header = support_token("{\"alg\":\"ES256\"}", "{}", keys.rsa);
	ssf_auto_free char *rs_header = support_token("{\"alg\":\"RS256\"}", "{}", keys.rsa);

	(void)state;
	assert_int_equal(verdict(ssf_str_c(es_header), keys.rsa), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(es_header), keys.ec), SSF_E_SIGNATURE);
	assert_int_equal(verdict(ssf_str_c(rs_header), keys.ec), SSF_E_KEY);
	assert_int_equal(verdict(ssf_str_c(rs_header), keys.rsa), SSF_OK);
	struct ssf_jws nothing = { 0 };
	struct ssf_err err;
	assert_int_equal(ssf_jws_verify(&nothing, keys.rsa, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
}

static void refuses_shapes(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "...", "a", "a.b", "eyJhbGciOiJSUzI1NiJ9",
		"eyJhbGciOiJSUzI1NiJ9.e30", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA",
		"eyJhbGciOiJSUzI1NiJ9.e30.AAAA.", ".eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
		"eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA.AAAA",
		"eyJhbGciOiJSUzI1NiJ9.e30=.AAAA", "eyJhbGciOiJSUzI1NiJ9.e31.AAAA",
		"eyJhbGciOiJSUzI1NiJ9.e30.AAA=", "eyJhbGciOiJSUzI1NiJ9.e30.AAB",
		"eyJhbGciOiJSUzI1NiJ9.e30.AAAA\n", " eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
		"eyJhbGciOiJSUzI1NiJ9. e30.AAAA", "eyJhbGciOiJSUzI1NiJ9.e30.AA+/",
		"eyJhbGciOiJSUzI1NiJ9.e30.A",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++) {
		struct ssf_err err;
		struct ssf_jws jws;
		if (ssf_jws_parse(ssf_str_c(bad[i]), &jws, &err) == 0)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	assert_int_equal(verdict((struct ssf_str){ NULL, 0 }, keys.rsa), SSF_E_MALFORMED);
	assert_int_equal(verdict(SSF_STR("eyJhbGciOiJSUzI1NiJ9.e30."), keys.rsa), SSF_E_SIGNATURE);
	assert_int_equal(verdict(SSF_STR("eyJhbGciOiJFUzI1NiJ9.e30."), keys.ec), SSF_E_SIGNATURE);
}

static void refuses_sizes(void **state)
{
	ssf_auto_free char *payload = malloc(SSF_JWS_MAX + 1);

	(void)state;
	memset(payload, ' ', SSF_JWS_MAX);
	payload[SSF_JWS_MAX] = '\0';
	ssf_auto_free char *token = support_token("{\"alg\":\"RS256\"}", payload, keys.rsa);
	assert_int_equal(verdict(ssf_str_c(token), keys.rsa), SSF_E_LIMIT);
	payload[100000] = '\0';
	ssf_auto_free char *good = support_token("{\"alg\":\"RS256\"}", payload, keys.rsa);
	assert_int_equal(verdict(ssf_str_c(good), keys.rsa), SSF_OK);
	ssf_auto_free char *header = support_token(payload, "{}", keys.rsa);
	assert_int_equal(verdict(ssf_str_c(header), keys.rsa), SSF_E_LIMIT);
}

/* ES256 in DER, cut, extended, zero. */
static void refuses_ec_signatures(void **state)
{
	static const size_t lengths[] = { 1, 32, 63, 65, 70, 72, 96, 128, 1024, 1025 };
	unsigned char zero[1025] = { 0 };
	struct ssf_err err;
	ssf_auto_buf token;

	(void)state;
	ssf_buf_init(&token, 8192);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(lengths); i++) {
		ssf_buf_reset(&token);
		ssf_buf_adds(&token, "eyJhbGciOiJFUzI1NiJ9.e30.");
		ssf_base64url_encode((struct ssf_str){ (char *)zero, lengths[i] }, &token);
		assert_int_equal(verdict(ssf_buf_str(&token), keys.ec),
				 lengths[i] > 1024 ? SSF_E_LIMIT : SSF_E_SIGNATURE);
	}
	ssf_buf_reset(&token);
	ssf_buf_adds(&token, "eyJhbGciOiJFUzI1NiJ9.e30.");
	ssf_base64url_encode((struct ssf_str){ (char *)zero, 64 }, &token);
	assert_int_equal(verdict(ssf_buf_str(&token), keys.ec), SSF_E_SIGNATURE);

	struct ssf_jws jws;
	ssf_buf_reset(&token);
	assert_int_equal(ssf_jws_sign(keys.ec, NULL, SSF_STR("{}"), &token, &err), 0);
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, &err), 0);
	assert_int_equal(jws.signature.len, 64);
	assert_int_equal(ssf_buf_addc(&jws.signature, '\0'), 0);
	assert_int_equal(ssf_jws_verify(&jws, keys.ec, &err), -1);
	assert_int_equal(err.code, SSF_E_SIGNATURE);
	ssf_jws_done(&jws);
}

/* A refused signature must not look like a TLS error of the same thread. */
static void leaves_no_openssl_errors(void **state)
{
	ssf_auto_free char *token = support_vector("rfc7515_A.2.jws");
	struct ssf_key *none = NULL;
	struct ssf_err err;

	(void)state;
	ERR_clear_error();
	assert_int_equal(verdict(ssf_str_c(token), keys.rsa), SSF_E_SIGNATURE);
	assert_int_equal(ssf_key_from_pem(SSF_STR("x"), NULL, &none, &err), -1);
	assert_int_equal(ERR_peek_error(), 0);
	ERR_raise(ERR_LIB_USER, 1);
	assert_int_equal(verdict(ssf_str_c(token), keys.rsa), SSF_E_SIGNATURE);
	assert_int_equal(ERR_GET_LIB(ERR_get_error()), ERR_LIB_USER);
	assert_int_equal(ERR_get_error(), 0);
}

struct signer {
	pthread_t thread;
	struct ssf_key *key;
	int failures;
};

static void *sign_often(void *arg)
{
	struct signer *signer = arg;

	for (int i = 0; i < 20; i++) {
		struct ssf_key *key = ssf_key_ref(signer->key);
		ssf_auto_buf token;

		ssf_buf_init(&token, 4096);
		if (ssf_jws_sign(key, "secevent+jwt", SSF_STR("{}"), &token, NULL) < 0 ||
		    verdict(ssf_buf_str(&token), key) != SSF_OK)
			signer->failures++;
		ssf_key_free(key);
	}
	return NULL;
}

static void signs_in_any_thread(void **state)
{
	struct signer signers[4];

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(signers); i++) {
		signers[i] = (struct signer){ .key = i % 2 == 0 ? keys.rsa : keys.ec };
		assert_int_equal(pthread_create(&signers[i].thread, NULL, sign_often, &signers[i]),
				 0);
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(signers); i++) {
		assert_int_equal(pthread_join(signers[i].thread, NULL), 0);
		assert_int_equal(signers[i].failures, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_rfc7515),
		cmocka_unit_test(parts_of_a_token),
		cmocka_unit_test(every_wrong_key_is_refused),
		cmocka_unit_test(header_is_alg_kid_typ),
		cmocka_unit_test(appends_or_leaves_alone),
		cmocka_unit_test(one_changed_bit_is_noticed),
		cmocka_unit_test(refuses_headers),
		cmocka_unit_test(public_key_is_no_hmac_secret),
		cmocka_unit_test(header_does_not_choose),
		cmocka_unit_test(refuses_shapes),
		cmocka_unit_test(refuses_sizes),
		cmocka_unit_test(refuses_ec_signatures),
		cmocka_unit_test(leaves_no_openssl_errors),
		cmocka_unit_test(signs_in_any_thread),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
