/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what they are filled with, what is left out, what is refused. */
#include "tests/unit/ssf/support.h"

#include "hub/rules/template.h"

#include <stdio.h>
#include <string.h>

static const char document_text[] =
	"{\"type\":\"secret.leaked\",\"n\":1795453880,\"f\":0.1,\"t\":true,\"z\":null,\"e\":\"\","
	"\"detail\":{\"provider\":\"github\",\"list\":[1],\"a.b\":\"dotted\",\"a|}\":\"odd\","
	"\"${x}\":\"raw\"},\"text\":\"${type}\",\"$agent\":{\"id\":\"agent:a\"}}";

static void filled(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a $ b $$ {c} }", "a $ b $$ {c} }" },
		{ "${type}", "secret.leaked" },
		{ "<${detail.provider}>", "<github>" },
		{ "${$agent.id}/${type}", "agent:a/secret.leaked" },
		{ "$${type}", "$secret.leaked" },
		{ "${n} ${f} ${t}", "1795453880 0.1 true" },
		{ "${e}", "" },
		{ "${e|default}", "" },
		{ "${missing|}", "" },
		{ "${missing|a b|c.d\\}", "a b|c.d\\" },
		{ "${detail.missing.deeper|x}", "x" },
		{ "${type.below|x}", "x" },
		{ "${z|null is nothing}", "null is nothing" },
		{ "${detail.a\\.b}", "dotted" },
		{ "${detail.a\\|\\}}", "odd" },
		/* what comes out of an event is never a template again */
		{ "${text}", "${type}" },
	};
	json_auto_t *document = support_json(document_text);

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		ssf_auto_buf out = SSF_BUF(256);
		if (template_fill(cases[i].text, document, &out, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_string_equal(ssf_buf_str(&out).ptr, cases[i].want);
	}
}

static void not_filled(void **state)
{
	static const struct {
		const char *text;
		enum ssf_code code;
		const char *error;
	} cases[] = {
		{ "${missing}", SSF_E_NOT_FOUND, "not in the event: missing" },
		{ "a ${detail.missing.x} b", SSF_E_NOT_FOUND, "not in the event: detail.missing.x" },
		{ "${type.x}", SSF_E_NOT_FOUND, "not in the event: type.x" },
		{ "${z}", SSF_E_NOT_FOUND, "not in the event: z" },
		{ "${detail}", SSF_E_MALFORMED, "an object or array cannot be text: detail" },
		{ "${detail.list|x}", SSF_E_MALFORMED,
		  "an object or array cannot be text: detail.list" },
		{ "${", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${}", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${type", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${type|x", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${|x}", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${ type }", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${.type}", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${type.}", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${a..b}", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${a\\", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${a${type}}", SSF_E_MALFORMED, "template: not a ${path}" },
		{ "${missing|${type}}", SSF_E_MALFORMED, "template: not a ${path}" },
	};
	json_auto_t *document = support_json(document_text);

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_err err;
		ssf_auto_buf out = SSF_BUF(256);
		if (template_fill(cases[i].text, document, &out, &err) == 0)
			fail_msg("%s: filled", cases[i].text);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.msg, cases[i].error);
	}
}

static void too_large(void **state)
{
	json_auto_t *document = support_json("{\"a\":\"0123456789\"}");
	struct ssf_err err;
	ssf_auto_buf out = SSF_BUF(12);

	(void)state;
	assert_int_equal(template_fill("${a}12", document, &out, &err), 0);
	ssf_buf_reset(&out);
	assert_int_equal(template_fill("${a}123", document, &out, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
}

static void key_too_long(void **state)
{
	json_auto_t *document = json_object();
	char key[257] = "", text[300];
	struct ssf_err err;
	ssf_auto_buf out = SSF_BUF(256);

	(void)state;
	memset(key, 'k', 255);
	snprintf(text, sizeof(text), "${%s|x}", key);
	assert_int_equal(template_fill(text, document, &out, &err), 0);
	assert_string_equal(out.ptr, "x");
	key[255] = 'k';
	snprintf(text, sizeof(text), "${%s|x}", key);
	assert_int_equal(template_fill(text, document, &out, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
}

static void json_filled(void **state)
{
	static const struct {
		const char *in;
		const char *want;
	} cases[] = {
		{ "{\"a\":\"${type}\",\"n\":5,\"b\":false,\"z\":null}",
		  "{\"a\":\"secret.leaked\",\"n\":5,\"b\":false,\"z\":null}" },
		{ "{\"a\":\"${missing}\",\"b\":\"${missing|x}\"}", "{\"b\":\"x\"}" },
		{ "{\"a\":\"${missing}\"}", "{}" },
		{ "[\"${missing}\",\"n ${n}\",1]", "[\"n 1795453880\",1]" },
		/* a path and nothing else keeps the type of a number or boolean */
		{ "[\"${n}\",\"${t}\",\"${f|x}\",\"${missing|7}\",\"${z|no}\",\"${n}${t}\"]",
		  "[1795453880,true,0.10000000000000001,\"7\",\"no\",\"1795453880true\"]" },
		/* what nothing is left of is left out too, what was empty stays */
		{ "{\"why\":{\"en\":\"${missing}\"},\"x\":[[\"${missing}\"]],\"o\":{},\"l\":[]}",
		  "{\"o\":{},\"l\":[]}" },
		{ "{\"why\":{\"en\":\"${missing}\",\"de\":\"ja\"}}", "{\"why\":{\"de\":\"ja\"}}" },
		/* keys are not templates */
		{ "{\"${type}\":1}", "{\"${type}\":1}" },
	};
	json_auto_t *document = support_json(document_text);

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *in = support_json(cases[i].in);
		json_auto_t *before = json_deep_copy(in);
		json_auto_t *out = NULL;
		struct ssf_err err;
		if (template_fill_json(in, document, &out, &err) < 0)
			fail_msg("%s: %s", cases[i].in, err.msg);
		ssf_auto_free char *got = json_dumps(out, JSON_COMPACT);
		assert_string_equal(got, cases[i].want);
		assert_true(json_equal(in, before));
	}
}

static void json_not_filled(void **state)
{
	json_auto_t *document = support_json(document_text);
	json_auto_t *missing = json_string("${missing}");
	json_auto_t *object = support_json("{\"a\":[{\"b\":\"${detail}\"}]}");
	json_auto_t *malformed = support_json("[1,\"${\"]");
	json_t *out = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(template_fill_json(missing, document, &out, &err), -1);
	support_assert_err(&err, SSF_E_NOT_FOUND, "missing", "string");
	assert_int_equal(template_fill_json(object, document, &out, &err), -1);
	support_assert_err(&err, SSF_E_MALFORMED, "a: 0: b: an object or array", "object");
	assert_int_equal(template_fill_json(malformed, document, &out, &err), -1);
	support_assert_err(&err, SSF_E_MALFORMED, "1: template: not a ${path}", "array");
	assert_null(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filled),
		cmocka_unit_test(not_filled),
		cmocka_unit_test(too_large),
		cmocka_unit_test(key_too_long),
		cmocka_unit_test(json_filled),
		cmocka_unit_test(json_not_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
