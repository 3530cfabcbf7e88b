/* SPDX-License-Identifier: Apache-2.0 */
/* Security event tokens: examples of the specifications, and each rule broken alone. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/set.h"
#include "lib/ssf/subject.h"

#include <stdio.h>
#include <string.h>

#define REVOKED "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
#define VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification"
#define SUBJECT "\"sub_id\":{\"format\":\"opaque\",\"id\":\"1\"}"
#define EVENTS "\"events\":{\"" REVOKED "\":{}}"
#define HEAD "\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1000"

static const char *const audience[] = { "https://r", "https://r/also", NULL };
static const struct ssf_set_policy policy = {
	.issuer = "https://i",
	.audience = audience,
	.now = 1000,
	.max_skew = 60,
};

static struct ssf_key *ec;
static struct ssf_key *other;
static struct ssf_key *rsa;

static int make_keys(void **state)
{
	(void)state;
	ec = support_key(SSF_ALG_ES256);
	other = support_key(SSF_ALG_ES256);
	rsa = support_key(SSF_ALG_RS256);
	return 0;
}

static int drop_keys(void **state)
{
	(void)state;
	ssf_key_free(ec);
	ssf_key_free(other);
	ssf_key_free(rsa);
	return 0;
}

/* Signs payload with ec, and verifies it with key under rules. */
static int verify(const char *typ, const char *payload, const struct ssf_key *key,
		  const struct ssf_set_policy *rules, struct ssf_set *set, struct ssf_err *err)
{
	ssf_auto_buf token;
	struct ssf_jws jws;

	ssf_buf_init(&token, SSF_JWS_MAX);
	if (ssf_jws_sign(ec, typ, ssf_str_c(payload), &token, err) < 0 ||
	    ssf_jws_parse(ssf_buf_str(&token), &jws, err) < 0)
		fail_msg("%s", err->msg);
	int r = ssf_set_verify(&jws, key, rules, set, err);
	ssf_jws_done(&jws);
	return r;
}

static void accepts_a_good_one(void **state)
{
	struct ssf_err err;
	struct ssf_set set;

	(void)state;
	if (verify("secevent+jwt", "{" HEAD ",\"txn\":\"t\"," SUBJECT "," EVENTS "}", ec, &policy,
		   &set, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(set.iss, "https://i");
	assert_string_equal(set.jti, "j");
	assert_string_equal(set.txn, "t");
	assert_int_equal(set.iat, 1000);
	assert_string_equal(json_string_value(json_object_get(set.sub_id, "id")), "1");
	assert_non_null(json_object_get(set.events, REVOKED));
	ssf_set_done(&set);
	ssf_set_done(&set);
}

static void explicit_typing(void **state)
{
	static const struct {
		const char *typ;
		bool good;
	} cases[] = {
		{ "secevent+jwt", true },
		{ "application/secevent+jwt", true },
		{ "SecEvent+JWT", true },
		{ NULL, false },
		{ "", false },
		{ "JWT", false },
		{ "at+jwt", false },
		{ "logout+jwt", false },
		{ "secevent+jwt2", false },
		{ "text/secevent+jwt", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		struct ssf_set set = { 0 };
		int r = verify(cases[i].typ, "{" HEAD "," SUBJECT "," EVENTS "}", ec, &policy, &set,
			       &err);
		assert_int_equal(r, cases[i].good ? 0 : -1);
		if (r < 0)
			support_assert_err(&err, SSF_E_MALFORMED, "typ", "typ");
		ssf_set_done(&set);
	}
}

static void signature_comes_before_claims(void **state)
{
	struct ssf_err err;
	struct ssf_set set;

	(void)state;
	assert_int_equal(verify("secevent+jwt", "not even JSON", other, &policy, &set, &err), -1);
	assert_int_equal(err.code, SSF_E_SIGNATURE);
	assert_int_equal(verify("secevent+jwt", "not even JSON", rsa, &policy, &set, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	assert_int_equal(verify("secevent+jwt", "not even JSON", ec, &policy, &set, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
}

/* A key set chooses by kid: a token with a kid that is not there has no key. */
static void unknown_kid_has_no_key(void **state)
{
	json_auto_t *doc = json_pack("{s:[o]}", "keys", ssf_key_to_jwk(ec));
	ssf_auto(ssf_jwks) set = NULL;
	ssf_auto_buf token;
	struct ssf_jws jws;
	struct ssf_err err;

	(void)state;
	ssf_buf_init(&token, SSF_JWS_MAX);
	assert_int_equal(ssf_jwks_parse(doc, &set, &err), 0);
	assert_int_equal(ssf_jws_sign(other, SSF_SET_TYP, SSF_STR("{}"), &token, &err), 0);
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, &err), 0);
	assert_null(ssf_jwks_find(set, ssf_str_c(jws.kid), jws.alg));
	assert_non_null(ssf_jwks_find(set, SSF_STR(""), jws.alg));
	ssf_jws_done(&jws);
}

#define LONG_16 "0123456789abcdef"
#define LONG_256 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 \
	LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16
#define REST SUBJECT "," EVENTS "}"
#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

/* code SSF_OK: accepted. */
static const struct {
	const char *payload;
	enum ssf_code code;
	const char *part;
} claims_cases[] = {
	/* iss */
	{ "{\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1," REST, SSF_E_MALFORMED, "iss" },
	{ "{\"iss\":1,\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1," REST, SSF_E_MALFORMED,
	  "iss" },
	{ "{\"iss\":\"https://i/\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1," REST,
	  SSF_E_ISSUER, "iss" },
	{ "{\"iss\":\"HTTPS://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1," REST,
	  SSF_E_ISSUER, "iss" },
	/* aud */
	{ "{\"iss\":\"https://i\",\"jti\":\"j\",\"iat\":1," REST, SSF_E_AUDIENCE, "aud" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://x\",\"jti\":\"j\",\"iat\":1," REST,
	  SSF_E_AUDIENCE, "aud" },
	{ "{\"iss\":\"https://i\",\"aud\":[],\"jti\":\"j\",\"iat\":1," REST, SSF_E_AUDIENCE,
	  "aud" },
	{ "{\"iss\":\"https://i\",\"aud\":[\"https://x\"],\"jti\":\"j\",\"iat\":1," REST,
	  SSF_E_AUDIENCE, "aud" },
	{ "{\"iss\":\"https://i\",\"aud\":[\"https://x\",\"https://r/also\"],\"jti\":\"j\","
	  "\"iat\":1," REST, SSF_OK, "" },
	{ "{\"iss\":\"https://i\",\"aud\":[\"https://r\",1],\"jti\":\"j\",\"iat\":1," REST,
	  SSF_E_MALFORMED, "aud" },
	{ "{\"iss\":\"https://i\",\"aud\":{\"https://r\":1},\"jti\":\"j\",\"iat\":1," REST,
	  SSF_E_MALFORMED, "aud" },
	/* iat */
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\"," REST, SSF_E_MALFORMED,
	  "iat" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":\"1\"," REST,
	  SSF_E_MALFORMED, "iat" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":-1," REST,
	  SSF_E_MALFORMED, "iat" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1060," REST, SSF_OK,
	  "" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1060.0," REST, SSF_OK,
	  "" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1061," REST,
	  SSF_E_MALFORMED, "future" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\",\"iat\":1e300," REST,
	  SSF_E_MALFORMED, "future" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"jti\":\"j\","
	  "\"iat\":9223372036854775807," REST, SSF_E_MALFORMED, "future" },
	/* jti */
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"iat\":1," REST, SSF_E_MALFORMED, "jti" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"iat\":1,\"jti\":\"\"," REST,
	  SSF_E_MALFORMED, "jti" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"iat\":1,\"jti\":7," REST,
	  SSF_E_MALFORMED, "jti" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"iat\":1,\"jti\":\"" LONG_256 "\"," REST,
	  SSF_OK, "" },
	{ "{\"iss\":\"https://i\",\"aud\":\"https://r\",\"iat\":1,\"jti\":\"" LONG_256 "x\"," REST,
	  SSF_E_MALFORMED, "jti" },
	/* what must not be there */
	{ "{" HEAD ",\"exp\":9999999999," REST, SSF_E_MALFORMED, "exp" },
	{ "{" HEAD ",\"exp\":null," REST, SSF_E_MALFORMED, "exp" },
	{ "{" HEAD ",\"sub\":\"jane\"," REST, SSF_E_MALFORMED, "sub" },
	{ "{" HEAD ",\"sub\":null," REST, SSF_E_MALFORMED, "sub" },
	{ "{" HEAD ",\"txn\":7," REST, SSF_E_MALFORMED, "txn" },
	{ "{" HEAD ",\"nbf\":1,\"toe\":1,\"more\":{}," REST, SSF_OK, "" },
	/* sub_id */
	{ "{" HEAD "," EVENTS "}", SSF_E_MALFORMED, "sub_id" },
	{ "{" HEAD ",\"sub_id\":null," EVENTS "}", SSF_E_MALFORMED, "sub_id" },
	{ "{" HEAD ",\"sub_id\":\"jane\"," EVENTS "}", SSF_E_MALFORMED, "sub_id" },
	{ "{" HEAD ",\"sub_id\":{\"format\":\"email\"}," EVENTS "}", SSF_E_MALFORMED,
	  "sub_id: email" },
	{ "{" HEAD ",\"events\":{\"" VERIFICATION "\":{}}}", SSF_OK, "" },
	{ "{" HEAD ",\"events\":{\"" VERIFICATION "\":{},\"" REVOKED "\":{}}}", SSF_E_MALFORMED,
	  "sub_id" },
	/* events */
	{ "{" HEAD "," SUBJECT "}", SSF_E_MALFORMED, "events" },
	{ "{" HEAD "," SUBJECT ",\"events\":{}}", SSF_E_MALFORMED, "events" },
	{ "{" HEAD "," SUBJECT ",\"events\":[\"" REVOKED "\"]}", SSF_E_MALFORMED, "events" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"" REVOKED "\":null}}", SSF_E_MALFORMED, "events" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"" REVOKED "\":{\"reason_admin\":1}}}",
	  SSF_E_MALFORMED, "reason_admin" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"urn:x:unknown\":{\"reason_admin\":1}}}", SSF_OK,
	  "" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"urn:x:unknown\":[]}}", SSF_E_MALFORMED, "events" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"1\":{},\"2\":{},\"3\":{},\"4\":{},\"5\":{},"
	  "\"6\":{},\"7\":{},\"8\":{}}}", SSF_OK, "" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"1\":{},\"2\":{},\"3\":{},\"4\":{},\"5\":{},"
	  "\"6\":{},\"7\":{},\"8\":{},\"9\":{}}}", SSF_E_LIMIT, "events" },
	/* strict JSON */
	{ "{" HEAD ",\"jti\":\"k\"," REST, SSF_E_MALFORMED, "twice" },
	{ "{" HEAD ",\"\\u0069ss\":\"https://evil\"," REST, SSF_E_MALFORMED, "twice" },
	{ "{" HEAD "," SUBJECT ",\"events\":{\"1\":{},\"1\":{}}}", SSF_E_MALFORMED, "twice" },
	{ "{" HEAD ",\"x\":\"\\u0000\"," REST, SSF_E_MALFORMED, "NUL" },
	{ "{" HEAD ",\"x\":" DEEP "," REST, SSF_E_LIMIT, "deeper" },
	{ "[]", SSF_E_MALFORMED, "object" },
	{ "", SSF_E_MALFORMED, "empty" },
};

static void each_rule_broken_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(claims_cases); i++) {
		const char *payload = claims_cases[i].payload;
		struct ssf_err err = { 0 };
		struct ssf_set set = { 0 };
		int r = verify("secevent+jwt", payload, ec, &policy, &set, &err);

		if ((r == 0) != (claims_cases[i].code == SSF_OK))
			fail_msg("%s: %d %s", payload, r, err.msg);
		if (r < 0) {
			support_assert_err(&err, claims_cases[i].code, claims_cases[i].part,
					   payload);
			assert_null(set.claims);
		}
		ssf_set_done(&set);
	}
}

/* Verifies a claims set as the recipient that it names. */
static int verify_as_named(const json_t *claims, struct ssf_err *err)
{
	ssf_auto_free char *payload = json_dumps(claims, JSON_COMPACT);
	const json_t *aud = json_object_get(claims, "aud");
	const json_t *last = json_array_get(aud, json_array_size(aud) - 1);
	const char *mine[] = { json_string_value(json_is_array(aud) ? last : aud), NULL };
	const struct ssf_set_policy named = {
		.issuer = json_string_value(json_object_get(claims, "iss")),
		.audience = mine,
		.now = json_integer_value(json_object_get(claims, "iat")),
	};
	struct ssf_set set = { 0 };

	int r = verify("secevent+jwt", payload, ec, &named, &set, err);
	ssf_set_done(&set);
	return r;
}

static void examples_of_the_specifications(void **state)
{
	static const char *const files[] = {
		"caep_1.0_examples.json", "risc_1.0_examples.json", "ssf_1.0_examples.json"
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(files); i++) {
		json_auto_t *list = support_vector_json(files[i]);
		const json_t *claims;
		size_t k;

		json_array_foreach(list, k, claims) {
			struct ssf_err err;
			if (verify_as_named(claims, &err) < 0)
				fail_msg("%s[%zu]: %s", files[i], k, err.msg);
		}
	}
}

/* RFC 8417 figures: SETs, but SSF 1.0 asks for more; with that added they pass. */
static void figures_of_rfc8417(void **state)
{
	(void)state;
	for (int figure = 1; figure <= 5; figure++) {
		struct ssf_err err;
		char name[64];
		snprintf(name, sizeof(name), "rfc8417_fig%d.json", figure);
		json_auto_t *claims = support_vector_json(name);

		assert_int_equal(verify_as_named(claims, &err), -1);
		support_assert_err(&err, SSF_E_MALFORMED, "sub", name);
		json_object_del(claims, "sub");
		json_object_set_new(claims, "sub_id", ssf_subject_opaque("1"));
		if (verify_as_named(claims, &err) < 0)
			fail_msg("%s: %s", name, err.msg);
	}
	ssf_auto_free char *unsecured = support_vector("rfc8417_fig6.jws");
	struct ssf_jws jws;
	struct ssf_err err;
	assert_int_equal(ssf_jws_parse(ssf_str_c(unsecured), &jws, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
}

static int peek(const char *payload, char *out, size_t out_len, struct ssf_err *err)
{
	ssf_auto_buf token;
	struct ssf_jws jws;

	ssf_buf_init(&token, SSF_JWS_MAX);
	assert_int_equal(ssf_jws_sign(ec, NULL, ssf_str_c(payload), &token, err), 0);
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, err), 0);
	int r = ssf_set_peek_issuer(&jws, out, out_len, err);
	ssf_jws_done(&jws);
	return r;
}

static void peeks_at_the_issuer(void **state)
{
	static const char *const bad[] = { "{}", "{\"iss\":7}", "{\"iss\":\"\"}", "[]", "x",
					   "{\"iss\":\"a\",\"iss\":\"b\"}" };
	struct ssf_err err;
	char iss[10];

	(void)state;
	assert_int_equal(peek("{\"iss\":\"https://i\"}", iss, sizeof(iss), &err), 0);
	assert_string_equal(iss, "https://i");
	assert_int_equal(peek("{\"iss\":\"https://ij\"}", iss, sizeof(iss), &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_string_equal(iss, "https://i");
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++) {
		assert_int_equal(peek(bad[i], iss, sizeof(iss), &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
}

static void composes(void **state)
{
	json_auto_t *subject = support_json("{\"id\":\"1\",\"format\":\"opaque\"}");
	json_auto_t *claims = support_json("{\"reason_admin\":{\"en\":\"x\"},"
					   "\"event_timestamp\":5}");
	struct ssf_set_spec spec = {
		.iss = "https://i", .aud = "https://r", .jti = "j\"", .txn = "t", .iat = 1000,
		.sub_id = subject, .event_uri = REVOKED, .event_claims = claims,
	};
	struct ssf_err err;
	ssf_auto_buf text;

	(void)state;
	ssf_buf_init(&text, 4096);
	assert_int_equal(ssf_set_compose(&spec, &text, &err), 0);
	assert_string_equal(text.ptr,
			    "{\"aud\":\"https://r\",\"jti\":\"j\\\"\",\"events\":{\"" REVOKED "\":"
			    "{\"event_timestamp\":5,\"reason_admin\":{\"en\":\"x\"}}},"
			    "\"iat\":1000,\"iss\":\"https://i\","
			    "\"sub_id\":{\"format\":\"opaque\",\"id\":\"1\"},\"txn\":\"t\"}");
	struct ssf_set set = { 0 };
	assert_int_equal(verify("secevent+jwt", text.ptr, ec, &policy, &set, &err), 0);
	ssf_set_done(&set);

	spec.event_claims = NULL;
	ssf_buf_reset(&text);
	assert_int_equal(ssf_set_compose(&spec, &text, &err), 0);
	assert_non_null(strstr(text.ptr, "{\"" REVOKED "\":{\"reason_admin\":{\"en\":"
					 "\"caep:session-revoked, without a reason given\"}}}"));
}

static void composes_only_complete_ones(void **state)
{
	json_auto_t *subject = ssf_subject_opaque("1");
	const struct ssf_set_spec good = {
		.iss = "i", .aud = "r", .jti = "j", .txn = "t", .sub_id = subject, .event_uri = "e",
	};
	struct ssf_set_spec bad[] = { good, good, good, good, good, good, good };
	struct ssf_err err;
	ssf_auto_buf text;

	(void)state;
	bad[0].iss = NULL;
	bad[1].aud = NULL;
	bad[2].jti = NULL;
	bad[3].txn = NULL;
	bad[4].sub_id = NULL;
	bad[5].event_uri = NULL;
	bad[6].txn = "\xff";
	ssf_buf_init(&text, 4096);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++) {
		assert_int_equal(ssf_set_compose(&bad[i], &text, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
	ssf_auto_buf small;
	ssf_buf_init(&small, 16);
	assert_int_equal(ssf_set_compose(&good, &small, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_a_good_one),
		cmocka_unit_test(explicit_typing),
		cmocka_unit_test(signature_comes_before_claims),
		cmocka_unit_test(unknown_kid_has_no_key),
		cmocka_unit_test(each_rule_broken_alone),
		cmocka_unit_test(examples_of_the_specifications),
		cmocka_unit_test(figures_of_rfc8417),
		cmocka_unit_test(peeks_at_the_issuer),
		cmocka_unit_test(composes),
		cmocka_unit_test(composes_only_complete_ones),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
