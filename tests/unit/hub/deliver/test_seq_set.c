/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of seqs against a bitmap, and their text. */
#include "hub/deliver/seq_set.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQS 200

static unsigned seed = 11;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void assert_is(const struct seq_set *s, const bool *want)
{
	for (size_t i = 0; i < s->count; i++) {
		assert_true(s->ranges[i].from < s->ranges[i].to);
		assert_true(i == 0 || s->ranges[i - 1].to < s->ranges[i].from);
	}
	for (int64_t seq = 0; seq < SEQS; seq++)
		assert_int_equal(seq_set_has(s, seq), want[seq]);
}

static void ranges_are_what_was_added_and_removed(void **state)
{
	struct seq_set s = { 0 };
	bool want[SEQS] = { 0 };

	(void)state;
	for (int step = 0; step < 5000; step++) {
		int64_t from = any(SEQS), to = from + any(12);
		if (any(40) == 0) {
			seq_set_remove_through(&s, from);
			for (int64_t i = 0; i <= from; i++)
				want[i] = false;
		} else {
			to = to < SEQS ? to : SEQS;
			assert_int_equal(seq_set_add(&s, from, to), 0);
			for (int64_t i = from; i < to; i++)
				want[i] = true;
		}
		assert_is(&s, want);
	}
	seq_set_done(&s);
	assert_int_equal(s.count, 0);
}

static void text_is_read_as_it_was_written(void **state)
{
	ssf_auto_buf text = SSF_BUF(1024);
	struct seq_set s = { 0 }, again = { 0 };

	(void)state;
	assert_int_equal(seq_set_add(&s, 7, 9), 0);
	assert_int_equal(seq_set_add(&s, 1000000000000, 1000000000001), 0);
	ssf_buf_addc(&text, '{');
	seq_set_text_seq(3, &text);
	seq_set_text(&s, &text);
	ssf_buf_addc(&text, '}');
	assert_string_equal(text.ptr, "{[3,4),[7,9),[1000000000000,1000000000001)}");
	assert_int_equal(seq_set_parse(&again, ssf_buf_str(&text)), 0);
	assert_int_equal(again.count, 3);
	assert_true(seq_set_has(&again, 3) && seq_set_has(&again, 8) && !seq_set_has(&again, 9));
	seq_set_done(&again);
	assert_int_equal(seq_set_parse(&again, SSF_STR("{}")), 0);
	assert_int_equal(again.count, 0);
	seq_set_done(&s);
}

static void other_texts_are_refused(void **state)
{
	static const char *const texts[] = {
		"", "{", "}", "[1,2)", "{[1,2)", "{[1,2]}", "{(1,2)}", "{[2,1)}", "{[1,1)}", "{[1,2)}x", "{[1,2);[4,5)}",
		"{[,2)}", "{[1,)}", "{[-1,2)}", "{[99999999999999999999,3)}", "{[1,2),x}",
	};
	struct seq_set s = { 0 };

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(texts); i++)
		assert_int_equal(seq_set_parse(&s, ssf_str_c(texts[i])), -1);
	seq_set_done(&s);
}

static void a_full_set_takes_only_what_touches_it(void **state)
{
	ssf_auto_buf text = SSF_BUF(SEQ_SET_TEXT_MAX);
	struct seq_set s = { 0 };
	int64_t far = INT64_MAX - 2 * SEQ_SET_MAX;

	(void)state;
	for (int64_t i = 0; i < SEQ_SET_MAX; i++)
		assert_int_equal(seq_set_add(&s, far + 2 * i, far + 2 * i + 1), 0);
	assert_int_equal(seq_set_add(&s, 1, 2), -1);
	assert_int_equal(s.count, SEQ_SET_MAX);
	assert_int_equal(seq_set_add(&s, far + 1, far + 2), 0);
	assert_int_equal(s.count, SEQ_SET_MAX - 1);
	assert_int_equal(seq_set_add(&s, 1, 2), 0);
	seq_set_text(&s, &text);
	assert_false(ssf_buf_failed(&text)); /* the longest numbers there are */
	seq_set_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_what_was_added_and_removed),
		cmocka_unit_test(text_is_read_as_it_was_written),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(a_full_set_takes_only_what_touches_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
