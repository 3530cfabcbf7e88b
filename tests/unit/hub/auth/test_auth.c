/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of hub/auth: scopes, JWTs and their claims, client assertions, token requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>

#include "hub/auth/assertion.h"
#include "hub/auth/auth_priv.h"
#include "hub/auth/jwt.h"
#include "hub/auth/oauth_request.h"
#include "hub/auth/scope.h"
#include "lib/ssf/base64url.h"

#define NOW 1800000000

/* --- scopes ------------------------------------------------------------------------------------- */

static void manage_covers_its_parts_and_reading(void **state)
{
	static const enum perm parts[] = { PERM_READ, PERM_CREATE, PERM_UPDATE, PERM_DELETE, PERM_STATUS,
					   PERM_SUBJECTS, PERM_VERIFY, PERM_POLL };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(parts); i++) {
		const char *name = scope_of(parts[i]);
		assert_int_equal(scope_list_perms(name), parts[i]);
		assert_true(scope_list_within(name, scope_list_perms("ssf.manage")));
	}
	assert_int_equal(scope_list_perms("ssf.manage") & PERM_EMIT, 0);
	assert_int_equal(scope_list_perms("openid ssf.read  ssf.manage.poll"), PERM_READ | PERM_POLL);
	assert_int_equal(scope_list_perms("ssf.read.all ssf SSF.READ ssf.manage."), 0);
	assert_int_equal(scope_list_perms(""), 0);
}

static void more_than_allowed_is_refused(void **state)
{
	char list[SCOPE_MAX + 16] = "ssf.read";

	(void)state;
	assert_true(scope_list_within("ssf.read", PERM_READ));
	assert_false(scope_list_within("ssf.read ssf.manage.poll", PERM_READ));
	assert_false(scope_list_within("ssf.read unknown", ~0u));
	assert_false(scope_list_within("", ~0u));
	assert_false(scope_list_within("  ", ~0u));
	while (strlen(list) <= SCOPE_MAX)
		strcat(list, " ");
	assert_false(scope_list_within(list, ~0u));
}

/* --- JWTs ---------------------------------------------------------------------------------------- */

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

/* Plain JWTs by libjwt, others by lib/ssf. */
static void what_was_signed_verifies(void **state)
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

/* The attack that the pinning is for: HS256 with the public key, as text, for a secret. */
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
	/* it does not get as far as libjwt, which would take it */
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	BIO_free(bio);
	ssf_key_free(key);
}

static void the_key_decides_the_algorithm(void **state)
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

static void times(void **state)
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

static void audiences(void **state)
{
	static const char *const ours[] = { "https://hub", "https://hub/token", NULL };
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
		if ((jwt_check_audience(claims, ours, false, &err) == 0) != cases[i].any ||
		    (jwt_check_audience(claims, ours, true, &err) == 0) != cases[i].only)
			fail_msg("%s", cases[i].claims);
		json_decref(claims);
	}
}

/* --- assertions --------------------------------------------------------------------------------------- */

static int check_assertion(const char *text, struct assertion *out)
{
	static const char *const ours[] = { "https://hub", NULL };
	json_t *claims = parse(text);
	struct ssf_err err;
	int r = assertion_check(claims, ours, NOW, out, &err);

	if (r < 0)
		assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	json_decref(claims);
	return r;
}

static void an_assertion_says_all_that_it_has_to(void **state)
{
	static const char *const wrong[] = {
		"{\"iss\":\"c\",\"sub\":\"d\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"\",\"sub\":\"\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://else\",\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":[\"https://hub\",\"https://else\"],\"exp\":1800000060,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1799999000,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1800003661,\"jti\":\"1\"}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1800000060}",
		"{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\",\"exp\":1800000060,\"jti\":1}",
	};
	struct assertion a, b;

	(void)state;
	assert_int_equal(check_assertion("{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\","
					 "\"exp\":1800000060,\"jti\":\"1\"}", &a), 0);
	assert_true(a.remember_until >= NOW + 60);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(wrong); i++) {
		if (check_assertion(wrong[i], &b) == 0)
			fail_msg("%s", wrong[i]);
	}
	/* another client's jti is another one, however the two are cut */
	assert_int_equal(check_assertion("{\"iss\":\"c1\",\"sub\":\"c1\",\"aud\":\"https://hub\","
					 "\"exp\":1800000060,\"jti\":\"1\"}", &a), 0);
	assert_int_equal(check_assertion("{\"iss\":\"c\",\"sub\":\"c\",\"aud\":\"https://hub\","
					 "\"exp\":1800000060,\"jti\":\"11\"}", &b), 0);
	assert_memory_not_equal(a.once, b.once, sizeof(a.once));
}

/* --- requests -------------------------------------------------------------------------------------------- */

static const struct ssf_str form_type = SSF_STR("application/x-www-form-urlencoded");

static void credentials_are_found(void **state)
{
	struct oauth_request r;
	struct ssf_err err;

	(void)state;
	/* id "c:1", secret "p%& +" (both form-encoded before they are put together) */
	assert_int_equal(oauth_request_parse(SSF_STR("Application/X-www-form-urlencoded ; charset=utf-8"),
					     SSF_STR("basic YyUzQTE6cCUyNSUyNislMkI="),
					     SSF_STR("grant_type=client_credentials&scope=ssf.read"), &r, &err),
			 0);
	assert_int_equal(r.method, OAUTH_CLIENT_SECRET_BASIC);
	assert_string_equal(r.client_id, "c:1");
	assert_string_equal(r.client_secret, "p%& +");
	assert_string_equal(r.scope, "ssf.read");
	oauth_request_done(&r);
	assert_int_equal(oauth_request_parse(form_type, SSF_STR(""), SSF_STR("client_id=c&client_secret=s"), &r,
					     &err),
			 0);
	assert_int_equal(r.method, OAUTH_CLIENT_SECRET_POST);
	assert_string_equal(r.client_secret, "s");
	assert_null(r.grant_type);
	oauth_request_done(&r);
	assert_int_equal(oauth_request_parse(form_type, SSF_STR(""),
					     SSF_STR("client_assertion=a.b.c&client_assertion_type="
						     "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"),
					     &r, &err),
			 0);
	assert_int_equal(r.method, OAUTH_PRIVATE_KEY_JWT);
	assert_string_equal(r.assertion, "a.b.c");
	assert_null(r.client_id);
	oauth_request_done(&r);
	assert_int_equal(oauth_request_parse(form_type, SSF_STR(""), SSF_STR("client_id=c"), &r, &err), 0);
	assert_int_equal(r.method, OAUTH_NONE);
	oauth_request_done(&r);
}

static void wrong_requests_are_refused(void **state)
{
	static const struct {
		const char *type, *authorization, *body;
		enum ssf_code code;
	} cases[] = {
		{ "application/json", "", "{}", SSF_E_MALFORMED },
		{ "", "", "grant_type=x", SSF_E_MALFORMED },
		{ NULL, "", "scope=a&scope=b", SSF_E_MALFORMED },
		{ NULL, "Basic Yzpz", "client_secret=s", SSF_E_MALFORMED },
		{ NULL, "Basic Yzpz", "client_id=other", SSF_E_MALFORMED },
		{ NULL, "Basic Yzpz", "client_assertion=a&client_assertion_type=" OAUTH_ASSERTION_TYPE,
		  SSF_E_MALFORMED },
		{ NULL, "", "client_secret=s&client_assertion=a&client_assertion_type=" OAUTH_ASSERTION_TYPE,
		  SSF_E_MALFORMED },
		{ NULL, "", "client_assertion=a", SSF_E_MALFORMED },
		{ NULL, "", "client_assertion_type=" OAUTH_ASSERTION_TYPE, SSF_E_MALFORMED },
		{ NULL, "", "client_assertion=a&client_assertion_type=saml2-bearer", SSF_E_MALFORMED },
		{ NULL, "Bearer abc", "", SSF_E_UNAUTHENTICATED },
		{ NULL, "Basic", "", SSF_E_UNAUTHENTICATED },
		{ NULL, "Basic !!!!", "", SSF_E_UNAUTHENTICATED },
		{ NULL, "Basic Yw==", "", SSF_E_UNAUTHENTICATED },         /* no colon */
		{ NULL, "Basic YyUwMDpz", "", SSF_E_UNAUTHENTICATED },     /* c%00:s */
		{ NULL, "Basic YyU6cw==", "", SSF_E_UNAUTHENTICATED },     /* c%:s */
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct oauth_request r;
		struct ssf_err err = { .code = SSF_OK };
		struct ssf_str type = cases[i].type != NULL ? ssf_str_c(cases[i].type) : form_type;
		if (oauth_request_parse(type, ssf_str_c(cases[i].authorization), ssf_str_c(cases[i].body),
					&r, &err) == 0 ||
		    err.code != cases[i].code)
			fail_msg("%s %s", cases[i].authorization, cases[i].body);
		oauth_request_done(&r);
	}
}

/* --- memory ---------------------------------------------------------------------------------------------- */

/* Whoever takes a key back is believed soon, however long the tokens that it signed have left. */
static void a_token_of_others_is_looked_at_again(void **state)
{
	(void)state;
	assert_int_equal(auth_external_until(NOW, NOW + 30), NOW + 30 + JWT_SKEW_S);
	assert_int_equal(auth_external_until(NOW, NOW + 86400), NOW + 300);
	assert_int_equal(auth_external_until(NOW, INT64_MAX / 2), NOW + 300);
	assert_int_equal(auth_external_until(NOW, NOW - 59), NOW + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manage_covers_its_parts_and_reading),
		cmocka_unit_test(more_than_allowed_is_refused),
		cmocka_unit_test(what_was_signed_verifies),
		cmocka_unit_test(hmac_with_the_public_key_is_refused),
		cmocka_unit_test(the_key_decides_the_algorithm),
		cmocka_unit_test(times),
		cmocka_unit_test(audiences),
		cmocka_unit_test(an_assertion_says_all_that_it_has_to),
		cmocka_unit_test(credentials_are_found),
		cmocka_unit_test(wrong_requests_are_refused),
		cmocka_unit_test(a_token_of_others_is_looked_at_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
