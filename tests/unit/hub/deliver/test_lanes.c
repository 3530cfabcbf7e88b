/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes against the rule itself: an event may go when no earlier one of its subject is unsettled. */
#include "hub/deliver/outlet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW 300
#define SUBJECTS 40

struct item {
	struct entry entry;
	struct event event;
	bool in, begun;
};

static unsigned seed = 7;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

/* Subjects 0 and 1 share their bucket, whatever the size of the table. */
static void add(struct lanes *l, struct item *it, int64_t seq)
{
	unsigned subject = any(SUBJECTS);

	*it = (struct item){ .in = true };
	it->event.seq = seq;
	it->event.subject_key[0] = (uint8_t)(subject / 2);
	it->event.subject_key[20] = (uint8_t)(subject % 2);
	it->entry.event = &it->event;
	assert_int_equal(lanes_add(l, &it->entry), 0);
}

static bool is_first(const struct item *items, size_t count, const struct item *it)
{
	for (size_t i = 0; i < count; i++) {
		if (items[i].in && items[i].event.seq < it->event.seq &&
		    memcmp(items[i].event.subject_key, it->event.subject_key, SSF_SHA256_LEN) == 0)
			return false;
	}
	return true;
}

static void check(const struct lanes *l, const struct item *items, size_t count)
{
	const struct entry *e;
	size_t ready = 0, listed = 0;

	for (size_t i = 0; i < count; i++) {
		bool may = items[i].in && !items[i].begun && is_first(items, count, &items[i]);
		assert_int_equal(items[i].in && items[i].entry.ready, may);
		ready += may;
	}
	TAILQ_FOREACH(e, &l->ready, ready_link)
		listed++;
	assert_int_equal(listed, ready);
}

static void only_the_oldest_of_a_subject_is_ready(void **state)
{
	struct item *items = calloc(WINDOW, sizeof(*items));
	struct lanes l;
	int64_t seq = 1;

	(void)state;
	lanes_init(&l);
	for (unsigned step = 0; step < 20000; step++) {
		struct item *it = &items[any(WINDOW)];
		if (!it->in) {
			add(&l, it, seq++);
		} else if (it->entry.ready) {
			lanes_take(&l, &it->entry);
			it->begun = true;
		} else if (it->begun && any(8) == 0) {
			lanes_give_back(&l, &it->entry);
			it->begun = false;
		} else if (it->begun || any(8) == 0) { /* also from behind others */
			lanes_remove(&l, &it->entry);
			it->in = it->begun = false;
		} else if (any(8) == 0) {
			lanes_give_back(&l, &it->entry); /* it is not its turn */
		}
		if (step % 16 == 0)
			check(&l, items, WINDOW);
	}
	for (int64_t s = 1; s < seq; s++) { /* a window that is dropped: oldest first */
		for (size_t i = 0; i < WINDOW; i++) {
			if (items[i].in && items[i].event.seq == s) {
				lanes_remove(&l, &items[i].entry);
				items[i].in = false;
			}
		}
	}
	assert_true(TAILQ_EMPTY(&l.ready));
	lanes_done(&l); /* asserts that no lane is left */
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_oldest_of_a_subject_is_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
