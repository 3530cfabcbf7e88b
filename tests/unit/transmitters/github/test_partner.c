/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ssf/base64url.h"
#include "lib/ssf/json.h"
#include "tests/unit/transmitters/support.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID_V1 "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
#define ID_V2 "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d"
#define ID_V4 "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a"
#define SOME_TOKEN_SHA256 "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a"

static const struct vector {
	const char *name;
	const char *id;
} vectors[] = {
	{ "v1-docs-current", ID_V1 },
	{ "v2-docs-older", ID_V2 },
	{ "v3-docs-source-content", ID_V2 },
	{ "v4-key-not-current", ID_V4 },
};

static void load(const char *name, const char *suffix, struct ssf_buf *out)
{
	char file[128];

	snprintf(file, sizeof(file), "github/partner/%s%s", name, suffix);
	load_vector(file, out);
}

#define TOKENS_MAX 1000
#define REPORT_MAX (4 * 1024 * 1024)

static void keys_done(void **keys)
{
	github_partner_adapter.keys->free(*keys);
}

#define auto_keys __attribute__((cleanup(keys_done))) void

static void *load_keys(void)
{
	void *keys = NULL;
	ssf_auto_buf doc;
	struct ssf_err err;

	load("keys", ".json", &doc);
	assert_int_equal(github_partner_adapter.keys->parse(ssf_buf_str(&doc), &keys, &err), 0);
	return keys;
}

static bool has_key(const void *keys, struct ssf_str id)
{
	const struct test_header headers[] = { { "Github-Public-Key-Identifier", id },
					       { .name = NULL } };
	struct adapter_request r = test_request(headers, SSF_STR(""));

	return github_partner_adapter.keys->has(keys, &r);
}

static int verify(const void *keys, struct ssf_str id, struct ssf_str signature,
		  struct ssf_str body, struct ssf_err *err)
{
	const struct test_header headers[] = { { "Github-Public-Key-Identifier", id },
					       { "Github-Public-Key-Signature", signature },
					       { .name = NULL } };
	struct adapter_request r = test_request(headers, body);
	struct adapter_credentials c = { .keys = keys };

	return github_partner_adapter.authenticate(&r, &c, err);
}

static int map(struct ssf_str body, struct signal_list *list, struct ssf_err *err)
{
	const struct test_header none[] = { { .name = NULL } };
	struct adapter_request r = test_request(none, body);

	return test_map(&github_partner_adapter, &r, list, err);
}

static void assert_refused(const void *keys, const char *id, struct ssf_str signature,
			   struct ssf_str body)
{
	struct ssf_err err = { 0 };

	assert_int_equal(verify(keys, ssf_str_c(id), signature, body, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	assert_int_equal(ERR_peek_error(), 0);
}

static void published_keys_are_read(void **state)
{
	auto_keys *keys = load_keys();

	(void)state;
	assert_true(has_key(keys, SSF_STR(ID_V1)));
	assert_true(has_key(keys, SSF_STR(ID_V2)));
	assert_true(has_key(keys, SSF_STR(ID_V4)));
	assert_false(has_key(keys, SSF_STR("")));
	assert_false(has_key(keys, SSF_STR("bcb53661")));
	assert_int_equal(ERR_peek_error(), 0);
}

/* Every signature over every body with every key: only the pairs that belong together verify. */
static void vectors_verify_and_nothing_else(void **state)
{
	static const char *const ids[] = { ID_V1, ID_V2, ID_V4 };
	auto_keys *keys = load_keys();

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(vectors) * SSF_ARRAY_SIZE(vectors) * 3; i++) {
		const struct vector *signed_by = &vectors[i % 4];
		const struct vector *body_of = &vectors[i / 4 % 4];
		const char *id = ids[i / 16];
		ssf_auto_buf signature;
		ssf_auto_buf body;
		struct ssf_err err;

		load(signed_by->name, ".signature", &signature);
		load(body_of->name, ".body.json", &body);
		if (signed_by == body_of && strcmp(id, signed_by->id) == 0)
			assert_int_equal(verify(keys, ssf_str_c(id),
							       ssf_buf_str(&signature),
							       ssf_buf_str(&body), &err), 0);
		else
			assert_refused(keys, id, ssf_buf_str(&signature), ssf_buf_str(&body));
	}
}

static void changed_bodies_are_refused(void **state)
{
	auto_keys *keys = load_keys();

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(vectors); i++) {
		ssf_auto_buf signature;
		ssf_auto_buf body;

		load(vectors[i].name, ".signature", &signature);
		load(vectors[i].name, ".body.json", &body);
		for (size_t at = 0; at < body.len; at += 20) {
			body.ptr[at] ^= 1;
			assert_refused(keys, vectors[i].id, ssf_buf_str(&signature),
				       ssf_buf_str(&body));
			body.ptr[at] ^= 1;
		}
		assert_refused(keys, vectors[i].id, ssf_buf_str(&signature),
			       (struct ssf_str){ body.ptr, body.len - 1 });
		assert_refused(keys, vectors[i].id, ssf_buf_str(&signature), SSF_STR(""));
		assert_int_equal(ssf_buf_addc(&body, '\n'), 0);
		assert_refused(keys, vectors[i].id, ssf_buf_str(&signature), ssf_buf_str(&body));
	}
}

static void unknown_key_ids_are_refused(void **state)
{
	static const char *const ids[] = {
		"", "00", "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518",
		ID_V1 " ", "BCB53661C06B4728E59D897FB6165D5C9CDA0FD9CDF9D09EAD458168DEB7518C",
	};
	auto_keys *keys = load_keys();
	ssf_auto_buf signature;
	ssf_auto_buf body;

	(void)state;
	load("v1-docs-current", ".signature", &signature);
	load("v1-docs-current", ".body.json", &body);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(ids); i++)
		assert_refused(keys, ids[i], ssf_buf_str(&signature), ssf_buf_str(&body));
}

#define A64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void malformed_signatures_are_refused(void **state)
{
	static const struct {
		const char *what;
		const char *signature;
	} cases[] = {
		{ "missing", "" },
		{ "not base64", "%%%%" },
		{ "URL alphabet of a good one",
		  "MEUCIFLZzeK--IhS-y276SRk2Pe5LfDrfvTXu6iwKKcFGCrv"
		  "AiEAhHN2kDOhy2I6eGkOFmxNkOJ-L2y8oQ9A2T9GGJo6WJY=" },
		{ "good one without padding",
		  "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrv"
		  "AiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY" },
		{ "good one with a blank before",
		  " MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCr"
		  "vAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=" },
		{ "truncated DER",
		  "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrv"
		  "AiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6" },
		{ "r = 0, s = 0", "MAYCAQACAQA=" },
		{ "r = 0, s = 1", "MAYCAQACAQE=" },
		{ "r = 1, s = 0", "MAYCAQECAQA=" },
		{ "r = 1, s = 1", "MAYCAQECAQE=" },
		{ "empty sequence", "MAA=" },
		{ "r and s without DER",
		  "UtnN4r74iFL7LbvpJGTY97kt8Ot+9Ne7qLAopwUYKu+Ec3aQ"
		  "M6HLYjp4aQ4WbE2Q4n4vbLyhD0DZP0YYmjpYlg==" },
		{ "longer than any signature", A64 A64 },
	};
	auto_keys *keys = load_keys();
	ssf_auto_buf body;

	(void)state;
	load("v2-docs-older", ".body.json", &body);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err = { 0 };

		if (verify(keys, SSF_STR(ID_V2), ssf_str_c(cases[i].signature),
					  ssf_buf_str(&body), &err) == 0 ||
		    err.code != SSF_E_UNAUTHENTICATED || ERR_peek_error() != 0)
			fail_msg("%s: code %d", cases[i].what, err.code);
	}
}

/* One DER, one spelling: bytes behind it or non-minimal lengths do not verify. */
static void respelled_der_is_refused(void **state)
{
	auto_keys *keys = load_keys();
	ssf_auto_buf signature;
	ssf_auto_buf der;
	ssf_auto_buf longer;
	ssf_auto_buf text;
	ssf_auto_buf body;
	struct ssf_err err;

	(void)state;
	load("v2-docs-older", ".signature", &signature);
	load("v2-docs-older", ".body.json", &body);
	ssf_buf_init(&der, 128);
	ssf_buf_init(&longer, 128);
	ssf_buf_init(&text, 256);
	assert_int_equal(ssf_base64_decode(ssf_buf_str(&signature), &der, &err), 0);

	assert_int_equal(ssf_buf_addc(&der, '\0'), 0);
	assert_int_equal(ssf_base64_encode(ssf_buf_str(&der), &text), 0);
	assert_refused(keys, ID_V2, ssf_buf_str(&text), ssf_buf_str(&body));

	ssf_buf_reset(&text);
	assert_int_equal(ssf_buf_add(&longer, "\x30\x81", 2), 0); /* long form of a short length */
	assert_int_equal(ssf_buf_add(&longer, der.ptr + 1, der.len - 2), 0);
	assert_int_equal(ssf_base64_encode(ssf_buf_str(&longer), &text), 0);
	assert_refused(keys, ID_V2, ssf_buf_str(&text), ssf_buf_str(&body));
}

#define P256 "-----BEGIN PUBLIC KEY-----\\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\\n" \
	"AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\\n" \
	"-----END PUBLIC KEY-----\\n"
#define P384 "-----BEGIN PUBLIC KEY-----\\n" \
	"MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE0L6wNvWCujChUvRqYVPRjUtYgyl+/qX3\\n" \
	"+aY8DQQuwqUuE6CeN9y2JHsoB2OLAtZSk7JBdyHZ76eAUOkVyqt/tRVC08BfeRqe\\n" \
	"merudPjVvkYeUoBHXsmw32s9D6pfbTWp\\n" \
	"-----END PUBLIC KEY-----\\n"
#define ED25519 "-----BEGIN PUBLIC KEY-----\\n" \
	"MCowBQYDK2VwAyEAJXL+ptofUIpC5eesAQfsERS5qS7J9+SouVWMrDROSXk=\\n" \
	"-----END PUBLIC KEY-----\\n"
#define OFF_CURVE "-----BEGIN PUBLIC KEY-----\\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\\n" \
	"AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFWA==\\n" \
	"-----END PUBLIC KEY-----\\n"
#define PRIVATE "-----BEGIN PRIVATE KEY-----\\n" \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghN1/s119I2+ph9e7\\n" \
	"O5zdFyJNNY6KaBWAqFaLsvHvVuihRANCAAQ84MKywk4ogEER0MqrsKqoBuaGcXR7\\n" \
	"jqxchXf5CSZhV4cYylqil9i8ac8xQW0JoikGcAurllQEIAZ9dRJ/AepV\\n" \
	"-----END PRIVATE KEY-----\\n"
#define ENCRYPTED "-----BEGIN PUBLIC KEY-----\\nProc-Type: 4,ENCRYPTED\\n" \
	"DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\\n\\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\\n" \
	"-----END PUBLIC KEY-----\\n"
#define ONE(id, pem) "{\"public_keys\":[{\"key_identifier\":" id ",\"key\":\"" pem "\"}]}"

static void key_documents(void **state)
{
	static const struct {
		const char *doc;
		enum ssf_code code;
	} cases[] = {
		{ ONE("\"a\"", P256), SSF_OK },
		{ "{\"public_keys\":[{\"key_identifier\":\"a\",\"key\":\"" P256 "\","
		  "\"is_current\":false,\"of_tomorrow\":{}}],\"more\":1}", SSF_OK },
		{ "", SSF_E_MALFORMED },
		{ "{}", SSF_E_MALFORMED },
		{ "[]", SSF_E_MALFORMED },
		{ "{\"public_keys\":{}}", SSF_E_MALFORMED },
		{ "{\"public_keys\":[]}", SSF_E_MALFORMED },
		{ "{\"public_keys\":[null]}", SSF_E_MALFORMED },
		{ "{\"public_keys\":[{\"key_identifier\":\"a\"}]}", SSF_E_MALFORMED },
		{ "{\"public_keys\":[{\"key\":\"" P256 "\"}]}", SSF_E_MALFORMED },
		{ ONE("\"\"", P256), SSF_E_MALFORMED },
		{ ONE("7", P256), SSF_E_MALFORMED },
		{ ONE("\"" ID_V1 ID_V1 "a\"", P256), SSF_E_MALFORMED },
		{ ONE("\"a\"", ""), SSF_E_MALFORMED },
		{ ONE("\"a\"", "no PEM"), SSF_E_MALFORMED },
		{ ONE("\"a\"", P384), SSF_E_MALFORMED },
		{ ONE("\"a\"", ED25519), SSF_E_MALFORMED },
		{ ONE("\"a\"", OFF_CURVE), SSF_E_MALFORMED },
		{ ONE("\"a\"", PRIVATE), SSF_E_MALFORMED },
		{ ONE("\"a\"", ENCRYPTED), SSF_E_MALFORMED },
		{ "{\"public_keys\":[{\"key_identifier\":\"a\",\"key\":\"" P256 "\"},"
		  "{\"key_identifier\":\"a\",\"key\":\"" P256 "\"}]}", SSF_E_MALFORMED },
		{ "{\"public_keys\":[{\"key_identifier\":\"a\",\"key\":\"" P256 "\"},"
		  "{\"key_identifier\":\"b\",\"key\":\"\"}]}", SSF_E_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		auto_keys *keys = NULL;
		struct ssf_err err = { 0 };

		int r = github_partner_adapter.keys->parse(ssf_str_c(cases[i].doc), &keys, &err);
		if (r != (cases[i].code == SSF_OK ? 0 : -1) || err.code != cases[i].code)
			fail_msg("%s: %d %s", cases[i].doc, r, err.msg);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void key_documents_hold_at_most_64(void **state)
{
	(void)state;
	for (unsigned count = 64; count <= 65; count++) {
		auto_keys *keys = NULL;
		ssf_auto_buf doc;
		struct ssf_err err = { 0 };

		ssf_buf_init(&doc, 65536);
		ssf_buf_adds(&doc, "{\"public_keys\":[");
		for (unsigned i = 0; i < count; i++)
			ssf_buf_addf(&doc, "%s{\"key_identifier\":\"k%u\",\"key\":\"%s\"}",
				     i > 0 ? "," : "", i, P256);
		ssf_buf_adds(&doc, "]}");
		int r = github_partner_adapter.keys->parse(ssf_buf_str(&doc), &keys, &err);
		assert_int_equal(r, count == 64 ? 0 : -1);
		assert_int_equal(err.code, count == 64 ? SSF_OK : SSF_E_LIMIT);
	}
}

#define LEAK "\"provider\":\"github\",\"via\":\"partner\""
#define SOME LEAK ",\"secret_type\":\"some_type\",\"fingerprint\":\"" SOME_TOKEN_SHA256 "\""

static void vectors_become_signals(void **state)
{
	static const struct {
		const char *name;
		const char *id;
		const char *token;
		const char *detail;
	} cases[] = {
		{ "v1-docs-current",
		  "081d6426ede274cf582e232fb9f33488d9cc844895f82647a1c06f6806e09e4d.0",
		  "some_token",
		  "{" SOME ",\"url\":\"https://example.com/base-repo-url/\","
		  "\"source\":\"commit\"}" },
		{ "v2-docs-older",
		  "85d638705cee8958b9c562da0a52aad354b223a580b9b103c554787133d09a0a.0",
		  "some_token",
		  "{" SOME ",\"url\":\"some_url\",\"source\":\"some_source\"}" },
		{ "v3-docs-source-content",
		  "eb7f831fc148479fc303a3dea791ad956dd99036f4cba41835ba35cc722926cc.0",
		  "NMIfyYncKcRALEXAMPLE",
		  "{" LEAK ",\"secret_type\":\"mycompany_api_token\",\"source\":\"content\","
		  "\"fingerprint\":"
		  "\"96ff7c92fefc926b4aa322510544a062d154eec069ea35a51e3f60948f2c59fa\","
		  "\"url\":\"https://github.com/octocat/Hello-World/blob/"
		  "12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt\"}" },
		{ "v4-key-not-current",
		  "0e23d46fa8a92b55c6741b30b252cc2d303256252922ce54f009c906a703f447.0",
		  "some_token",
		  "{" SOME ",\"url\":\"some_url\"}" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct signal_list list;
		ssf_auto_buf body;
		struct ssf_err err;
		char hex[SSF_SHA256_HEX];

		load(cases[i].name, ".body.json", &body);
		signal_list_init(&list, 10);
		watch_frees(cases[i].token);
		assert_int_equal(map(ssf_buf_str(&body), &list, &err), 0);
		assert_int_equal(list.count, 1);
		const struct signal *s = &list.items[0];
		assert_string_equal(s->type, "secret.leaked");
		assert_string_equal(s->id, cases[i].id);
		assert_false(s->needs_lookup);
		assert_true(s->has_fingerprint);
		ssf_hex(s->fingerprint, sizeof(s->fingerprint), hex);
		const json_t *shown = json_object_get(s->detail, "fingerprint");
		assert_string_equal(hex, json_string_value(shown));
		signal_list_done(&list);
		assert_int_equal(unwatch_frees(), 0);

		signal_list_init(&list, 10);
		assert_int_equal(map(ssf_buf_str(&body), &list, &err), 0);
		assert_json(list.items[0].detail, cases[i].detail);
		ssf_auto_free char *text = ssf_json_canonical(list.items[0].detail);
		assert_null(strstr(text, cases[i].token));
		signal_list_done(&list);
	}
}

static void the_watch_sees_tokens_that_stay(void **state)
{
	json_t *report;
	ssf_auto_buf body;
	struct ssf_err err;

	(void)state;
	load("v3-docs-source-content", ".body.json", &body);
	watch_frees("NMIfyYncKcRALEXAMPLE");
	assert_int_equal(ssf_json_parse(ssf_buf_str(&body), &ssf_json_default, &report, &err), 0);
	json_decref(report);
	assert_int_equal(unwatch_frees(), 1);
}

static void many_tokens_keep_their_order(void **state)
{
	struct signal_list list;
	struct ssf_err err;
	const char *body =
		"[{\"token\":\"tok-a\",\"type\":\"t0\",\"url\":\"\",\"source\":\"Gist_content\"},"
		"{\"token\":\"tok-b\",\"type\":\"t1\",\"url\":null,\"source\":null},"
		"{\"token\":\"tok-a\",\"type\":\"t2\",\"source\":\"NPM\",\"new\":[]}]";
	static const char *const details[] = {
		"{" LEAK ",\"secret_type\":\"t0\",\"source\":\"gist_content\",\"fingerprint\":"
		"\"4f66a4283f8bc9768c3cb97fd06d267b79315aee941c9c1727b9354509242ffe\"}",
		"{" LEAK ",\"secret_type\":\"t1\",\"fingerprint\":"
		"\"efa1cd32d437a4dd30463a379503cadfb2b13481660f6345110f3bde01f2e773\"}",
		"{" LEAK ",\"secret_type\":\"t2\",\"source\":\"npm\",\"fingerprint\":"
		"\"4f66a4283f8bc9768c3cb97fd06d267b79315aee941c9c1727b9354509242ffe\"}",
	};

	(void)state;
	signal_list_init(&list, 3);
	assert_int_equal(map(ssf_str_c(body), &list, &err), 0);
	assert_int_equal(list.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_json(list.items[i].detail, details[i]);
	assert_int_equal(strlen(list.items[2].id), 66);
	assert_string_equal(list.items[2].id + 64, ".2");
	signal_list_done(&list);
}

static void members_that_quote_the_token_are_dropped(void **state)
{
	struct signal_list list;
	struct ssf_err err;
	const char *body = "[{\"token\":\"acme_3f9c\",\"type\":\"acme_api_token\","
			   "\"url\":\"https://github.com/o/r/blob/main/acme_3f9c.txt\","
			   "\"source\":\"acme_3f9c\",\"note\":\"acme_3f9c\"}]";

	(void)state;
	signal_list_init(&list, 1);
	assert_int_equal(map(ssf_str_c(body), &list, &err), 0);
	assert_json(list.items[0].detail, "{" LEAK ",\"secret_type\":\"acme_api_token\","
		      "\"fingerprint\":"
		      "\"1c0bf6778510c360ad0749385adb678476e9e2946d3040ebd534fb3d8faca409\"}");
	signal_list_done(&list);
}

#define GOOD "{\"token\":\"some_token\",\"type\":\"t\"}"

static void odd_reports_are_refused_whole(void **state)
{
	static const struct {
		const char *body;
		enum ssf_code code;
	} cases[] = {
		{ "[]", SSF_OK },
		{ "", SSF_E_MALFORMED },
		{ "{}", SSF_E_MALFORMED },
		{ GOOD, SSF_E_MALFORMED },
		{ "[" GOOD ",null]", SSF_E_MALFORMED },
		{ "[" GOOD ",[]]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"type\":\"t\"}]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":\"some_token\"}]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":\"\",\"type\":\"t\"}]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":\"some_token\",\"type\":\"\"}]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":7,\"type\":\"t\"}]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":\"some_token\",\"type\":7}]", SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":\"some_token\",\"type\":\"t\",\"url\":7}]",
		  SSF_E_MALFORMED },
		{ "[" GOOD ",{\"token\":\"some_token\",\"type\":\"t\",\"source\":[]}]",
		  SSF_E_MALFORMED },
		{ "[{\"token\":\"a\",\"token\":\"b\",\"type\":\"t\"}]", SSF_E_MALFORMED },
		{ "[{\"token\":\"tok\\u0000\",\"type\":\"t\"}]", SSF_E_MALFORMED },
		{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", SSF_E_LIMIT },
		{ "[" GOOD "," GOOD "," GOOD "]", SSF_E_LIMIT },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct signal_list list;
		struct ssf_err err = { 0 };

		signal_list_init(&list, 2);
		watch_frees("some_token");
		int r = map(ssf_str_c(cases[i].body), &list, &err);
		if (r != (cases[i].code == SSF_OK ? 0 : -1) || err.code != cases[i].code)
			fail_msg("%s: %d %s", cases[i].body, r, err.msg);
		assert_int_equal(list.count, 0);
		assert_null(strstr(err.msg, "some_token"));
		signal_list_done(&list);
		assert_int_equal(unwatch_frees(), 0);
	}
}

static void reports_are_limited_in_tokens(void **state)
{
	(void)state;
	for (unsigned count = TOKENS_MAX; count <= TOKENS_MAX + 1;
	     count++) {
		struct signal_list list;
		ssf_auto_buf body;
		struct ssf_err err = { 0 };

		ssf_buf_init(&body, 1024 * 1024);
		for (unsigned i = 0; i < count; i++)
			ssf_buf_addf(&body, "%c%s", i == 0 ? '[' : ',', GOOD);
		ssf_buf_addc(&body, ']');
		signal_list_init(&list, 2 * TOKENS_MAX);
		int r = map(ssf_buf_str(&body), &list, &err);
		bool fits = count == TOKENS_MAX;
		assert_int_equal(r, fits ? 0 : -1);
		assert_int_equal(err.code, fits ? SSF_OK : SSF_E_LIMIT);
		assert_int_equal(list.count, fits ? count : 0);
		signal_list_done(&list);
	}
}

static void reports_are_limited_in_bytes(void **state)
{
	struct signal_list list;
	ssf_auto_buf body;
	struct ssf_err err;

	(void)state;
	ssf_buf_init(&body, REPORT_MAX + 1);
	ssf_buf_adds(&body, "[]");
	while (body.len <= REPORT_MAX)
		assert_int_equal(ssf_buf_addc(&body, ' '), 0);
	signal_list_init(&list, 1);
	assert_int_equal(map(ssf_buf_str(&body), &list, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	body.len--;
	assert_int_equal(map(ssf_buf_str(&body), &list, &err), 0);
	signal_list_done(&list);
}

static void answers_carry_labels(void **state)
{
	const bool known[] = { true, false };
	json_auto_t *with = json_loads("{\"labels\":true}", 0, NULL);
	json_auto_t *without = json_loads("{\"labels\":false}", 0, NULL);
	struct adapter_reply reply = { .body = SSF_BUF(4096) }, small = { .body = SSF_BUF(10) };
	struct signal_list list;
	struct ssf_err err;

	(void)state;
	signal_list_init(&list, 2);
	struct ssf_str body = SSF_STR("[" GOOD ",{\"token\":\"a\",\"type\":\"u\\\"\"}]");
	assert_int_equal(map(body, &list, &err), 0);
	assert_int_equal(github_partner_adapter.answer(without, &list, known, &reply, &err), 0);
	assert_int_equal(reply.status, 0);
	assert_int_equal(github_partner_adapter.answer(with, &list, known, &reply, &err), 0);
	assert_int_equal(reply.status, 200);
	json_auto_t *got = json_loadb(reply.body.ptr, reply.body.len, 0, NULL);
	assert_json(got, "[{\"token_hash\":\"" SOME_TOKEN_SHA256 "\",\"token_type\":\"t\","
			 "\"label\":\"true_positive\"},{\"token_hash\":"
			 "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\","
			 "\"token_type\":\"u\\\"\",\"label\":\"false_positive\"}]");
	assert_int_equal(github_partner_adapter.answer(with, &list, known, &small, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	signal_list_done(&list);
	ssf_buf_done(&reply.body);
	ssf_buf_done(&small.body);
}

static void unsigned_reports_need_no_keys(void **state)
{
	const struct test_header id = { "Github-Public-Key-Identifier", SSF_STR(ID_V1) };
	const struct test_header signature = { "Github-Public-Key-Signature", SSF_STR("MAA=") };
	const struct test_header only_id[] = { id, { .name = NULL } };
	const struct test_header only_signature[] = { signature, { .name = NULL } };
	const struct test_header both[] = { id, signature, { .name = NULL } };
	struct adapter_request r = test_request(both, SSF_STR("[]"));
	struct ssf_err err;

	(void)state;
	assert_int_equal(github_partner_adapter.keys->check_request(&r, &err), 0);
	r = test_request(only_id, SSF_STR("[]"));
	assert_int_equal(github_partner_adapter.keys->check_request(&r, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	r = test_request(only_signature, SSF_STR("[]"));
	assert_int_equal(github_partner_adapter.keys->check_request(&r, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
}

static void exactly_one_place_of_keys(void **state)
{
	json_auto_t *none = json_pack("{}");
	json_auto_t *url = json_pack("{s:s}", "keys_url", "https://keys.example");
	json_auto_t *file = json_pack("{s:s}", "keys_file", "/keys");
	json_auto_t *two = json_pack("{s:s, s:s}", "keys_file", "/keys", "keys_url", "https://x");
	struct ssf_err err;

	(void)state;
	assert_int_equal(github_partner_adapter.check(url, &err), 0);
	assert_int_equal(github_partner_adapter.check(file, &err), 0);
	assert_int_equal(github_partner_adapter.check(none, &err), -1);
	assert_int_equal(github_partner_adapter.check(two, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_keys_are_read),
		cmocka_unit_test(vectors_verify_and_nothing_else),
		cmocka_unit_test(changed_bodies_are_refused),
		cmocka_unit_test(unknown_key_ids_are_refused),
		cmocka_unit_test(malformed_signatures_are_refused),
		cmocka_unit_test(respelled_der_is_refused),
		cmocka_unit_test(key_documents),
		cmocka_unit_test(key_documents_hold_at_most_64),
		cmocka_unit_test(vectors_become_signals),
		cmocka_unit_test(the_watch_sees_tokens_that_stay),
		cmocka_unit_test(many_tokens_keep_their_order),
		cmocka_unit_test(members_that_quote_the_token_are_dropped),
		cmocka_unit_test(odd_reports_are_refused_whole),
		cmocka_unit_test(reports_are_limited_in_tokens),
		cmocka_unit_test(reports_are_limited_in_bytes),
		cmocka_unit_test(answers_carry_labels),
		cmocka_unit_test(unsigned_reports_need_no_keys),
		cmocka_unit_test(exactly_one_place_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
