/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/sinks/redis/key_template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char sub_id_text[] =
	"{\"format\":\"complex\",\"sub\":\"ada\",\"jti\":\"token-7\",\"count\":12,\"empty\":\"\","
	"\"none\":null,\"list\":[\"a\"],\"user\":{\"format\":\"iss_sub\",\"sub\":\"inner\"},"
	"\"ip-addresses\":\"10.0.0.1\",\"glob\":\"a*b?c[d]e\\\\f^g-h\",\"nested\":\"${sub}\"}";
static const char event_text[] =
	"{\"event_timestamp\":1700000000,\"reason\":\"leak\",\"deep\":{\"er\":\"yes\"}}";

static int fill(const char *text, const char *event, enum key_template_use use, struct ssf_buf *out,
		struct ssf_err *err)
{
	json_auto_t *sub_id = json_loads(sub_id_text, 0, NULL);
	json_auto_t *event_doc = json_loads(event, 0, NULL);
	ssf_auto(key_template) t = NULL;
	const struct key_template_values values = {
		.sub_id = sub_id,
		.event = event_doc,
		.jti = "set-1",
		.iat = 1700000123,
	};

	assert_non_null(sub_id);
	assert_non_null(event_doc);
	assert_int_equal(key_template_parse(ssf_str_c(text), &t, err), 0);
	return key_template_fill(t, &values, use, out, err);
}

static void templates_are_filled(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{ "plain", "plain" },
		{ "sess:${sub}", "sess:ada" },
		{ "${sub}", "ada" },
		{ "${sub}${sub}:x", "adaada:x" },
		{ "u:${user.sub}:end", "u:inner:end" },
		{ "${count}", "12" },
		{ "${ip-addresses}", "10.0.0.1" },
		{ "${iat}/${jti}", "1700000123/set-1" },
		{ "${sub_id.jti}", "token-7" },
		{ "${sub_id.user.sub}", "inner" },
		{ "${event.reason}:${event.deep.er}", "leak:yes" },
		{ "${event_timestamp|iat}", "1700000000" },
		{ "${event.absent|sub}", "ada" },
		{ "${absent|empty|none|sub}", "ada" },
		{ "$ and $sub and }", "$ and $sub and }" },
		{ "${nested}", "${sub}" },
		{ "${glob}", "a*b?c[d]e\\f^g-h" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_buf out;
		struct ssf_err err;

		ssf_buf_init(&out, KEY_TEMPLATE_FILLED_MAX);
		assert_int_equal(fill(cases[i].text, event_text, KEY_TEMPLATE_PLAIN, &out, &err), 0);
		assert_string_equal(out.ptr, cases[i].want);
	}
}

static void missing_values_are_named(void **state)
{
	static const struct {
		const char *text;
		enum ssf_code code;
		const char *msg;
	} cases[] = {
		{ "sess:${absent}", SSF_E_NOT_FOUND, "${absent} has no value" },
		{ "${user.absent}", SSF_E_NOT_FOUND, "${user.absent} has no value" },
		{ "${sub.deeper}", SSF_E_NOT_FOUND, "${sub.deeper} has no value" },
		{ "${empty}", SSF_E_NOT_FOUND, "${empty} has no value" },
		{ "${none}", SSF_E_NOT_FOUND, "${none} has no value" },
		{ "${list}", SSF_E_MALFORMED, "${list} is neither a string nor an integer" },
		{ "${user}", SSF_E_MALFORMED, "${user} is neither a string nor an integer" },
		{ "${user|sub}", SSF_E_MALFORMED, "${user} is neither a string nor an integer" },
		{ "${event.absent}", SSF_E_NOT_FOUND, "${event.absent} has no value" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_buf out;
		struct ssf_err err;

		ssf_buf_init(&out, KEY_TEMPLATE_FILLED_MAX);
		assert_int_equal(fill(cases[i].text, event_text, KEY_TEMPLATE_PLAIN, &out, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.msg, cases[i].msg);
	}
}

static void glob_characters_match_only_themselves(void **state)
{
	ssf_auto_buf out;
	struct ssf_err err;

	(void)state;
	ssf_buf_init(&out, KEY_TEMPLATE_FILLED_MAX);
	assert_int_equal(fill("cache:${glob}:*", event_text, KEY_TEMPLATE_GLOB, &out, &err), 0);
	assert_string_equal(out.ptr, "cache:a\\*b\\?c\\[d\\]e\\\\f^g-h:*");
}

static void event_timestamp_is_in_seconds(void **state)
{
	static const struct {
		const char *event;
		const char *want;
	} cases[] = {
		{ "{\"event_timestamp\":1700000000}", "1700000000" },
		{ "{\"event_timestamp\":1700000000999}", "1700000000" },
		{ "{\"event_timestamp\":1700000000.9}", "1700000000" },
		{ "{\"event_timestamp\":0}", "0" },
		{ "{}", "1700000123" },
		{ "{\"event_timestamp\":\"1\"}", "1700000123" },
		{ "{\"event_timestamp\":-1}", "1700000123" },
		{ "{\"event_timestamp\":1e300}", "1700000123" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto_buf out;
		struct ssf_err err;

		ssf_buf_init(&out, KEY_TEMPLATE_FILLED_MAX);
		assert_int_equal(fill("${event_timestamp|iat}", cases[i].event, KEY_TEMPLATE_PLAIN,
				      &out, &err),
				 0);
		assert_string_equal(out.ptr, cases[i].want);
	}
}

static void long_values_are_refused(void **state)
{
	char event[KEY_TEMPLATE_VALUE_MAX + 64];

	(void)state;
	for (size_t len = KEY_TEMPLATE_VALUE_MAX; len <= KEY_TEMPLATE_VALUE_MAX + 1; len++) {
		ssf_auto_buf out;
		struct ssf_err err = { 0 };
		char value[KEY_TEMPLATE_VALUE_MAX + 2];
		bool fits = len <= KEY_TEMPLATE_VALUE_MAX;

		memset(value, '*', len);
		value[len] = '\0';
		snprintf(event, sizeof(event), "{\"x\":\"%s\"}", value);
		ssf_buf_init(&out, KEY_TEMPLATE_FILLED_MAX);
		assert_int_equal(fill("${event.x}", event, KEY_TEMPLATE_GLOB, &out, &err),
				 fits ? 0 : -1);
		assert_int_equal(out.len, fits ? 2 * len : 0);
		assert_int_equal(err.code, fits ? SSF_OK : SSF_E_LIMIT);
	}
}

static void malformed_templates_are_refused(void **state)
{
	static const char *const cases[] = {
		"",	 "${",	  "a${b",   "${}",   "${a|}",	    "${|a}",   "${a..b}",
		"${.a}", "${a.}", "${a b}", "${a$}", "${\xc3\xa4}", "${${a}}",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct key_template *t = NULL;
		struct ssf_err err;

		assert_int_equal(key_template_parse(ssf_str_c(cases[i]), &t, &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
		assert_null(t);
	}
}

static void templates_have_limits(void **state)
{
	char text[KEY_TEMPLATE_MAX + 2] = "";
	struct key_template *t = NULL;
	struct ssf_err err;

	(void)state;
	for (int i = 0; i < KEY_TEMPLATE_NAMES_MAX; i++)
		strcat(text, "x${a}");
	assert_int_equal(key_template_parse(ssf_str_c(text), &t, &err), 0);
	key_template_free(t);
	strcat(text, "${a}");
	assert_int_equal(key_template_parse(ssf_str_c(text), &t, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	memset(text, 'x', KEY_TEMPLATE_MAX + 1);
	assert_int_equal(key_template_parse((struct ssf_str){ text, KEY_TEMPLATE_MAX }, &t, &err), 0);
	key_template_free(t);
	assert_int_equal(key_template_parse((struct ssf_str){ text, KEY_TEMPLATE_MAX + 1 }, &t, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_are_filled),
		cmocka_unit_test(missing_values_are_named),
		cmocka_unit_test(glob_characters_match_only_themselves),
		cmocka_unit_test(event_timestamp_is_in_seconds),
		cmocka_unit_test(long_values_are_refused),
		cmocka_unit_test(malformed_templates_are_refused),
		cmocka_unit_test(templates_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
