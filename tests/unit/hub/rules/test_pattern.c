/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: the vectors of aws/event-ruler, this language's own cases, errors, limits. */
#include "tests/unit/ssf/support.h"

#include "hub/rules/match.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compile(const json_t *source, struct pattern **out, struct ssf_diagnostic *diag)
{
	const struct ssf_json_path whole = { NULL, NULL, 0 };

	*diag = (struct ssf_diagnostic){ .line = 0 };
	return pattern_compile(source, &whole, diag, out);
}

static bool matches(const struct pattern *p, const json_t *document)
{
	bool matched = false;

	assert_int_equal(match_pattern(p, document, &matched, NULL, NULL), 0);
	return matched;
}

/* "MATCH", "no", or "PATH: the text of the error". */
static void verdict(const char *pattern, const char *event, struct ssf_err *out)
{
	ssf_auto(pattern) compiled = NULL;
	json_auto_t *document = support_json(event);
	json_auto_t *source = NULL;
	struct ssf_diagnostic diag;

	if (ssf_json_parse(ssf_str_c(pattern), &ssf_json_default, &source, out) < 0)
		return;
	if (compile(source, &compiled, &diag) < 0) {
		assert_int_equal(diag.line, 0);
		*out = diag.err;
		if (diag.path[0] != '\0')
			ssf_fail_prefix(out, "%s", diag.path);
		return;
	}
	snprintf(out->msg, sizeof(out->msg), "%s", matches(compiled, document) ? "MATCH" : "no");
}

static void check(const char *want, const char *pattern, const char *event)
{
	struct ssf_err got;

	verdict(pattern, event, &got);
	if (strncmp(want, "ERROR ", 6) == 0 ? strstr(got.msg, want + 6) == NULL :
					      strcmp(got.msg, want) != 0)
		fail_msg("%s on %s: got %s, wanted %s", pattern, event, got.msg, want);
}

static void vectors_of_event_ruler(void **state)
{
	ssf_auto_free char *text = support_vector("rule-vectors.tsv");
	char *rest = text, *line;
	unsigned count = 0;

	(void)state;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '#')
			continue;
		const char *want = strsep(&line, "\t");
		const char *pattern = strsep(&line, "\t");
		assert_non_null(line);
		check(want, pattern, line);
		count++;
	}
	assert_int_equal(count, 47);
}

struct vector {
	const char *want;
	const char *pattern;
	const char *event;
};

static void check_all(const struct vector *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(cases[i].want, cases[i].pattern, cases[i].event);
}

static void scalars(void **state)
{
	static const struct vector cases[] = {
		{ "MATCH", "{\"a\":[\"x\"]}", "{\"a\":\"x\",\"b\":1}" },
		{ "no", "{\"a\":[\"x\"]}", "{\"a\":\"X\"}" },
		{ "no", "{\"a\":[\"x\"]}", "{\"a\":{\"x\":1}}" },
		{ "no", "{\"a\":[\"x\"]}", "{\"b\":\"x\"}" },
		{ "MATCH", "{\"a\":[\"y\",\"x\"]}", "{\"a\":\"x\"}" },
		{ "MATCH", "{\"a\":[\"\"]}", "{\"a\":\"\"}" },
		{ "MATCH", "{\"a\":[\"x\"],\"b\":[1]}", "{\"a\":\"x\",\"b\":1}" },
		{ "no", "{\"a\":[\"x\"],\"b\":[1]}", "{\"a\":\"x\",\"b\":2}" },
		{ "MATCH", "{\"a\":[true]}", "{\"a\":true}" },
		{ "no", "{\"a\":[true]}", "{\"a\":false}" },
		{ "no", "{\"a\":[true]}", "{\"a\":\"true\"}" },
		{ "no", "{\"a\":[false]}", "{\"a\":null}" },
		{ "MATCH", "{\"a\":[null]}", "{\"a\":null}" },
		{ "no", "{\"a\":[null]}", "{\"b\":1}" },
		{ "no", "{\"a\":[\"5\"]}", "{\"a\":5}" },
		{ "no", "{\"a\":[5]}", "{\"a\":\"5\"}" },
		{ "MATCH", "{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"abc\"}" },
		{ "no", "{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"a\"}" },
		{ "no", "{\"a\":[{\"prefix\":\"1\"}]}", "{\"a\":12}" },
		{ "MATCH", "{\"a\":[{\"suffix\":\"bc\"}]}", "{\"a\":\"abc\"}" },
		{ "no", "{\"a\":[{\"suffix\":\"bc\"}]}", "{\"a\":\"c\"}" },
		{ "MATCH", "{\"$agent\":{\"known\":[true]}}", "{\"$agent\":{\"known\":true}}" },
		{ "MATCH", "{\"\\u00e4\":[\"\\u00f6\"]}", "{\"\xc3\xa4\":\"\xc3\xb6\"}" },
	};

	(void)state;
	check_all(cases, SSF_ARRAY_SIZE(cases));
}

static void numbers(void **state)
{
	static const struct vector cases[] = {
		{ "MATCH", "{\"a\":[1.0]}", "{\"a\":1}" },
		{ "MATCH", "{\"a\":[1e2]}", "{\"a\":100}" },
		{ "MATCH", "{\"a\":[-0.0]}", "{\"a\":0}" },
		{ "no", "{\"a\":[1]}", "{\"a\":-1}" },
		{ "no", "{\"a\":[0.1]}", "{\"a\":0.10000000000000002}" },
		{ "MATCH", "{\"a\":[9007199254740992]}", "{\"a\":9007199254740992.0}" },
		/* the double nearest to both, and yet another integer */
		{ "no", "{\"a\":[9007199254740993]}", "{\"a\":9007199254740992.0}" },
		{ "no", "{\"a\":[9007199254740992.0]}", "{\"a\":9007199254740993}" },
		{ "MATCH", "{\"a\":[-9223372036854775808]}", "{\"a\":-9223372036854775808}" },
		{ "no", "{\"a\":[-9223372036854775808]}", "{\"a\":-9223372036854775807}" },
		{ "MATCH", "{\"a\":[{\"anything-but\":[1,2]}]}", "{\"a\":3}" },
		{ "no", "{\"a\":[{\"anything-but\":[1,2]}]}", "{\"a\":2.0}" },
	};

	(void)state;
	check_all(cases, SSF_ARRAY_SIZE(cases));
}

static void addresses(void **state)
{
	static const struct vector cases[] = {
		{ "MATCH", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"10.0.0.1\"}" },
		{ "MATCH", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"::ffff:10.0.0.1\"}" },
		{ "MATCH", "{\"a\":[\"::ffff:a00:1\"]}", "{\"a\":\"10.0.0.1\"}" },
		{ "MATCH", "{\"a\":[\"2001:DB8::1\"]}", "{\"a\":\"2001:db8:0::0:1\"}" },
		{ "no", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"::10.0.0.1\"}" },
		{ "no", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"010.0.0.1\"}" },
		{ "no", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"10.0.0.1 \"}" },
		{ "no", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"10.0.0.2\"}" },
		{ "no", "{\"a\":[\"10.0.0.1\"]}", "{\"a\":167772161}" },
		{ "no", "{\"a\":[{\"anything-but\":\"10.0.0.1\"}]}", "{\"a\":\"::ffff:10.0.0.1\"}" },
	};

	(void)state;
	check_all(cases, SSF_ARRAY_SIZE(cases));
}

static void anything_but(void **state)
{
	static const struct vector cases[] = {
		{ "MATCH", "{\"a\":[{\"anything-but\":[\"x\",\"y\"]}]}", "{\"a\":\"z\"}" },
		{ "no", "{\"a\":[{\"anything-but\":[\"x\",\"y\"]}]}", "{\"a\":\"y\"}" },
		{ "no", "{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":{\"b\":1}}" },
		{ "no", "{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":[]}" },
		{ "MATCH", "{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}]}", "{\"a\":\"yx\"}" },
		{ "no", "{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}]}", "{\"a\":\"xy\"}" },
		{ "MATCH", "{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}]}", "{\"a\":5}" },
		{ "no", "{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}]}", "{\"b\":5}" },
		{ "no", "{\"a\":[{\"anything-but\":{\"prefix\":[\"w\",\"x\"]}}]}", "{\"a\":\"xy\"}" },
		{ "MATCH", "{\"a\":[{\"anything-but\":{\"suffix\":[\"w\",\"x\"]}}]}", "{\"a\":\"xy\"}" },
		{ "no", "{\"a\":[{\"anything-but\":{\"suffix\":\"y\"}}]}", "{\"a\":\"xy\"}" },
	};

	(void)state;
	check_all(cases, SSF_ARRAY_SIZE(cases));
}

static void arrays(void **state)
{
	static const struct vector cases[] = {
		{ "MATCH", "{\"a\":[\"y\"]}", "{\"a\":[\"x\",\"y\"]}" },
		{ "no", "{\"a\":[\"z\"]}", "{\"a\":[\"x\",\"y\"]}" },
		{ "no", "{\"a\":[\"x\"]}", "{\"a\":[{\"b\":\"x\"}]}" },
		{ "MATCH", "{\"e\":{\"f\":[1],\"g\":[2]}}", "{\"e\":[{\"f\":1},[{\"f\":1,\"g\":2}]]}" },
		{ "no", "{\"e\":{\"f\":[1],\"g\":[2]}}", "{\"e\":[{\"f\":1},{\"g\":2}]}" },
		{ "MATCH", "{\"e\":{\"f\":{\"h\":[1],\"i\":[2]},\"g\":[3]}}",
		  "{\"e\":[{\"f\":[{\"h\":1,\"i\":2}],\"g\":4},{\"f\":[{\"h\":1},{\"h\":1,\"i\":2}],\"g\":3}]}" },
		{ "no", "{\"e\":{\"f\":{\"h\":[1],\"i\":[2]},\"g\":[3]}}",
		  "{\"e\":[{\"f\":[{\"h\":1,\"i\":2}],\"g\":4},{\"f\":[{\"h\":1},{\"i\":2}],\"g\":3}]}" },
		/* a pattern that is spread over "$or" still means one element */
		{ "no", "{\"e\":{\"f\":[1]},\"$or\":[{\"e\":{\"g\":[2]}},{\"z\":[1]}]}",
		  "{\"e\":[{\"f\":1},{\"g\":2}]}" },
		{ "MATCH", "{\"e\":{\"f\":[1]},\"$or\":[{\"e\":{\"g\":[2]}},{\"z\":[1]}]}",
		  "{\"e\":[{\"f\":0},{\"f\":1,\"g\":2}]}" },
		/* nothing with fields in it: the fields are missing */
		{ "MATCH", "{\"e\":{\"f\":[{\"exists\":false}]}}", "{\"e\":[]}" },
		{ "MATCH", "{\"e\":{\"f\":[{\"exists\":false}]}}", "{\"e\":[1,[\"f\"]]}" },
		{ "MATCH", "{\"e\":{\"f\":[{\"exists\":false}]}}", "{\"e\":7}" },
		{ "MATCH", "{\"e\":{\"f\":{\"g\":[{\"exists\":false}]}}}", "{\"x\":7}" },
		{ "no", "{\"e\":{\"f\":[{\"exists\":false}]}}", "{\"e\":[7,{\"f\":1}]}" },
		{ "MATCH", "{\"a\":[{\"exists\":true}]}", "{\"a\":[[{}]]}" },
		{ "no", "{\"a\":[{\"exists\":true}]}", "{\"a\":[[],[[]]]}" },
		{ "MATCH", "{\"a\":[{\"exists\":false}]}", "{\"a\":[[],[[]]]}" },
		{ "no", "{\"a\":[{\"exists\":true}]}", "{\"b\":1}" },
	};

	(void)state;
	check_all(cases, SSF_ARRAY_SIZE(cases));
}

static void or_branches(void **state)
{
	static const char nested[] =
		"{\"a\":[1],\"$or\":[{\"b\":[1]},{\"c\":[1],\"$or\":[{\"d\":[1]},{\"e\":[1]}]}]}";
	static const char twice[] = "{\"a\":{\"$or\":[{\"b\":[1]},{\"c\":[1]}]},\"f\":[1]}";
	static const char same[] = "{\"a\":[1,2],\"$or\":[{\"a\":[2,3]},{\"b\":[1]}]}";
	const struct vector cases[] = {
		{ "MATCH", nested, "{\"a\":1,\"b\":1}" },
		{ "no", nested, "{\"a\":0,\"b\":1}" },
		{ "no", nested, "{\"a\":1,\"c\":1}" },
		{ "MATCH", nested, "{\"a\":1,\"c\":1,\"e\":1}" },
		{ "no", nested, "{\"a\":1,\"d\":1,\"e\":1}" },
		{ "MATCH", twice, "{\"a\":{\"c\":1},\"f\":1}" },
		{ "no", twice, "{\"a\":{\"c\":1},\"f\":2}" },
		/* a field beside and inside "$or" has to match both */
		{ "MATCH", same, "{\"a\":2}" },
		{ "no", same, "{\"a\":3}" },
		{ "MATCH", same, "{\"a\":1,\"b\":1}" },
		/* outside "$or" the names of operators are names of fields like any other */
		{ "MATCH", "{\"prefix\":[\"x\"]}", "{\"prefix\":\"x\"}" },
		{ "MATCH", "{\"$or\":[{\"e\":[1],\"e.f\":[1]},{\"e\":{\"f\":[2]}}]}", "{\"e\":{\"f\":2}}" },
		{ "MATCH", "{\"$or\":[{\"e\":[{\"exists\":true}]},{\"z\":[1]}],\"e\":{\"f\":[2]}}",
		  "{\"e\":{\"f\":2}}" },
	};

	(void)state;
	check_all(cases, SSF_ARRAY_SIZE(cases));
}

static void refused(void **state)
{
	static const struct {
		const char *pattern;
		const char *error;
	} cases[] = {
		{ "[]", "a pattern is an object" },
		{ "{}", "an empty pattern" },
		{ "{\"a\":{}}", "/a: an empty pattern" },
		{ "{\"a\":\"x\"}", "/a: neither an array of alternatives nor an object of fields" },
		{ "{\"a\":{\"b\":null}}",
		  "/a/b: neither an array of alternatives nor an object of fields" },
		{ "{\"a\":[]}", "/a: no alternatives: this would match nothing" },
		{ "{\"a\":[\"x\",[\"y\"]]}",
		  "/a/1: an array cannot be an alternative: write its elements" },
		{ "{\"a/b~\":[{}]}", "/a~1b~0/0: an alternative has exactly one operator" },
		{ "{\"a\":[{\"exists\":1}]}", "/a/0/exists: \"exists\" takes true or false" },
		{ "{\"a\":[{\"prefix\":1}]}", "/a/0/prefix: \"prefix\" takes a string" },
		{ "{\"a\":[{\"suffix\":[\"x\"]}]}", "/a/0/suffix: \"suffix\" takes a string" },
		{ "{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"x\"}}]}",
		  "/a/0/prefix/equals-ignore-case: "
		  "\"equals-ignore-case\" is not supported by this version" },
		{ "{\"a\":[{\"anything-but\":null}]}",
		  "/a/0/anything-but: "
		  "\"anything-but\" takes a string, a number or an array of these" },
		{ "{\"a\":[{\"anything-but\":[]}]}",
		  "/a/0/anything-but: "
		  "\"anything-but\" takes a string, a number or an array of these" },
		{ "{\"a\":[{\"anything-but\":[true]}]}",
		  "/a/0/anything-but/0: \"anything-but\" takes all strings or all numbers" },
		{ "{\"a\":[{\"anything-but\":[1,\"x\"]}]}",
		  "/a/0/anything-but/1: \"anything-but\" takes all strings or all numbers" },
		{ "{\"a\":[{\"anything-but\":{}}]}",
		  "/a/0/anything-but: \"anything-but\" takes exactly one operator" },
		{ "{\"a\":[{\"anything-but\":{\"exists\":true}}]}",
		  "/a/0/anything-but/exists: \"anything-but\" does not take \"exists\"" },
		{ "{\"a\":[{\"anything-but\":{\"wildcard\":\"*\"}}]}",
		  "/a/0/anything-but/wildcard: \"wildcard\" is not supported by this version" },
		{ "{\"a\":[{\"anything-but\":{\"prefix\":\"\"}}]}",
		  "/a/0/anything-but/prefix: an empty \"prefix\" excludes every string" },
		{ "{\"a\":[{\"anything-but\":{\"suffix\":[\"x\",\"\"]}}]}",
		  "/a/0/anything-but/suffix/1: an empty \"suffix\" excludes every string" },
		{ "{\"a\":[{\"anything-but\":{\"suffix\":[]}}]}",
		  "/a/0/anything-but/suffix: an empty array excludes nothing" },
		{ "{\"a\":[{\"anything-but\":{\"prefix\":[5]}}]}",
		  "/a/0/anything-but/prefix/0: \"prefix\" takes a string" },
		{ "{\"$or\":[{\"a\":[1]},[]]}", "/$or/1: a pattern is an object" },
		{ "{\"$or\":[{\"a\":[1]},{}]}", "/$or/1: an empty pattern" },
		{ "{\"$or\":[{\"a\":[1]},{\"b\":{\"numeric\":[1]}}]}",
		  "/$or/1/b/numeric: "
		  "\"numeric\" is an operator: it cannot be a field inside \"$or\"" },
		{ "{\"$agnet\":{\"known\":[true]}}", "/$agnet: events have no \"$agnet\"" },
		{ "{\"$or\":[{\"$tool\":{\"known\":[true]}},{\"a\":[1]}]}",
		  "/$or/0/$tool: \"$tool\" is not supported by this version" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		verdict(cases[i].pattern, "{}", &err);
		assert_string_equal(err.msg, cases[i].error);
	}
}

/* --- limits ---------------------------------------------------------------------------------- */

static void compile_limit(const json_t *pattern, const char *error)
{
	ssf_auto(pattern) compiled = NULL;
	struct ssf_diagnostic diag;
	struct ssf_err err;
	int r = compile(pattern, &compiled, &diag);

	assert_non_null(pattern);
	if (error == NULL) {
		assert_int_equal(r, 0);
		return;
	}
	assert_int_equal(r, -1);
	err = diag.err;
	ssf_fail_prefix(&err, "%s", diag.path);
	support_assert_err(&err, SSF_E_LIMIT, error, "limit");
	assert_null(compiled);
}

static json_t *nested(unsigned depth)
{
	json_t *pattern = json_pack("{s:[i]}", "a", 1);

	while (--depth > 0)
		pattern = json_pack("{s:o}", "a", pattern);
	return pattern;
}

static void depth_limit(void **state)
{
	json_auto_t *most = nested(16), *more = nested(17);

	(void)state;
	compile_limit(most, NULL);
	compile_limit(more, "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a: nested deeper than 16");
}

static void alternatives_limit(void **state)
{
	json_auto_t *pattern = json_pack("{s:[], s:[{s:[]}]}", "a", "b", "anything-but");
	json_t *exact = json_object_get(pattern, "a");
	json_t *but = json_object_get(json_array_get(json_object_get(pattern, "b"), 0),
				      "anything-but");

	(void)state;
	for (int i = 0; i < 500; i++) {
		json_array_append_new(exact, json_integer(i));
		json_array_append_new(but, json_integer(i));
	}
	compile_limit(pattern, NULL);
	json_array_append_new(but, json_integer(500));
	compile_limit(pattern, "/b/0/anything-but/500: more than 1000 alternatives in one pattern");
}

static void branches_limit(void **state)
{
	json_auto_t *most = support_json("{\"x\":[1]}");
	json_auto_t *pair = support_json("[{\"l\":[1]},{\"r\":[1]}]");
	json_t *level = most;
	char name[2] = "a";

	(void)state;
	/* eight fields, each of which doubles the branches of the ones before */
	for (; name[0] < 'i'; name[0]++)
		json_object_set_new(level, name, json_pack("{s:O}", "$or", pair));
	compile_limit(most, NULL);
	json_object_set_new(level, name, json_pack("{s:O}", "$or", pair));
	compile_limit(most, "/i/$or: \"$or\" makes more than 256 branches");
}

static void the_source_may_be_freed(void **state)
{
	ssf_auto(pattern) compiled = NULL;
	json_auto_t *document = support_json("{\"a\":{\"b\":\"x\"}}");
	json_t *source = support_json("{\"a\":{\"b\":[\"x\"]}}");
	struct ssf_diagnostic diag;

	(void)state;
	assert_int_equal(compile(source, &compiled, &diag), 0);
	json_object_clear(source);
	json_decref(source);
	assert_true(matches(compiled, document));
	pattern_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_event_ruler),
		cmocka_unit_test(scalars),
		cmocka_unit_test(numbers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(anything_but),
		cmocka_unit_test(arrays),
		cmocka_unit_test(or_branches),
		cmocka_unit_test(refused),
		cmocka_unit_test(depth_limit),
		cmocka_unit_test(alternatives_limit),
		cmocka_unit_test(branches_limit),
		cmocka_unit_test(the_source_may_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
