/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window, and the window against a model. The model is that of one stream in tests/model/cursor.pml: a set of
 * committed events, a set of those that are settled, and what a checkpoint holds of that. Where the Spin model checks
 * the protocol with a window of three events, this checks the code in thousands of random runs.
 */
#include "hub/deliver/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQS 400

static struct event *event_of(int64_t seq)
{
	struct event *e = calloc(1, sizeof(*e));

	e->refs = 1;
	e->seq = seq;
	return e;
}

static enum window_offered offer(struct window *w, int64_t seq, bool settled)
{
	ssf_auto(event) e = event_of(seq);
	struct window_entry *entry;

	return window_offer(w, e, settled, &entry);
}

static struct window_entry *add_ahead(struct window *w, int64_t seq, enum window_place place)
{
	ssf_auto(event) e = event_of(seq);

	return window_add_ahead(w, e, place);
}

static void settle(struct window *w, int64_t seq)
{
	struct window_entry *e = window_find(w, seq);

	assert_non_null(e);
	window_settle(w, e);
}

static char *settled_text(const struct window *w)
{
	ssf_auto_buf text = SSF_BUF(SEQ_SET_TEXT_MAX);

	assert_int_equal(window_settled_text(w, &text), 0);
	return ssf_buf_steal(&text);
}

static void assert_settled_text(const struct window *w, const char *want)
{
	char *text = settled_text(w);

	assert_string_equal(text, want);
	free(text);
}

/* --- by example ------------------------------------------------------------------------------- */

static void the_cursor_passes_only_what_is_settled(void **state)
{
	struct window w;

	(void)state;
	window_init(&w);
	assert_int_equal(window_load(&w, 2, SSF_STR("{}")), 0);
	assert_int_equal(offer(&w, 3, false), WINDOW_OPENED);
	assert_int_equal(offer(&w, 4, false), WINDOW_OPENED);
	window_pass(&w, 5); /* not wanted */
	assert_int_equal(offer(&w, 6, false), WINDOW_OPENED);
	settle(&w, 4);
	assert_int_equal(window_cursor(&w), 2);
	assert_settled_text(&w, "{[4,5)}");
	assert_null(window_find(&w, 4));
	assert_true(window_is_settled(&w, 4));
	assert_false(window_is_settled(&w, 3));
	settle(&w, 3);
	assert_int_equal(window_cursor(&w), 5);
	assert_settled_text(&w, "{}");
	settle(&w, 6);
	assert_int_equal(window_cursor(&w), 6);
	window_done(&w);
}

static void a_followed_position_moves_the_cursor_of_an_empty_window(void **state)
{
	struct window w;
	int64_t position = 10;

	(void)state;
	window_init(&w);
	assert_int_equal(window_load(&w, 10, SSF_STR("{}")), 0);
	window_follow(&w, &position);
	position = 20;
	assert_int_equal(window_cursor(&w), 20);
	assert_int_equal(offer(&w, 21, false), WINDOW_OPENED);
	position = 30;
	assert_int_equal(window_cursor(&w), 20);
	assert_int_equal(window_read_position(&w), 30);
	window_lag(&w);
	position = 40;
	assert_int_equal(window_read_position(&w), 30);
	settle(&w, 21);
	assert_int_equal(window_cursor(&w), 30);
	window_done(&w);
}

static void a_checkpoint_names_what_was_settled_out_of_order(void **state)
{
	struct window w, again;
	char *text;

	(void)state;
	window_init(&w);
	window_init(&again);
	assert_int_equal(window_load(&w, 0, SSF_STR("{[5,7)}")), 0);
	for (int64_t seq = 1; seq <= 4; seq++)
		assert_int_equal(offer(&w, seq, false), WINDOW_OPENED);
	settle(&w, 3);
	text = settled_text(&w);
	assert_string_equal(text, "{[3,4),[5,7)}");
	assert_int_equal(window_load(&again, window_cursor(&w), ssf_str_c(text)), 0);
	for (int64_t seq = 1; seq <= 7; seq++)
		assert_int_equal(offer(&again, seq, false), seq == 3 || seq == 5 || seq == 6 ? WINDOW_SETTLED : WINDOW_OPENED);
	free(text);
	window_done(&again);
	window_done(&w);
}

static void a_restart_keeps_what_is_settled(void **state)
{
	struct window w;

	(void)state;
	window_init(&w);
	for (int64_t seq = 1; seq <= 4; seq++)
		assert_int_equal(offer(&w, seq, false), WINDOW_OPENED);
	settle(&w, 1);
	settle(&w, 3);
	window_restart(&w);
	assert_int_equal(window_read_position(&w), 1);
	assert_int_equal(window_open_count(&w), 0);
	assert_int_equal(offer(&w, 2, false), WINDOW_OPENED);
	assert_int_equal(offer(&w, 3, false), WINDOW_SETTLED);
	assert_int_equal(offer(&w, 4, false), WINDOW_OPENED);
	window_done(&w);
}

/* A dead letter that is committed after its window was read again. */
static void an_event_without_an_entry_is_settled_by_its_seq(void **state)
{
	struct window w;

	(void)state;
	window_init(&w);
	assert_int_equal(offer(&w, 1, false), WINDOW_OPENED);
	window_settle_seq(&w, 3);
	assert_int_equal(offer(&w, 2, false), WINDOW_OPENED);
	assert_int_equal(offer(&w, 3, false), WINDOW_SETTLED);
	settle(&w, 1);
	settle(&w, 2);
	assert_int_equal(window_cursor(&w), 3);
	window_settle_seq(&w, 2); /* the cursor is past it */
	assert_settled_text(&w, "{}");
	window_done(&w);
}

static void dropped_events_do_not_come_back(void **state)
{
	struct window w;

	(void)state;
	window_init(&w);
	assert_int_equal(offer(&w, 1, false), WINDOW_OPENED); /* a control event of a disabled stream */
	window_drop(&w, 2);
	window_drop(&w, 5); /* the numbers between were never used */
	assert_settled_text(&w, "{[2,6)}");
	window_restart(&w);
	assert_int_equal(offer(&w, 1, false), WINDOW_OPENED);
	assert_int_equal(offer(&w, 2, false), WINDOW_SETTLED);
	assert_int_equal(offer(&w, 5, false), WINDOW_SETTLED);
	assert_int_equal(offer(&w, 6, false), WINDOW_OPENED);
	window_done(&w);
}

static void redeliveries_go_first_and_leave_the_cursor_alone(void **state)
{
	struct window w;
	size_t at = 0;

	(void)state;
	window_init(&w);
	assert_int_equal(window_load(&w, 10, SSF_STR("{}")), 0);
	assert_int_equal(offer(&w, 11, false), WINDOW_OPENED);
	assert_non_null(add_ahead(&w, 4, WINDOW_REDELIVERY));
	assert_int_equal(window_cursor(&w), 10);
	assert_int_equal(window_oldest(&w)->seq, 4);
	assert_int_equal(window_next(&w, &at)->event->seq, 4);
	assert_int_equal(window_next(&w, &at)->event->seq, 11);
	assert_null(window_next(&w, &at));
	assert_false(window_is_settled(&w, 4));
	settle(&w, 4);
	assert_true(window_is_settled(&w, 4));
	assert_int_equal(window_cursor(&w), 10);
	assert_settled_text(&w, "{}");
	window_done(&w);
}

/* After a crash the cursor may be below an event that is redelivered: its slot is settled, it is not. */
static void a_redelivery_above_the_cursor_is_found(void **state)
{
	struct window w;

	(void)state;
	window_init(&w);
	assert_int_equal(offer(&w, 1, false), WINDOW_OPENED);
	assert_int_equal(offer(&w, 2, true), WINDOW_SETTLED);
	assert_non_null(add_ahead(&w, 2, WINDOW_REDELIVERY));
	assert_false(window_is_settled(&w, 2));
	assert_int_equal(window_find(&w, 2)->place, WINDOW_REDELIVERY);
	settle(&w, 2);
	assert_true(window_is_settled(&w, 2));
	window_done(&w);
}

static void a_control_event_ahead_is_adopted_or_settled(void **state)
{
	ssf_auto(event) e = event_of(8);
	struct window_entry *ahead, *entry;
	struct window w;

	(void)state;
	window_init(&w);
	assert_int_equal(offer(&w, 1, false), WINDOW_OPENED);
	assert_non_null(add_ahead(&w, 7, WINDOW_CONTROL));
	ahead = add_ahead(&w, 8, WINDOW_CONTROL);
	assert_int_equal(window_oldest(&w)->seq, 1);
	settle(&w, 7); /* before the window has come to it */
	assert_settled_text(&w, "{[7,8)}");
	assert_int_equal(offer(&w, 7, false), WINDOW_SETTLED);
	assert_int_equal(window_offer(&w, e, false, &entry), WINDOW_ADOPTED);
	assert_ptr_equal(entry, ahead);
	settle(&w, 1);
	assert_int_equal(window_cursor(&w), 7); /* it holds the cursor now */
	settle(&w, 8);
	assert_int_equal(window_cursor(&w), 8);
	window_done(&w);
}

static void a_full_window_has_no_room(void **state)
{
	struct window w;

	(void)state;
	window_init(&w);
	for (int64_t seq = 1; seq <= WINDOW_OPEN_MAX; seq++) {
		assert_true(window_has_room(&w, false));
		assert_int_equal(offer(&w, seq, false), WINDOW_OPENED);
	}
	assert_false(window_has_room(&w, false));
	assert_true(window_has_room(&w, true));
	for (int64_t seq = WINDOW_OPEN_MAX + 1; seq <= WINDOW_SLOTS_MAX; seq++) {
		assert_true(window_has_room(&w, true));
		assert_int_equal(offer(&w, seq, false), WINDOW_OPENED);
		settle(&w, seq);
	}
	assert_false(window_has_room(&w, true)); /* the first one holds them all */
	settle(&w, 1);
	assert_true(window_has_room(&w, false));
	window_done(&w);
}

/* --- against the model ------------------------------------------------------------------------ */

struct model {
	struct window w;
	bool wanted[SEQS];
	bool exists[SEQS];
	bool settled[SEQS];   /* what the receiver has, or what is a dead letter */
	bool forgotten[SEQS]; /* settled, and since then the window was made from an older checkpoint */
	bool open[SEQS];      /* has an entry */
	int64_t head;         /* newest event */
	int64_t read;         /* read position */
	/* the last checkpoint */
	int64_t saved_cursor;
	char *saved_text;
	bool saved_settled[SEQS];
};

static unsigned seed;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void model_append(struct model *m)
{
	if (m->head + 4 >= SEQS)
		return;
	m->head += 1 + (any(10) == 0) * any(3); /* a failed append leaves a gap */
	m->exists[m->head] = true;
	m->wanted[m->head] = any(3) > 0;
}

static void model_read(struct model *m)
{
	int64_t seq = m->read + 1;

	while (seq <= m->head && !m->exists[seq])
		seq++;
	if (seq > m->head)
		return;
	if (!m->wanted[seq]) {
		window_pass(&m->w, seq);
	} else if (any(20) == 0 && !m->open[seq]) {
		window_drop(&m->w, seq);
		m->settled[seq] = true;
		m->forgotten[seq] = false;
	} else if (window_has_room(&m->w, false)) {
		enum window_offered offered = offer(&m->w, seq, false);
		bool settled = m->settled[seq] && !m->forgotten[seq];
		/* what is settled is never offered again */
		assert_int_equal(offered, settled ? WINDOW_SETTLED : m->open[seq] ? WINDOW_ADOPTED : WINDOW_OPENED);
		m->open[seq] = !settled;
	} else {
		return;
	}
	m->read = seq;
}

static void model_settle(struct model *m)
{
	int64_t seq = any((unsigned)m->head + 1);

	if (m->open[seq]) {
		settle(&m->w, seq);
		m->open[seq] = false;
	} else if (m->exists[seq] && m->wanted[seq] && seq > m->read && any(8) == 0) {
		window_settle_seq(&m->w, seq); /* a dead letter of a window that was dropped */
	} else {
		return;
	}
	m->settled[seq] = true;
	m->forgotten[seq] = false;
}

static void model_control(struct model *m)
{
	int64_t seq = m->read + 1 + any(5);

	if (seq > m->head || !m->wanted[seq] || m->open[seq] || (m->settled[seq] && !m->forgotten[seq]))
		return;
	if (add_ahead(&m->w, seq, WINDOW_CONTROL) != NULL)
		m->open[seq] = true;
}

static void model_save(struct model *m)
{
	free(m->saved_text);
	m->saved_cursor = window_cursor(&m->w);
	m->saved_text = settled_text(&m->w);
	for (int64_t seq = 0; seq < SEQS; seq++)
		m->saved_settled[seq] = m->settled[seq] && !m->forgotten[seq];
}

static void model_crash(struct model *m)
{
	assert_int_equal(window_load(&m->w, m->saved_cursor, ssf_str_c(m->saved_text)), 0);
	memset(m->open, 0, sizeof(m->open));
	m->read = m->saved_cursor;
	for (int64_t seq = 0; seq < SEQS; seq++) {
		/* an event that the checkpoint has is not lost; one that it does not have is sent again */
		m->forgotten[seq] = m->settled[seq] && !m->saved_settled[seq];
		if (m->saved_settled[seq] && m->wanted[seq])
			assert_true(window_is_settled(&m->w, seq));
		if (m->exists[seq] && m->wanted[seq] && seq <= m->saved_cursor)
			assert_true(m->settled[seq]);
	}
}

static void model_reconfigure(struct model *m)
{
	window_restart(&m->w);
	memset(m->open, 0, sizeof(m->open));
	m->read = window_read_position(&m->w);
}

static void model_check(const struct model *m)
{
	int64_t cursor = window_cursor(&m->w);
	size_t at = 0, open = 0;
	const struct window_entry *e;

	assert_int_equal(window_read_position(&m->w), m->read);
	for (int64_t seq = 1; seq <= m->head; seq++) {
		if (!m->exists[seq] || !m->wanted[seq])
			continue;
		if (seq <= cursor) /* the cursor never passes an open event, nor one that is lost */
			assert_true(m->settled[seq] && !m->open[seq]);
		if (seq <= m->read || m->open[seq])
			assert_int_equal(window_is_settled(&m->w, seq), !m->open[seq]);
		assert_int_equal(window_find(&m->w, seq) != NULL, m->open[seq]);
		open += m->open[seq];
	}
	assert_int_equal(window_open_count(&m->w), open);
	while ((e = window_next(&m->w, &at)) != NULL) {
		assert_true(m->open[e->event->seq]);
		open--;
	}
	assert_int_equal(open, 0);
}

static void run(unsigned number)
{
	struct model *m = calloc(1, sizeof(*m));

	seed = number;
	window_init(&m->w);
	model_save(m);
	for (int step = 0; step < 1500; step++) {
		unsigned what = any(100);
		if (what < 25)
			model_append(m);
		else if (what < 55)
			model_read(m);
		else if (what < 85)
			model_settle(m);
		else if (what < 90)
			model_control(m);
		else if (what < 96)
			model_save(m);
		else if (what < 98)
			model_reconfigure(m);
		else
			model_crash(m);
		model_check(m);
	}
	for (int step = 0; step < 100000 && (m->read < m->head || window_open_count(&m->w) > 0); step++) {
		model_read(m);
		model_settle(m);
	}
	model_check(m);
	assert_int_equal(window_cursor(&m->w), m->head); /* everything has been delivered */
	free(m->saved_text);
	window_done(&m->w);
	free(m);
}

static void random_runs_are_as_the_model(void **state)
{
	(void)state;
	for (unsigned number = 1; number <= 40; number++)
		run(number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cursor_passes_only_what_is_settled),
		cmocka_unit_test(a_followed_position_moves_the_cursor_of_an_empty_window),
		cmocka_unit_test(a_checkpoint_names_what_was_settled_out_of_order),
		cmocka_unit_test(a_restart_keeps_what_is_settled),
		cmocka_unit_test(an_event_without_an_entry_is_settled_by_its_seq),
		cmocka_unit_test(dropped_events_do_not_come_back),
		cmocka_unit_test(redeliveries_go_first_and_leave_the_cursor_alone),
		cmocka_unit_test(a_redelivery_above_the_cursor_is_found),
		cmocka_unit_test(a_control_event_ahead_is_adopted_or_settled),
		cmocka_unit_test(a_full_window_has_no_room),
		cmocka_unit_test(random_runs_are_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
