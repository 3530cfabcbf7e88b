/* SPDX-License-Identifier: Apache-2.0 */
#include "transmitters/signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void list_grows_to_its_maximum(void **state)
{
	struct signal_list list;
	struct signal *s;
	struct ssf_err err;

	(void)state;
	signal_list_init(&list, 21);
	for (size_t i = 0; i < 21; i++) {
		assert_int_equal(signal_list_add(&list, &s, &err), 0);
		assert_null(s->type);
		assert_null(s->id);
		assert_null(s->detail);
		assert_false(s->needs_lookup);
		assert_false(s->has_fingerprint);
		s->type = strdup("x");
		s->id = strdup("y");
		s->detail = json_object();
	}
	assert_int_equal(list.count, 21);
	assert_int_equal(signal_list_add(&list, &s, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	assert_int_equal(list.count, 21);
	signal_list_done(&list);
	assert_int_equal(list.count, 0);
	signal_list_done(&list);
}

static void truncated_list_can_be_filled_again(void **state)
{
	struct signal_list list;
	struct signal *s;
	struct ssf_err err;

	(void)state;
	signal_list_init(&list, 10);
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(signal_list_add(&list, &s, &err), 0);
		s->type = strdup("first");
	}
	signal_list_truncate(&list, 2);
	assert_int_equal(list.count, 2);
	signal_list_truncate(&list, 5);
	assert_int_equal(list.count, 2);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(signal_list_add(&list, &s, &err), 0);
		assert_null(s->type);
	}
	assert_string_equal(list.items[1].type, "first");
	signal_list_done(&list);
}

static void zeroed_list_takes_nothing(void **state)
{
	struct signal_list list = { 0 };
	struct signal *s;
	struct ssf_err err;

	(void)state;
	assert_int_equal(signal_list_add(&list, &s, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	signal_list_done(&list);
}

/* pad 'a's, then text; what is kept has kept bytes */
static const struct text_case {
	size_t pad;
	const char *text;
	size_t kept;
} text_cases[] = {
	{ 0, "", 0 },
	{ 2047, "b", 2048 },
	{ 2047, "bc", 2048 },
	{ 2046, "\xc3\xa9", 2048 },
	{ 2047, "\xc3\xa9", 2047 },
	{ 2046, "\xe2\x82\xac", 2046 },
	{ 2045, "\xf0\x9f\x94\x91", 2045 },
	{ 2044, "\xf0\x9f\x94\x91", 2048 },
	{ 5000, "", 2048 },
};

static void text_is_cut_between_characters(void **state)
{
	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(text_cases); i++) {
		const struct text_case *c = &text_cases[i];
		json_auto_t *detail = json_object();
		struct ssf_err err;
		char text[6000];

		memset(text, 'a', c->pad);
		strcpy(text + c->pad, c->text);
		assert_int_equal(signal_put_text(detail, "k", text, &err), 0);
		const json_t *kept = json_object_get(detail, "k");
		assert_int_equal(json_string_length(kept), c->kept);
		assert_memory_equal(json_string_value(kept), text, c->kept);
	}
}

static void wiping_leaves_only_zeros(void **state)
{
	json_auto_t *value = json_loads("{\"a\":[{\"b\":\"some_token\"},7],\"c\":\"some_token\"}",
					0, NULL);
	const json_t *deep;
	const json_t *flat;
	json_int_t number;

	(void)state;
	assert_int_equal(json_unpack(value, "{s:[{s:o},I], s:o}", "a", "b", &deep, &number, "c",
				     &flat), 0);
	signal_wipe_strings(value);
	for (size_t i = 0; i < strlen("some_token"); i++) {
		assert_int_equal(json_string_value(deep)[i], 0);
		assert_int_equal(json_string_value(flat)[i], 0);
	}
	assert_int_equal(number, 7);
	signal_wipe_strings(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_grows_to_its_maximum),
		cmocka_unit_test(truncated_list_can_be_filled_again),
		cmocka_unit_test(zeroed_list_takes_nothing),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(wiping_leaves_only_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
