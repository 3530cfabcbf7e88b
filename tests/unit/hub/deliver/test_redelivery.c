/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/deliver/redelivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void load(struct redelivery *r, const char *text)
{
	assert_int_equal(redelivery_load(r, ssf_str_c(text)), 0);
}

static void assert_text(const struct redelivery *r, const char *want)
{
	ssf_auto_buf text = SSF_BUF(4096);

	assert_int_equal(redelivery_text(r, &text), 0);
	assert_string_equal(text.ptr, want);
}

/* Holds the first pending one; its seq, or 0. */
static int64_t hold_next(struct redelivery *r)
{
	struct redelivery_item *item = redelivery_next(r, 0);

	if (item == NULL)
		return 0;
	redelivery_hold(r, item);
	return item->seq;
}

static void what_is_stored_is_pending_in_order(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[7,9),[12,13)}");
	assert_int_equal(r.count, 3);
	assert_true(redelivery_has(&r, 8) && redelivery_has(&r, 12) && !redelivery_has(&r, 9));
	assert_int_equal(redelivery_next(&r, 8)->seq, 8);
	assert_int_equal(hold_next(&r), 7);
	assert_int_equal(hold_next(&r), 8);
	assert_int_equal(hold_next(&r), 12);
	assert_int_equal(hold_next(&r), 0);
	redelivery_release(&r, 8);
	assert_int_equal(hold_next(&r), 8);
	redelivery_release_all(&r);
	assert_int_equal(hold_next(&r), 7);
	redelivery_done(&r);
}

static void few_are_held_at_once(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[1,2000)}");
	assert_int_equal(r.count, REDELIVERY_MAX);
	for (int64_t seq = 1; seq <= REDELIVERY_HELD_MAX; seq++)
		assert_int_equal(hold_next(&r), seq);
	assert_int_equal(hold_next(&r), 0);
	redelivery_settle(&r, 3, true);
	assert_int_equal(hold_next(&r), REDELIVERY_HELD_MAX + 1);
	redelivery_done(&r);
}

static void a_span_ends_with_the_last_pending_one_in_reach(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[10,11),[15,16),[70,71),[75,76)}");
	assert_int_equal(redelivery_span(&r, redelivery_next(&r, 0), 64), 61);
	assert_int_equal(redelivery_span(&r, redelivery_next(&r, 75), 64), 1);
	redelivery_done(&r);
}

static void a_redelivered_one_is_unsaved_until_its_checkpoint_succeeds(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[1,4)}");
	assert_false(redelivery_is_unsaved(&r));
	redelivery_settle(&r, 1, true);
	assert_text(&r, "{[1,2)}");
	redelivery_saving(&r);
	redelivery_settle(&r, 3, true); /* meanwhile */
	assert_text(&r, "{[1,2),[3,4)}");
	redelivery_saved(&r, false);
	assert_text(&r, "{[1,2),[3,4)}");
	redelivery_saving(&r);
	redelivery_settle(&r, 2, true);
	redelivery_saved(&r, true);
	assert_text(&r, "{[2,3)}");
	redelivery_saving(&r);
	redelivery_saved(&r, true);
	assert_false(redelivery_is_unsaved(&r));
	redelivery_done(&r);
}

static void a_dead_letter_again_need_not_be_saved(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[1,3)}");
	redelivery_settle(&r, 1, false);
	assert_false(redelivery_has(&r, 1));
	assert_false(redelivery_is_unsaved(&r));
	redelivery_done(&r);
}

static void what_is_redelivered_and_not_saved_is_not_loaded_again(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[1,5)}");
	assert_int_equal(hold_next(&r), 1);
	assert_int_equal(hold_next(&r), 2);
	redelivery_settle(&r, 1, true);
	load(&r, "{[1,5),[9,10)}"); /* a further redrive, before the checkpoint */
	assert_false(redelivery_has(&r, 1));
	assert_int_equal(r.held, 1);
	assert_int_equal(hold_next(&r), 3); /* 2 is held still */
	load(&r, "{}");
	assert_int_equal(r.count, 0);
	redelivery_done(&r);
}

static void text_that_is_none_changes_nothing(void **state)
{
	struct redelivery r = { 0 };

	(void)state;
	load(&r, "{[1,2)}");
	assert_int_equal(redelivery_load(&r, SSF_STR("nonsense")), -1);
	assert_true(redelivery_has(&r, 1));
	redelivery_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stored_is_pending_in_order),
		cmocka_unit_test(few_are_held_at_once),
		cmocka_unit_test(a_span_ends_with_the_last_pending_one_in_reach),
		cmocka_unit_test(a_redelivered_one_is_unsaved_until_its_checkpoint_succeeds),
		cmocka_unit_test(a_dead_letter_again_need_not_be_saved),
		cmocka_unit_test(what_is_redelivered_and_not_saved_is_not_loaded_again),
		cmocka_unit_test(text_that_is_none_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
