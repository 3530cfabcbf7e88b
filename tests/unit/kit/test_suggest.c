/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kit/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void distance_counts_edits(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{ "", "", 0 },		 { "a", "", 1 },	   { "", "abc", 3 },
		{ "apply", "apply", 0 }, { "aply", "apply", 1 },   { "appply", "apply", 1 },
		{ "appyl", "apply", 1 }, { "stauts", "status", 1 }, { "max-body", "max_body", 0 },
		{ "GET", "get", 0 },	 { "kitten", "sitting", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(suggest_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(suggest_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
}

static void long_words_are_far_from_everything(void **state)
{
	char word[200];

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_true(suggest_distance(word, "apply") > 60);
	assert_true(suggest_distance("apply", word) > 60);
}

static const char *nearest(const char *word)
{
	static const char *const known[] = { "apply", "get", "delete", "status", "streams", "keys" };
	struct suggest s = { .word = word };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		suggest_offer(&s, known[i]);
	return s.best;
}

static void offers_the_nearest_word_or_none(void **state)
{
	(void)state;
	assert_string_equal(nearest("stauts"), "status");
	assert_string_equal(nearest("stream"), "streams");
	assert_string_equal(nearest("aply"), "apply");
	assert_string_equal(nearest("dlete"), "delete");
	assert_null(nearest("frobnicate"));
	assert_null(nearest(""));
	assert_null(nearest("x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_edits),
		cmocka_unit_test(long_words_are_far_from_everything),
		cmocka_unit_test(offers_the_nearest_word_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
