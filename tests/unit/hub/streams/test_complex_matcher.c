/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of a match, counted in subjects that are looked at or hashed. Results: test_subjects.c.
 */
#include "hub/streams/complex_matcher.h"

#include "lib/ssf/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FIELDS 6
#define SUBJECTS 5000

static const char *const names[FIELDS] = { "app", "device", "group", "session", "tenant", "user" };

/* values[i] < 0: the field is absent. */
static struct complex_fields *fields_of(const int values[FIELDS])
{
	struct complex_fields *f;
	json_auto_t *subject = json_pack("{s:s}", "format", "complex");
	char id[24];

	for (int i = 0; i < FIELDS; i++) {
		snprintf(id, sizeof(id), "%d", values[i]);
		if (values[i] >= 0)
			json_object_set_new(subject, names[i],
					    json_pack("{s:s, s:s}", "format", "opaque", "id", id));
	}
	f = complex_fields_new(subject);
	assert_non_null(f);
	for (size_t i = 0; i < f->count; i++) { /* names that outlive the JSON */
		for (int n = 0; n < FIELDS; n++) {
			if (strcmp(f->at[i].name, names[n]) == 0)
				f->at[i].name = names[n];
		}
	}
	return f;
}

static struct compound *add(struct complex_matcher *m, const int values[FIELDS])
{
	ssf_auto(complex_fields) f = fields_of(values);
	struct compound *c = calloc(1, sizeof(*c) + f->count * sizeof(c->keys[0]));
	struct ssf_err err;

	c->count = f->count;
	for (size_t i = 0; i < f->count; i++)
		memcpy(c->keys[i].value, f->at[i].value, SSF_SHA256_LEN);
	assert_int_equal(complex_matcher_join(m, f, c, &err), 0);
	assert_int_equal(complex_matcher_activate(m, c, &err), 0);
	return c;
}

static bool match(struct complex_matcher *m, const int values[FIELDS])
{
	ssf_auto(complex_fields) f = fields_of(values);
	bool matches;

	assert_int_equal(complex_matcher_match(m, f, false, &matches), 0);
	return matches;
}

/* Subjects of six fields: each its own user, the other values are shared by half or all of them. */
static struct compound **many(struct complex_matcher *m)
{
	struct compound **all = calloc(SUBJECTS, sizeof(struct compound *));

	for (int i = 0; i < SUBJECTS; i++)
		all[i] = add(m, (int[FIELDS]){ i % 2, i % 2, i % 2, i % 2, i % 2, i });
	return all;
}

static void drop(struct complex_matcher *m, struct compound **all)
{
	for (int i = 0; i < SUBJECTS; i++) {
		complex_matcher_leave(m, all[i]);
		free(all[i]);
	}
	assert_int_equal(m->count, 0);
	assert_int_equal(m->projected, 0);
	free(all);
	complex_matcher_done(m);
}

static void a_value_that_no_subject_has_costs_no_look(void **state)
{
	struct complex_matcher m = { 0 };
	struct compound **all = many(&m);
	uint64_t before = m.steps;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(match(&m, (int[FIELDS]){ 0, 0, 0, 0, 0, SUBJECTS + i }));
	assert_int_equal(m.steps, before);
	drop(&m, all);
}

static void a_rare_value_costs_a_look_at_those_that_have_it(void **state)
{
	struct complex_matcher m = { 0 };
	struct compound **all = many(&m);
	uint64_t before = m.steps;

	(void)state;
	for (int mask = 0; mask < 32; mask++) { /* every combination of the other fields */
		int values[FIELDS] = { -1, -1, -1, -1, -1, 7 };
		for (int i = 0; i < FIELDS - 1; i++)
			values[i] = (mask >> i & 1) != 0 ? 1 : -1;
		assert_true(match(&m, values));
		if (mask != 0)
			assert_false(match(&m, (int[FIELDS]){ mask & 1 ? 0 : -1, mask & 2 ? 0 : -1,
							      mask & 4 ? 0 : -1, mask & 8 ? 0 : -1,
							      mask & 16 ? 0 : -1, 7 }));
	}
	assert_true(m.steps - before <= 64);
	drop(&m, all);
}

/*
 * Values that thousands of subjects have, in combinations that none has: ten different sets of
 * fields in turn. With eight projections and none to spare, each event made one.
 */
static void sets_of_fields_in_turn_do_not_rebuild_projections(void **state)
{
	static const int masks[] = { 0x3, 0x5, 0x9, 0x11, 0x6, 0xa, 0x12, 0xc, 0x14, 0x18 };
	struct complex_matcher m = { 0 };
	struct compound **all = many(&m);
	uint64_t warm = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		int values[FIELDS] = { -1, -1, -1, -1, -1, -1 },
		    mask = masks[round % SSF_ARRAY_SIZE(masks)];
		for (int i = 0, n = 0; i < FIELDS; i++) {
			if ((mask >> i & 1) != 0)
				values[i] = n++ % 2; /* 0 and 1: no subject has both */
		}
		assert_false(match(&m, values));
		if (round == 999)
			warm = m.steps;
	}
	assert_int_equal(m.steps, warm); /* all have their projection by then */
	assert_true(warm < UINT64_C(40) * SUBJECTS * SSF_ARRAY_SIZE(masks));
	drop(&m, all);
}

/*
 * More sets of fields than projections: never more than twice a look at those with the rarest
 * value.
 */
static void more_sets_than_projections_cost_no_more_than_looks(void **state)
{
	struct complex_matcher m = { 0 };
	struct compound **all = many(&m);
	uint64_t before;
	int events = 0;

	(void)state;
	before = m.steps;
	for (int round = 0; round < 20; round++) {
		for (int mask = 1; mask < 32; mask++) {
			int values[FIELDS] = { -1, -1, -1, -1, -1, -1 };
			if (__builtin_popcount((unsigned)mask) < 2)
				continue;
			for (int i = 0, n = 0; i < FIELDS; i++) {
				if ((mask >> i & 1) != 0)
					values[i] = n++ % 2;
			}
			assert_false(match(&m, values));
			events++;
		}
	}
	assert_true(m.steps - before <= (uint64_t)events * SUBJECTS);
	drop(&m, all);
}

static void projections_follow_what_is_added_and_taken_out(void **state)
{
	struct complex_matcher m = { 0 };
	struct compound **all = many(&m), *one;
	const int both[FIELDS] = { 0, 1, -1, -1, -1, -1 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(match(&m, both));
	assert_true(m.projected > 0);
	one = add(&m, (int[FIELDS]){ 0, 1, 0, 0, 0, SUBJECTS });
	assert_true(match(&m, both));
	complex_matcher_leave(&m, one);
	free(one);
	assert_false(match(&m, both));
	drop(&m, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_that_no_subject_has_costs_no_look),
		cmocka_unit_test(a_rare_value_costs_a_look_at_those_that_have_it),
		cmocka_unit_test(sets_of_fields_in_turn_do_not_rebuild_projections),
		cmocka_unit_test(more_sets_than_projections_cost_no_more_than_looks),
		cmocka_unit_test(projections_follow_what_is_added_and_taken_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
