/* SPDX-License-Identifier: Apache-2.0 */
/* Subject matching: the examples of SSF 1.0 section 8.1.3.1, every format, and near misses. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/subject.h"

#include <stdio.h>
#include <string.h>

#define EMAIL(address) "{\"format\":\"email\",\"email\":\"" address "\"}"
#define OPAQUE(id) "{\"format\":\"opaque\",\"id\":\"" id "\"}"
#define DID(url) "{\"format\":\"did\",\"url\":\"" url "\"}"
#define PHONE(number) "{\"format\":\"phone_number\",\"phone_number\":\"" number "\"}"
#define IPS(list) "{\"format\":\"ip-addresses\",\"ip-addresses\":[" list "]}"
#define ALIASES(list) "{\"format\":\"aliases\",\"identifiers\":[" list "]}"
#define COMPLEX(fields) "{\"format\":\"complex\"," fields "}"
#define JDOE "\"user\":" EMAIL("jdoe@example.com")
#define TENANT "\"tenant\":" OPAQUE("example-a38h4792-uw2")

enum covers { NEITHER, FIRST, SECOND, BOTH }; /* which one covers the other */

static const struct example {
	const char *a;
	const char *b;
	bool match;
	enum covers covers;
} examples[] = {
	/* the three of the section: less restrictive, more restrictive, not matching */
	{ COMPLEX(TENANT), COMPLEX(TENANT "," JDOE), true, FIRST },
	{ COMPLEX(JDOE ",\"device\":" IPS("\"10.29.37.75\"")), COMPLEX(JDOE), true, SECOND },
	{ COMPLEX(JDOE ",\"group\":" DID("did:example:123456")),
	  COMPLEX(JDOE ",\"group\":" DID("did:example:9999999")), false, NEITHER },

	/* their neighbours */
	{ COMPLEX("\"tenant\":" OPAQUE("another")), COMPLEX(TENANT "," JDOE), false, NEITHER },
	{ COMPLEX(JDOE ",\"device\":" IPS("\"10.29.37.75\"")),
	  COMPLEX("\"user\":" EMAIL("jane@example.com")), false, NEITHER },
	{ COMPLEX(JDOE ",\"group\":" DID("did:example:123456")),
	  COMPLEX("\"group\":" DID("did:example:123456") "," JDOE), true, BOTH },
	{ COMPLEX(JDOE "," TENANT), COMPLEX(JDOE ",\"group\":" DID("did:example:1")), true, NEITHER },
	{ COMPLEX(JDOE), COMPLEX(TENANT), true, NEITHER },
	{ COMPLEX("\"user\":" OPAQUE("1")), COMPLEX("\"group\":" OPAQUE("1")), true, NEITHER },
	{ COMPLEX("\"user\":" OPAQUE("1")), COMPLEX("\"User\":" OPAQUE("2")), true, NEITHER },
	{ COMPLEX("\"user\":{\"id\":\"1\",\"format\":\"opaque\"}"),
	  COMPLEX("\"user\":" OPAQUE("1")), true, BOTH },

	/* simple subjects: identical, whatever the order of their members */
	{ EMAIL("a@example.com"), "{\"email\":\"a@example.com\",\"format\":\"email\"}", true, BOTH },
	{ EMAIL("a@example.com"), EMAIL("A@example.com"), false, NEITHER },
	{ EMAIL("a@example.com"), EMAIL("a@example.com "), false, NEITHER },
	{ EMAIL("a@example.com"),
	  "{\"format\":\"email\",\"email\":\"a@example.com\",\"more\":\"x\"}", false, NEITHER },
	{ "{\"format\":\"opaque\",\"id\":\"1\",\"n\":1}", "{\"format\":\"opaque\",\"id\":\"1\",\"n\":\"1\"}",
	  false, NEITHER },
	{ "{\"format\":\"uri\",\"uri\":\"acct:a@example.com\"}",
	  "{\"format\":\"account\",\"uri\":\"acct:a@example.com\"}", false, NEITHER },
	{ "{\"format\":\"iss_sub\",\"iss\":\"https://i\",\"sub\":\"1\"}",
	  "{\"format\":\"iss_sub\",\"iss\":\"https://i/\",\"sub\":\"1\"}", false, NEITHER },
	{ "{\"format\":\"jwt_id\",\"iss\":\"https://i\",\"jti\":\"1\"}",
	  "{\"jti\":\"1\",\"iss\":\"https://i\",\"format\":\"jwt_id\"}", true, BOTH },
	{ "{\"format\":\"jwt_id\",\"iss\":\"https://i\",\"jti\":\"1\"}",
	  "{\"format\":\"jwt_id\",\"iss\":\"https://i\",\"jti\":\"2\"}", false, NEITHER },
	{ "{\"format\":\"saml_assertion_id\",\"issuer\":\"i\",\"assertion_id\":\"_8\"}",
	  "{\"format\":\"saml_assertion_id\",\"assertion_id\":\"_8\",\"issuer\":\"i\"}", true, BOTH },
	{ "{\"format\":\"saml_assertion_id\",\"issuer\":\"i\",\"assertion_id\":\"_8\"}",
	  "{\"format\":\"saml_assertion_id\",\"issuer\":\"j\",\"assertion_id\":\"_8\"}", false, NEITHER },
	{ IPS("\"10.0.0.1\",\"::1\""), IPS("\"10.0.0.1\",\"::1\""), true, BOTH },
	{ IPS("\"10.0.0.1\",\"::1\""), IPS("\"::1\",\"10.0.0.1\""), false, NEITHER },
	{ IPS("\"10.0.0.1\",\"::1\""), IPS("\"10.0.0.1\""), false, NEITHER },
	{ "{\"format\":\"catalog_item\",\"catalog_id\":\"1\"}",
	  "{\"format\":\"catalog_item\",\"catalog_id\":\"1\"}", true, BOTH },
	{ "{\"format\":\"catalog_item\",\"catalog_id\":\"1\"}",
	  "{\"format\":\"catalog_item\",\"catalog_id\":\"2\"}", false, NEITHER },

	/* aliases: any identifier */
	{ ALIASES(EMAIL("a@b") "," PHONE("+1")), PHONE("+1"), true, BOTH },
	{ ALIASES(EMAIL("a@b") "," PHONE("+1")), PHONE("+2"), false, NEITHER },
	{ ALIASES(EMAIL("a@b") "," PHONE("+1")), ALIASES(PHONE("+1") "," EMAIL("a@b")), true, BOTH },
	{ ALIASES(EMAIL("a@b") "," PHONE("+1")), ALIASES(OPAQUE("x") "," PHONE("+1")), true, BOTH },
	{ ALIASES(EMAIL("a@b") "," PHONE("+1")), ALIASES(EMAIL("c@b") "," PHONE("+2")), false, NEITHER },

	/* as a field, aliases are a value like any other */
	{ COMPLEX("\"user\":" ALIASES(EMAIL("a@b") "," PHONE("+1"))),
	  COMPLEX("\"user\":" ALIASES(EMAIL("a@b") "," PHONE("+1"))), true, BOTH },
	{ COMPLEX("\"user\":" ALIASES(EMAIL("a@b") "," PHONE("+1"))),
	  COMPLEX("\"user\":" EMAIL("a@b")), false, NEITHER },

	/* simple and complex are never alike */
	{ COMPLEX(JDOE), EMAIL("jdoe@example.com"), false, NEITHER },
	{ COMPLEX("\"user\":" ALIASES(EMAIL("a@b"))), ALIASES(EMAIL("a@b")), false, NEITHER },
};

static void pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(examples); i++) {
		const struct example *e = &examples[i];
		json_auto_t *a = support_json(e->a);
		json_auto_t *b = support_json(e->b);
		struct ssf_err err;

		assert_int_equal(ssf_subject_check(a, &err), 0);
		assert_int_equal(ssf_subject_check(b, &err), 0);
		if (ssf_subject_matches(a, b) != e->match || ssf_subject_matches(b, a) != e->match)
			fail_msg("%s and %s", e->a, e->b);
		if (ssf_subject_covers(a, b) != (e->covers == FIRST || e->covers == BOTH) ||
		    ssf_subject_covers(b, a) != (e->covers == SECOND || e->covers == BOTH))
			fail_msg("covers: %s and %s", e->a, e->b);
	}
}

/* Each example of RFC 9493 section 3.2 matches itself, and no other but as aliases. */
static void formats_of_rfc9493(void **state)
{
	json_auto_t *all = json_array();

	(void)state;
	for (int section = 1; section <= 8; section++) {
		char name[64];
		snprintf(name, sizeof(name), "rfc9493_3.2.%d.json", section);
		json_auto_t *list = support_vector_json(name);
		assert_int_equal(json_array_extend(all, list), 0);
	}
	assert_true(json_array_size(all) >= 8);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *a = json_array_get(all, i);
		json_auto_t *copy = json_deep_copy(a);
		assert_true(ssf_subject_matches(a, copy));

		for (size_t k = 0; k < json_array_size(all); k++) {
			const json_t *b = json_array_get(all, k);
			bool aliases = ssf_subject_has_format(a, "aliases") ||
				       ssf_subject_has_format(b, "aliases");
			if (i != k && !aliases)
				assert_false(ssf_subject_matches(a, b));
		}
	}
	const json_t *aliases = json_array_get(all, json_array_size(all) - 1);
	const json_t *identifiers = json_object_get(aliases, "identifiers");
	assert_true(json_array_size(identifiers) > 0);
	for (size_t i = 0; i < json_array_size(identifiers); i++)
		assert_true(ssf_subject_matches(json_array_get(identifiers, i), aliases));
}

/* One changed character in any string of a subject, and it is another one. */
static void one_character_matters(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(examples); i++) {
		json_auto_t *subject = support_json(examples[i].a);
		json_auto_t *changed = support_json(examples[i].a);
		const char *name;
		json_t *value;

		json_object_foreach(subject, name, value) {
			if (!json_is_string(value))
				continue;
			char text[256];
			snprintf(text, sizeof(text), "%s.", json_string_value(value));
			json_object_set_new(changed, name, json_string(text));
			assert_false(ssf_subject_matches(subject, changed));
			json_object_set(changed, name, value);
			assert_true(ssf_subject_matches(subject, changed));
		}
	}
}

static void has_format(void **state)
{
	json_auto_t *subject = support_json(OPAQUE("1"));
	json_auto_t *none = support_json("{\"id\":\"1\"}");

	(void)state;
	assert_true(ssf_subject_has_format(subject, "opaque"));
	assert_false(ssf_subject_has_format(subject, "opaqu"));
	assert_false(ssf_subject_has_format(none, "opaque"));
	assert_false(ssf_subject_has_format(NULL, "opaque"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs),
		cmocka_unit_test(formats_of_rfc9493),
		cmocka_unit_test(one_character_matters),
		cmocka_unit_test(has_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
