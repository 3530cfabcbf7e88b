/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON, comments, RFC 6901 pointers, typed members. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/json.h"
#include "lib/ssf/json_plain.h"
#include "lib/ssf/json_text.h"

#include <string.h>

static void parses(void **state)
{
	static const char *const good[] = {
		"{}", "[]", " \t\r\n{\"a\":1} ", "[\"{[{[\\\"{[\"]", "{\"a\":{\"a\":{}}}",
		"[1e3, -0, 0.5, \"\\ud83d\\ude00\"]",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(good); i++) {
		json_auto_t *value = support_json(good[i]);
		assert_non_null(value);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} cases[] = {
		{ "", "empty" },
		{ " ", "" },
		{ "1", "not JSON" },
		{ "\"text\"", "not JSON" },
		{ "null", "not JSON" },
		{ "{\"a\":1,\"a\":2}", "twice" },
		{ "{\"a\":1,\"\\u0061\":2}", "twice" },
		{ "{\"x\":{\"a\":1,\"a\":1}}", "twice" },
		{ "{\"a\":\"\\u0000\"}", "NUL" },
		{ "{\"\\u0000\":1}", "NUL" },
		{ "{\"a\":\"\xff\"}", "UTF-8" },
		{ "{\"a\":\"\xed\xa0\x80\"}", "UTF-8" },
		{ "{\"a\":\"\\ud800\"}", "" },
		{ "{\"a\":1e999}", "too large" },
		{ "{\"a\":99999999999999999999}", "too large" },
		{ "{\"a\":01}", "" },
		{ "{\"a\":NaN}", "" },
		{ "{'a':1}", "" },
		{ "{\"a\":1,}", "" },
		{ "{\"a\":1} x", "after the end" },
		{ "{}{}", "after the end" },
		{ "{\"a\":", "too early" },
		{ "/* c */ {}", "" },
		{ "\xef\xbb\xbf{}", "" },
		{ "{\"a\":\"\n\"}", "" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		json_t *value;

		if (ssf_json_parse(ssf_str_c(cases[i].text), &ssf_json_default, &value, &err) == 0)
			fail_msg("accepted %s", cases[i].text);
		support_assert_err(&err, SSF_E_MALFORMED, cases[i].part, cases[i].text);
	}
}

static void names_the_place_not_the_content(void **state)
{
	struct ssf_err err;
	json_t *value;

	(void)state;
	assert_int_equal(ssf_json_parse(SSF_STR("{\n \"password\": hunter2\n}"), &ssf_json_default,
					&value, &err), -1);
	assert_non_null(strstr(err.msg, "line 2"));
	assert_null(strstr(err.msg, "hunter2"));
}

static void refuses_a_raw_nul(void **state)
{
	struct ssf_err err;
	json_t *value;

	(void)state;
	assert_int_equal(ssf_json_parse((struct ssf_str){ "{}\0", 3 }, &ssf_json_default, &value,
					&err), -1);
	assert_int_equal(ssf_json_parse((struct ssf_str){ "[\"a\0b\"]", 7 }, &ssf_json_default,
					&value, &err), -1);
}

static void limits(void **state)
{
	const struct ssf_json_limits small = { .max_bytes = 20, .max_depth = 2 };
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "[[1]]", 0 },
		{ "[{\"a\":\"[[[[\"}]", 0 },
		{ "[[],[],[[]]]", -1 },
		{ "[[[1]]]", -1 },
		{ "{\"\\\"[\":[[]]}", -1 },
		{ "[1,2,3,4,5,6,7,8,9]", 0 },
		{ "[1,2,3,4,5,6,7,8,90,1]", -1 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err = { 0 };
		json_t *value = NULL;

		assert_int_equal(ssf_json_parse(ssf_str_c(cases[i].text), &small, &value, &err),
				 cases[i].result);
		if (cases[i].result < 0)
			assert_int_equal(err.code, SSF_E_LIMIT);
		json_decref(value);
	}

	static char deep[200000];
	struct ssf_err err;
	json_t *value;
	memset(deep, '[', sizeof(deep));
	assert_int_equal(ssf_json_parse((struct ssf_str){ deep, sizeof(deep) }, &ssf_json_default,
					&value, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
}

static void strips_comments(void **state)
{
	static const struct {
		const char *text;
		const char *stripped;
	} cases[] = {
		{ "{} // end", "{}       " },
		{ "{ // a\n}", "{     \n}" },
		{ "[1 /* a\nb */ , 2]", "[1     \n     , 2]" },
		{ "[\"// no\", \"/* no */\"]", "[\"// no\", \"/* no */\"]" },
		{ "[\"\\\"// no\"]", "[\"\\\"// no\"]" },
		{ "[1,]", "[1 ]" },
		{ "{\"a\":[1,2 , /* x */ ] ,\n}", "{\"a\":[1,2           ]  \n}" },
		{ "[\",]\",]", "[\",]\" ]" },
		{ "[,]", "[,]" },
		{ "[1,,]", "[1,,]" },
		{ "{\"a\":,}", "{\"a\":,}" },
		{ "[1,/]", "[1,/]" },
		{ "/*/ [1,]", "/*/ [1,]" },
		{ "[1] /* open", "[1] /* open" },
		{ "/**/[]", "    []" },
		{ "\"open // ", "\"open // " },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_free char *text = ssf_str_dup(ssf_str_c(cases[i].text));
		ssf_json_strip_comments(text, strlen(text));
		assert_string_equal(text, cases[i].stripped);
	}
}

static void locates(void **state)
{
	static const char text[] = "{\n"
				   "  \"rules\": [\n"
				   "    { \"on\": \"a\", \"do\" : [1, [2, 3], {\"x\": null}] },\n"
				   "    { \"on\": \"]},{\" , \"a/b\": 1, \"m~n\": 2, \"\": 3 }\n"
				   "  ],\n"
				   "  \"\\u0065\\\"x\": true, \"empty\": [], \"none\": {}\n"
				   "}\n";
	static const struct {
		const char *pointer;
		unsigned line;
		unsigned column;
	} cases[] = {
		{ "", 1, 1 },
		{ "/rules", 2, 12 },
		{ "/rules/0", 3, 5 },
		{ "/rules/0/on", 3, 13 },
		{ "/rules/0/do/1/1", 3, 33 },
		{ "/rules/0/do/2/x", 3, 43 },
		{ "/rules/1/on", 4, 13 },
		{ "/rules/1/a~1b", 4, 29 },
		{ "/rules/1/m~0n", 4, 39 },
		{ "/rules/1/", 4, 46 },
		{ "/e\"x", 6, 16 },
		/* the last part does not exist: its parent */
		{ "/rules/2", 2, 12 },
		{ "/rules/0/off", 3, 5 },
		{ "/rules/-", 2, 12 },
		{ "/rules/00", 2, 12 },
		{ "/rules/1x", 2, 12 },
		{ "/rules/99999999999999999999", 2, 12 },
		{ "/rules/1/m~2n", 4, 5 },
		{ "/empty/0", 6, 31 },
		{ "/none/a", 6, 43 },
		{ "/rules/0/on/deeper", 3, 13 },
		/* more than the last part does not */
		{ "/rules/2/on", 0, 0 },
		{ "/nothing/here", 0, 0 },
		{ "rules", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		unsigned line = 0;
		unsigned column = 0;
		int r = ssf_json_locate(SSF_STR(text), cases[i].pointer, &line, &column);

		if (r != (cases[i].line == 0 ? -1 : 0) || line != cases[i].line ||
		    column != cases[i].column)
			fail_msg("%s: %d at %u:%u", cases[i].pointer, r, line, column);
	}
}

static void canonical_is_one_text(void **state)
{
	json_auto_t *a = support_json("{ \"b\": [1, 2.5],"
				      " \"a\": {\"y\": null, \"x\": \"\\u00e9\"} }");
	json_auto_t *b = support_json("{\"a\":{\"x\":\"\xc3\xa9\",\"y\":null},\"b\":[1,2.5]}");
	ssf_auto_free char *text_a = ssf_json_canonical(a);
	ssf_auto_free char *text_b = ssf_json_canonical(b);
	ssf_auto_free char *scalar = ssf_json_canonical(json_true());

	(void)state;
	assert_string_equal(text_a, "{\"a\":{\"x\":\"\xc3\xa9\",\"y\":null},\"b\":[1,2.5]}");
	assert_string_equal(text_a, text_b);
	assert_string_equal(scalar, "true");
}

static void reads_members(void **state)
{
	json_auto_t *obj = support_json("{\"s\":\"text\",\"i\":7,\"b\":true,\"n\":null,"
					"\"l\":[\"x\",\"y\"],\"m\":[\"x\",1],\"r\":1.5}");
	const char *s = "before";
	const json_t *list = obj;
	json_int_t i = 1;
	bool b = false;
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_json_get_str(obj, "s", &s, &err), 0);
	assert_string_equal(s, "text");
	assert_int_equal(ssf_json_opt_str(obj, "none", &s, &err), 0);
	assert_int_equal(ssf_json_opt_str(obj, "n", &s, &err), 0);
	assert_string_equal(s, "text");
	assert_int_equal(ssf_json_get_str(obj, "none", &s, &err), -1);
	support_assert_err(&err, SSF_E_MALFORMED, "none: missing", "get_str");
	assert_int_equal(ssf_json_get_str(obj, "n", &s, &err), -1);
	assert_int_equal(ssf_json_get_str(obj, "i", &s, &err), -1);
	support_assert_err(&err, SSF_E_MALFORMED, "i: not a string", "get_str");
	assert_int_equal(ssf_json_get_int(obj, "i", &i, &err), 0);
	assert_int_equal(i, 7);
	assert_int_equal(ssf_json_opt_int(obj, "n", &i, &err), 0);
	assert_int_equal(ssf_json_get_int(obj, "none", &i, &err), -1);
	assert_int_equal(ssf_json_get_int(obj, "r", &i, &err), -1);
	assert_int_equal(ssf_json_opt_bool(obj, "b", &b, &err), 0);
	assert_true(b);
	assert_int_equal(ssf_json_opt_bool(obj, "none", &b, &err), 0);
	assert_int_equal(ssf_json_opt_bool(obj, "i", &b, &err), -1);
	assert_int_equal(ssf_json_opt_strings(obj, "l", 2, &list, &err), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(ssf_json_opt_strings(obj, "none", 2, &list, &err), 0);
	assert_null(list);
	assert_int_equal(ssf_json_opt_strings(obj, "l", 1, &list, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_int_equal(ssf_json_opt_strings(obj, "m", 2, &list, &err), -1);
	support_assert_err(&err, SSF_E_MALFORMED, "m[1]", "opt_strings");
	assert_int_equal(ssf_json_opt_strings(obj, "s", 2, &list, &err), -1);
	assert_int_equal(ssf_json_get_str(json_null(), "s", &s, &err), -1);
}

static void only_the_named(void **state)
{
	static const char *const names[] = { "a", "b", NULL };
	json_auto_t *good = support_json("{\"b\":1}");
	json_auto_t *bad = support_json("{\"a\":1,\"zz\":2}");
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_json_only(good, names, &err), 0);
	assert_int_equal(ssf_json_only(bad, names, &err), -1);
	support_assert_err(&err, SSF_E_MALFORMED, "zz: unknown member", "only");
}

/* What is read as plain, and then as jansson does; the rest is left to jansson. */
static void reads_what_is_plain(void **state)
{
	static const struct {
		const char *text;
		bool plain;
	} cases[] = {
		{ "{}", true },
		{ " [ ] \n", true },
		{ "{\"a\":[1,-2,0,-0,123456789012345678,-123456789012345678],\"b\":{\"c\":\"d\"}}", true },
		{ "\t{ \"a\" : true , \"\" : [ false , null ] }\r\n", true },
		{ "[\"~ !\x7f\"]", true },
		{ "[[[[]]]]", true },
		{ "[[[[[]]]]]", false },                 /* deeper than 4 */
		{ "1", false },                          { "\"a\"", false },
		{ "", false },                           { " ", false },
		{ "{\"a\":1,\"a\":2}", false },          { "[1.5]", false },
		{ "[1e3]", false },                      { "[1E3]", false },
		{ "[01]", false },                       { "[-]", false },
		{ "[+1]", false },                       { "[-01]", false },
		{ "[1234567890123456789]", false },      { "[\"\\n\"]", false },
		{ "[\"\xc3\xa9\"]", false },             { "[\"\x1f\"]", false },
		{ "[\"a]", false },                       { "[tru]", false },
		{ "[truer]", false },                    { "[nul", false },
		{ "[1,]", false },                       { "[,1]", false },
		{ "{\"a\":1,}", false },                 { "{a:1}", false },
		{ "{\"a\"}", false },                    { "{\"a\":}", false },
		{ "{\"a\" 1}", false },                  { "{} {}", false },
		{ "[1 2]", false },                      { "[1", false },
		{ "[1}", false },                        { "{\"a\":1]", false },
		{ "[\f1]", false },                      { "[1]\v", false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_str text = ssf_str_c(cases[i].text);
		/* of exactly this length, so that the sanitizer sees what is read behind it */
		ssf_auto_free char *copy = malloc(text.len + 1);
		memcpy(copy, text.ptr, text.len);
		copy = realloc(copy, text.len > 0 ? text.len : 1);
		json_auto_t *plain = ssf_json_plain((struct ssf_str){ copy, text.len }, 4);
		json_auto_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
		if ((plain != NULL) != cases[i].plain || (plain != NULL && !json_equal(plain, value)))
			fail_msg("%s", cases[i].text);
	}
}

static void writes_as_jansson_does(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", "[{},[]]", "{\"b\":1,\"a\":{\"d\":[true,false,null],\"c\":-9223372036854775808}}",
		"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xf0\x9f\x98\x80\"]",
		"{\"a\\n\":\"\",\"\":0,\"aa\":1,\"a\":2,\"\xc3\xa9\":3,\"Z\":4}",
		"[1.5,-0.0,1e300,0.1,100000.0,1.7976931348623157e308,5e-324]",
	};
	json_auto_t *many = json_object();
	char name[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "m%d", i * 37 % 100);
		json_object_set_new(many, name, json_integer(i));
	}
	for (size_t i = 0; i <= SSF_ARRAY_SIZE(texts); i++) {
		json_auto_t *value = i < SSF_ARRAY_SIZE(texts) ? support_json(texts[i]) : json_incref(many);
		ssf_auto_free char *sorted = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		ssf_auto_free char *plain = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		ssf_auto_free char *canonical = ssf_json_canonical(value);
		ssf_auto_buf text = SSF_BUF(8192), small = SSF_BUF(1);
		assert_string_equal(canonical, sorted);
		assert_int_equal(ssf_json_append(value, false, &text), 0);
		assert_string_equal(text.ptr, plain);
		assert_int_equal(ssf_json_append(value, false, &small), -1);
	}
	assert_null(ssf_json_canonical(NULL));
}

static void weighs_about_what_it_takes(void **state)
{
	json_auto_t *small = support_json("{\"a\":1}");
	json_auto_t *large = support_json("{\"a\":[\"0123456789\",{\"b\":null}],\"c\":\"0123456789\"}");

	(void)state;
	assert_int_equal(ssf_json_weight(NULL), 0);
	assert_true(ssf_json_weight(small) >= 64);
	assert_true(ssf_json_weight(large) > 2 * ssf_json_weight(small));
	assert_true(ssf_json_weight(large) < 1024);
}

static void finds_fractions(void **state)
{
	static const struct {
		const char *text;
		bool real;
	} cases[] = {
		{ "[1,\"1.5\",null,true,{}]", false }, { "[1.5]", true },	  { "[1e3]", true },
		{ "{\"a\":[{\"b\":[0,-0.0]}]}", true },  { "{\"1.5\":-7}", false },
	};

	(void)state;
	assert_false(ssf_json_has_real(NULL));
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *value = support_json(cases[i].text);
		if (ssf_json_has_real(value) != cases[i].real)
			fail_msg("%s", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(names_the_place_not_the_content),
		cmocka_unit_test(refuses_a_raw_nul),
		cmocka_unit_test(limits),
		cmocka_unit_test(strips_comments),
		cmocka_unit_test(locates),
		cmocka_unit_test(canonical_is_one_text),
		cmocka_unit_test(reads_what_is_plain),
		cmocka_unit_test(writes_as_jansson_does),
		cmocka_unit_test(weighs_about_what_it_takes),
		cmocka_unit_test(finds_fractions),
		cmocka_unit_test(reads_members),
		cmocka_unit_test(only_the_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
