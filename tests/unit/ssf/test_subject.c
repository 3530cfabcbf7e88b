/* SPDX-License-Identifier: Apache-2.0 */
/* Subject identifiers: the examples of RFC 9493 section 3.2, and what is incomplete. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/subject.h"

#include <stdio.h>
#include <string.h>

static void examples_of_rfc9493(void **state)
{
	(void)state;
	for (int section = 1; section <= 8; section++) {
		char name[64];
		snprintf(name, sizeof(name), "rfc9493_3.2.%d.json", section);
		json_auto_t *list = support_vector_json(name);
		const json_t *subject;
		size_t i;

		json_array_foreach(list, i, subject) {
			struct ssf_err err;
			if (ssf_subject_check(subject, &err) < 0)
				fail_msg("%s: %s", name, err.msg);
		}
	}
}

/* Each required member of each example, taken away, emptied, and of the wrong type. */
static void examples_made_incomplete(void **state)
{
	(void)state;
	for (int section = 1; section <= 8; section++) {
		char name[64];
		snprintf(name, sizeof(name), "rfc9493_3.2.%d.json", section);
		json_auto_t *list = support_vector_json(name);
		json_t *subject = json_array_get(list, 0);
		json_auto_t *members = json_copy(subject);
		const char *member;
		json_t *value;

		json_object_foreach(members, member, value) {
			struct ssf_err err;
			json_object_del(subject, member);
			assert_int_equal(ssf_subject_check(subject, &err), -1);
			support_assert_err(&err, SSF_E_MALFORMED, member, name);
			json_object_set_new(subject, member, json_string(""));
			assert_int_equal(ssf_subject_check(subject, &err), -1);
			support_assert_err(&err, SSF_E_MALFORMED, member, name);
			json_object_set_new(subject, member, json_integer(1));
			assert_int_equal(ssf_subject_check(subject, &err), -1);
			support_assert_err(&err, SSF_E_MALFORMED, member, name);
			json_object_set_new(subject, member, json_null());
			assert_int_equal(ssf_subject_check(subject, &err), -1);
			json_object_set(subject, member, value);
			assert_int_equal(ssf_subject_check(subject, &err), 0);
		}
	}
}

static void formats_of_ssf(void **state)
{
	static const struct {
		const char *text;
		const char *part; /* NULL: good */
	} cases[] = {
		{ "{\"format\":\"jwt_id\",\"iss\":\"https://i\",\"jti\":\"1\"}", NULL },
		{ "{\"format\":\"jwt_id\",\"iss\":\"https://i\"}", "jti" },
		{ "{\"format\":\"saml_assertion_id\",\"issuer\":\"i\",\"assertion_id\":\"_8\"}",
		  NULL },
		{ "{\"format\":\"saml_assertion_id\",\"issuer\":\"i\"}", "assertion_id" },
		{ "{\"format\":\"ip-addresses\",\"ip-addresses\":[\"10.29.37.75\","
		  "\"2001:0db8:0000:0000:0000:8a2e:0370:7334\"]}", NULL },
		{ "{\"format\":\"ip-addresses\",\"ip-addresses\":[]}", "ip-addresses" },
		{ "{\"format\":\"ip-addresses\"}", "ip-addresses" },
		{ "{\"format\":\"ip-addresses\",\"ip-addresses\":\"10.0.0.1\"}", "ip-addresses" },
		{ "{\"format\":\"ip-addresses\",\"ip-addresses\":[\"10.0.0.256\"]}", "[0]" },
		{ "{\"format\":\"ip-addresses\",\"ip-addresses\":[\"::1\",7]}", "[1]" },
		{ "{\"format\":\"complex\",\"user\":{\"format\":\"email\",\"email\":\"a@b\"},"
		  "\"tenant\":{\"format\":\"iss_sub\",\"iss\":\"https://i\",\"sub\":\"1\"}}",
		  NULL },
		{ "{\"format\":\"complex\",\"robot\":{\"format\":\"opaque\",\"id\":\"1\"}}", NULL },
		{ "{\"format\":\"complex\"}", "without members" },
		{ "{\"format\":\"complex\",\"user\":\"a@b\"}", "user" },
		{ "{\"format\":\"complex\",\"user\":{\"format\":\"email\"}}", "user: email" },
		{ "{\"format\":\"complex\",\"user\":{\"format\":\"complex\","
		  "\"user\":{\"format\":\"opaque\",\"id\":\"1\"}}}", "complex not allowed" },
		{ "{\"format\":\"complex\",\"user\":{\"format\":\"aliases\",\"identifiers\":"
		  "[{\"format\":\"complex\"}]}}", "complex not allowed" },
		{ "{\"format\":\"aliases\",\"identifiers\":[{\"format\":\"aliases\","
		  "\"identifiers\":[{\"format\":\"opaque\",\"id\":\"1\"}]}]}",
		  "aliases not allowed" },
		{ "{\"format\":\"aliases\",\"identifiers\":[]}", "identifiers" },
		{ "{\"format\":\"aliases\",\"identifiers\":[1]}", "identifiers[0]" },
		{ "{\"format\":\"account\",\"uri\":\"https://x\"}", "acct:" },
		{ "{\"format\":\"did\",\"url\":\"https://x\"}", "did:" },
		/* more than the format needs is not ours to judge */
		{ "{\"format\":\"email\",\"email\":\"a@b\",\"verified\":true}", NULL },
		/* formats that we do not know */
		{ "{\"format\":\"catalog_item\",\"catalog_id\":\"c0384/winter/2354122\"}", NULL },
		{ "{\"format\":\"catalog_item\",\"id\":{}}", "id" },
		{ "{\"format\":\"catalog_item\",\"id\":null}", "id" },
		{ "{\"format\":\"\"}", "format" },
		{ "{\"subject_type\":\"iss-sub\",\"iss\":\"i\",\"sub\":\"s\"}", "format" },
		{ "[]", "not an object" },
		{ "{}", "format" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *subject = support_json(cases[i].text);
		struct ssf_err err = { 0 };
		int r = ssf_subject_check(subject, &err);

		if ((r == 0) != (cases[i].part == NULL))
			fail_msg("%s: %s", cases[i].text, err.msg);
		if (r < 0)
			support_assert_err(&err, SSF_E_MALFORMED, cases[i].part, cases[i].text);
	}
	struct ssf_err err;
	assert_int_equal(ssf_subject_check(NULL, &err), -1);
	json_auto_t *text = json_string("user@example.com");
	assert_int_equal(ssf_subject_check(text, &err), -1);
}

static void limits(void **state)
{
	json_auto_t *aliases = json_pack("{s:s, s:[]}", "format", "aliases", "identifiers");
	json_auto_t *complex = json_pack("{s:s}", "format", "complex");
	char large[8 * 1024 + 1];
	struct ssf_err err;

	(void)state;
	for (int i = 0; i < 33; i++) {
		char name[16];
		snprintf(name, sizeof(name), "m%d", i);
		if (i == 32)
			assert_int_equal(ssf_subject_check(aliases, &err), 0);
		if (i == 16)
			assert_int_equal(ssf_subject_check(complex, &err), 0);
		json_array_append_new(json_object_get(aliases, "identifiers"),
				      ssf_subject_opaque(name));
		json_object_set_new(complex, name, ssf_subject_opaque("x"));
	}
	assert_int_equal(ssf_subject_check(aliases, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_int_equal(ssf_subject_check(complex, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);

	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	json_auto_t *huge = ssf_subject_opaque(large);
	assert_int_equal(ssf_subject_check(huge, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	large[8000] = '\0';
	json_auto_t *fits = ssf_subject_opaque(large);
	assert_int_equal(ssf_subject_check(fits, &err), 0);
}

static void equal_subjects_have_equal_keys(void **state)
{
	json_auto_t *a = support_json("{\"format\":\"iss_sub\","
				      "\"iss\":\"https://i\",\"sub\":\"1\"}");
	json_auto_t *b = support_json("{ \"sub\": \"\\u0031\", \"iss\": \"https://i\","
				      "\"format\": \"iss_sub\" }");
	json_auto_t *built = ssf_subject_iss_sub("https://i", "1");
	json_auto_t *other = ssf_subject_iss_sub("https://i", "2");
	uint8_t key_a[SSF_SHA256_LEN];
	uint8_t key[SSF_SHA256_LEN];

	(void)state;
	assert_int_equal(ssf_subject_key(a, key_a), 0);
	assert_int_equal(ssf_subject_key(b, key), 0);
	assert_memory_equal(key, key_a, sizeof(key));
	assert_int_equal(ssf_subject_key(built, key), 0);
	assert_memory_equal(key, key_a, sizeof(key));
	assert_int_equal(ssf_subject_key(other, key), 0);
	assert_memory_not_equal(key, key_a, sizeof(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_rfc9493),
		cmocka_unit_test(examples_made_incomplete),
		cmocka_unit_test(formats_of_ssf),
		cmocka_unit_test(limits),
		cmocka_unit_test(equal_subjects_have_equal_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
