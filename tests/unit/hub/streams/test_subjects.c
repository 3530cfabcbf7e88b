/* SPDX-License-Identifier: Apache-2.0 */
/* The subjects of a stream: by hand, against a plain list of them, and how cost grows. */
#include "hub/streams/subjects.h"

#include "hub/streams/complex_matcher.h"
#include "lib/ssf/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define EMAIL(address) "{'format':'email','email':'" address "'}"
#define OPAQUE(id) "{'format':'opaque','id':'" id "'}"
#define ALIASES(list) "{'format':'aliases','identifiers':[" list "]}"
#define COMPLEX(fields) "{'format':'complex'," fields "}"
#define NOW 1000

/* JSON with apostrophes for quotes. */
static json_t *json(const char *text)
{
	char copy[1024];
	size_t len = (size_t)snprintf(copy, sizeof(copy), "%s", text);
	json_t *value;

	assert_true(len < sizeof(copy));
	for (size_t i = 0; i < len; i++) {
		if (copy[i] == '\'')
			copy[i] = '"';
	}
	value = json_loads(copy, 0, NULL);
	assert_non_null(value);
	return value;
}

static void add(struct subjects *s, const char *text)
{
	json_auto_t *subject = json(text);
	struct ssf_err err;

	if (subjects_add(s, subject, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static void take_out(struct subjects *s, const char *text, int64_t until)
{
	json_auto_t *subject = json(text);
	struct ssf_err err;

	if (subjects_remove(s, subject, until, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static bool wants(struct subjects *s, const char *text, int64_t now)
{
	json_auto_t *subject = json(text);
	struct ssf_err err;
	bool wanted = false;

	assert_int_equal(subjects_wants(s, subject, now, &wanted, &err), 0);
	return wanted;
}

static void none_by_default(void **state)
{
	ssf_auto(subjects) s = subjects_new(false, SUBJECTS_MAX);

	(void)state;
	assert_false(wants(s, EMAIL("a@b"), NOW));
	assert_false(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW));
	add(s, EMAIL("a@b"));
	add(s, EMAIL("a@b"));
	assert_int_equal(subjects_used(s), 1);
	assert_true(wants(s, EMAIL("a@b"), NOW));
	assert_true(wants(s, "{'email':'a@b','format':'email'}", NOW));
	assert_true(wants(s, ALIASES(OPAQUE("1") "," EMAIL("a@b")), NOW));
	assert_false(wants(s, EMAIL("A@b"), NOW));
	assert_false(wants(s, ALIASES(OPAQUE("1") "," EMAIL("c@b")), NOW));
	assert_false(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW));

	take_out(s, EMAIL("a@b"), NOW);
	take_out(s, EMAIL("never@added"), NOW);
	assert_false(wants(s, EMAIL("a@b"), NOW));
	assert_int_equal(subjects_used(s), 0);
}

static void all_by_default(void **state)
{
	ssf_auto(subjects) s = subjects_new(true, SUBJECTS_MAX);

	(void)state;
	assert_true(wants(s, EMAIL("a@b"), NOW));
	add(s, EMAIL("a@b"));
	assert_int_equal(subjects_used(s), 0);
	take_out(s, EMAIL("a@b"), NOW);
	take_out(s, EMAIL("a@b"), NOW + 50);
	assert_int_equal(subjects_used(s), 1);
	assert_false(wants(s, EMAIL("a@b"), NOW));
	assert_false(wants(s, ALIASES(OPAQUE("1") "," EMAIL("a@b")), NOW));
	assert_true(wants(s, EMAIL("b@b"), NOW));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW));
	add(s, EMAIL("a@b"));
	assert_true(wants(s, EMAIL("a@b"), NOW));
	assert_int_equal(subjects_used(s), 0);
}

static void added_complex_subjects_have_wildcards(void **state)
{
	ssf_auto(subjects) s = subjects_new(false, SUBJECTS_MAX);

	(void)state;
	add(s, COMPLEX("'tenant':" OPAQUE("t")));
	assert_true(wants(s, COMPLEX("'tenant':" OPAQUE("t") ",'user':" EMAIL("a@b")), NOW));
	assert_false(wants(s, COMPLEX("'tenant':" OPAQUE("u") ",'user':" EMAIL("a@b")), NOW));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW)); /* no common field */
	assert_false(wants(s, OPAQUE("t"), NOW));
	take_out(s, COMPLEX("'tenant':" OPAQUE("t")), NOW);
	assert_false(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW));

	add(s, COMPLEX("'user':" EMAIL("a@b") ",'device':" OPAQUE("d")));
	add(s, COMPLEX("'user':" EMAIL("c@b") ",'device':" OPAQUE("e")));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("c@b") ",'group':" OPAQUE("g")), NOW));
	assert_true(wants(s, COMPLEX("'device':" OPAQUE("e") ",'user':" EMAIL("c@b")), NOW));
	/* each value is there, but not in one subject */
	assert_false(wants(s, COMPLEX("'device':" OPAQUE("e") ",'user':" EMAIL("a@b")), NOW));
	take_out(s, COMPLEX("'device':" OPAQUE("d") ",'user':" EMAIL("a@b")), NOW);
	assert_false(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("c@b")), NOW));
}

static void removed_complex_subjects_have_none(void **state)
{
	ssf_auto(subjects) s = subjects_new(true, SUBJECTS_MAX);

	(void)state;
	take_out(s, COMPLEX("'user':" EMAIL("a@b") ",'device':" OPAQUE("d")), NOW);
	assert_false(wants(s, COMPLEX("'user':" EMAIL("a@b") ",'device':" OPAQUE("d")), NOW));
	assert_false(wants(
		s, COMPLEX("'user':" EMAIL("a@b") ",'device':" OPAQUE("d") ",'group':" OPAQUE("g")),
		NOW));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("a@b")), NOW)); /* on other devices too */
	assert_true(wants(s, COMPLEX("'group':" OPAQUE("g")), NOW));
	assert_true(wants(s, COMPLEX("'user':" EMAIL("a@b") ",'device':" OPAQUE("e")), NOW));
}

static void aliases_may_share_identifiers(void **state)
{
	ssf_auto(subjects) s = subjects_new(false, SUBJECTS_MAX);

	(void)state;
	add(s, ALIASES(OPAQUE("1") "," EMAIL("a@b")));
	add(s, ALIASES(OPAQUE("2") "," EMAIL("a@b") "," EMAIL("a@b")));
	assert_int_equal(subjects_used(s), 5);
	assert_true(wants(s, EMAIL("a@b"), NOW));
	assert_true(wants(s, ALIASES(OPAQUE("3") "," OPAQUE("2")), NOW));
	take_out(s, ALIASES(OPAQUE("2") "," EMAIL("a@b") "," EMAIL("a@b")), NOW);
	assert_true(wants(s, EMAIL("a@b"), NOW));
	assert_false(wants(s, OPAQUE("2"), NOW));
	take_out(s, EMAIL("a@b"), NOW); /* was not added as such */
	assert_true(wants(s, EMAIL("a@b"), NOW));
	take_out(s, ALIASES(OPAQUE("1") "," EMAIL("a@b")), NOW);
	assert_false(wants(s, EMAIL("a@b"), NOW));
	assert_int_equal(subjects_used(s), 0);
}

static void removed_subjects_flow_until_their_grace_ends(void **state)
{
	static const char *const subjects[] = {
		EMAIL("a@b"),
		ALIASES(OPAQUE("1") "," EMAIL("a@b")),
		COMPLEX("'user':" EMAIL("a@b") ",'device':" OPAQUE("d")),
	};

	(void)state;
	for (size_t i = 0; i < 2 * SSF_ARRAY_SIZE(subjects); i++) {
		const char *text = subjects[i / 2];
		ssf_auto(subjects) s = subjects_new(i % 2 == 0, SUBJECTS_MAX);

		add(s, text);
		take_out(s, text, NOW + 10);
		take_out(s, text, NOW + 20); /* does not lengthen it */
		assert_true(wants(s, text, NOW + 9));
		add(s, text); /* before the end: as if it had not been removed */
		assert_true(wants(s, text, NOW + 30));
		take_out(s, text, NOW + 50);
		take_out(s, text, NOW + 40); /* shortens it */
		assert_true(wants(s, text, NOW + 39));
		assert_false(wants(s, text, NOW + 40));
		take_out(s, text, NOW + 60); /* does not bring it back */
		assert_false(wants(s, text, NOW + 41));
		add(s, text);
		assert_true(wants(s, text, NOW + 42));
	}
}

static void refuse(struct subjects *s, const char *text, enum ssf_code code)
{
	json_auto_t *subject = json(text);
	size_t used = subjects_used(s);
	struct ssf_err err;

	assert_int_equal(subjects_add(s, subject, &err), -1);
	assert_int_equal(err.code, code);
	assert_int_equal(subjects_used(s), used);
	assert_int_equal(subjects_remove(s, subject, NOW, &err), code == SSF_E_LIMIT ? 0 : -1);
}

static void limits(void **state)
{
	ssf_auto(subjects) s = subjects_new(false, 4);
	ssf_auto(subjects) shapes = subjects_new(false, SUBJECTS_MAX);
	char text[64];

	(void)state;
	add(s, OPAQUE("1"));
	add(s, COMPLEX("'user':" OPAQUE("1") ",'device':" OPAQUE("1")));
	refuse(s, ALIASES(OPAQUE("2") "," OPAQUE("3")), SSF_E_LIMIT);
	refuse(s, COMPLEX("'user':" OPAQUE("2") ",'device':" OPAQUE("1")), SSF_E_LIMIT);
	assert_false(wants(s, OPAQUE("2"), NOW));
	add(s, OPAQUE("4"));
	refuse(s, OPAQUE("5"), SSF_E_LIMIT);
	add(s, OPAQUE("4"));
	take_out(s, OPAQUE("4"), NOW);
	assert_false(wants(s, OPAQUE("4"), NOW));
	add(s, OPAQUE("5"));
	refuse(s, "{'format':'opaque'}", SSF_E_MALFORMED);
	refuse(s, "[]", SSF_E_MALFORMED);

	for (int i = 0; i < COMPLEX_SHAPES_MAX; i++) {
		snprintf(text, sizeof(text), COMPLEX("'m%d':" OPAQUE("1")), i);
		add(shapes, text);
	}
	refuse(shapes, COMPLEX("'another':" OPAQUE("1")), SSF_E_LIMIT);
	add(shapes, COMPLEX("'m7':" OPAQUE("2")));
	take_out(shapes, COMPLEX("'m8':" OPAQUE("1")), NOW);
	assert_true(wants(shapes, COMPLEX("'m7':" OPAQUE("2")), NOW));
	add(shapes, COMPLEX("'another':" OPAQUE("1")));
}

/* xorshift64: the same numbers everywhere. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static unsigned below(uint64_t *seed, unsigned n)
{
	return (unsigned)(next_random(seed) >> 33) % n;
}

/* From so few values that many are equal or nearly so. */
static json_t *random_simple(uint64_t *seed, unsigned values)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", below(seed, values));
	return below(seed, 4) == 0 ? ssf_subject_iss_sub("https://i", id) : ssf_subject_opaque(id);
}

static json_t *random_subject(uint64_t *seed)
{
	static const char *const names[] = { "user", "device", "session", "tenant", "a", "zone" };
	json_t *subject;

	switch (below(seed, 4)) {
	case 0:
		return random_simple(seed, 30);
	case 1:
		subject = json_pack("{s:s, s:[]}", "format", "aliases", "identifiers");
		for (unsigned n = 1 + below(seed, 3); n > 0; n--)
			json_array_append_new(json_object_get(subject, "identifiers"),
					      random_simple(seed, 30));
		return subject;
	default:
		subject = json_pack("{s:s}", "format", "complex");
		for (unsigned n = 1 + below(seed, 5); n > 0; n--)
			json_object_set_new(subject, names[below(seed, SSF_ARRAY_SIZE(names))],
					    random_simple(seed, 3));
		return subject;
	}
}

/* What the set is compared with: a list of subjects, each looked at. */
struct listed {
	json_t *subject;
	int64_t until;
};

struct list {
	bool all;
	size_t count;
	struct listed at[400];
};

static struct listed *list_find(struct list *l, const json_t *subject)
{
	for (size_t i = 0; i < l->count; i++) {
		if (json_equal(l->at[i].subject, subject))
			return &l->at[i];
	}
	return NULL;
}

static void list_drop(struct list *l, struct listed *e)
{
	json_decref(e->subject);
	*e = l->at[--l->count];
}

static void list_keep(struct list *l, json_t *subject, int64_t until)
{
	assert_true(l->count < SSF_ARRAY_SIZE(l->at));
	l->at[l->count++] = (struct listed){ json_incref(subject), until };
}

static void list_add(struct list *l, json_t *subject)
{
	struct listed *e = list_find(l, subject);

	if (l->all && e != NULL)
		list_drop(l, e);
	else if (!l->all && e != NULL)
		e->until = INT64_MAX;
	else if (!l->all)
		list_keep(l, subject, INT64_MAX);
}

static void list_remove(struct list *l, json_t *subject, int64_t until)
{
	struct listed *e = list_find(l, subject);

	if (e != NULL && until < e->until)
		e->until = until;
	else if (e == NULL && l->all)
		list_keep(l, subject, until);
}

static bool list_wants(struct list *l, const json_t *subject, int64_t now)
{
	for (size_t i = l->count; i > 0 && !l->all; i--) {
		if (l->at[i - 1].until <= now)
			list_drop(l, &l->at[i - 1]);
	}
	for (size_t i = 0; i < l->count; i++) {
		if (l->all && l->at[i].until <= now &&
		    ssf_subject_covers(l->at[i].subject, subject))
			return false;
		if (!l->all && ssf_subject_matches(l->at[i].subject, subject))
			return true;
	}
	return l->all;
}

/* Keeps one subject more, or one less. */
static void change_both(struct subjects *s, struct list *l, json_t *subject, int64_t until,
			bool more)
{
	struct ssf_err err;

	if (more == l->all) {
		assert_int_equal(subjects_remove(s, subject, until, &err), 0);
		list_remove(l, subject, until);
	} else {
		assert_int_equal(subjects_add(s, subject, &err), 0);
		list_add(l, subject);
	}
}

static void compare_with_list(bool all, uint64_t seed)
{
	ssf_auto(subjects) s = subjects_new(all, SUBJECTS_MAX);
	struct list list = { .all = all };
	size_t answers[2] = { 0 };
	int64_t now = NOW;

	for (int step = 0; step < 8000; step++) {
		size_t target = all || step % 1000 >= 800 ? 100
							  : 3; /* both answers are to happen */
		json_auto_t *subject = random_subject(&seed);
		struct ssf_err err;

		if (below(&seed, 2) == 0) {
			bool expected = list_wants(&list, subject, now);
			bool wanted = !expected;
			assert_int_equal(subjects_wants(s, subject, now, &wanted, &err), 0);
			if (wanted != expected)
				fail_msg("step %d of seed %llu", step, (unsigned long long)seed);
			answers[wanted]++;
			now += below(&seed, 3) == 0;
			continue;
		}
		bool more = list.count < target;
		int64_t until = now + (int64_t)below(&seed, 20);
		if (!more || (list.count > 0 && below(&seed, 4) == 0)) {
			json_decref(subject);
			subject = json_incref(list.at[below(&seed, (unsigned)list.count)].subject);
		}
		change_both(s, &list, subject, until, more);
	}
	assert_true(answers[false] > 500 && answers[true] > 500);
	while (list.count > 0)
		list_drop(&list, &list.at[0]);
}

static void same_as_looking_at_each(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		compare_with_list(false, seed * 7919);
		compare_with_list(true, seed * 104729);
	}
}

/* A third of each kind, all for the same few fields. */
static struct subjects *many(unsigned count)
{
	struct subjects *s = subjects_new(false, SUBJECTS_MAX);
	struct ssf_err err;

	for (unsigned i = 0; i < count; i++) {
		char id[16];
		snprintf(id, sizeof(id), "in%u", i);
		json_t *simple = ssf_subject_opaque(id);
		json_auto_t *subject = i % 3 == 0 ? json_incref(simple)
				       : i % 3 == 1
					       ? json_pack("{s:s, s:[O]}", "format", "aliases",
							   "identifiers", simple)
					       : json_pack("{s:s, s:O, s:O}", "format", "complex",
							   "user", simple, "tenant", simple);
		json_decref(simple);
		assert_int_equal(subjects_add(s, subject, &err), 0);
	}
	return s;
}

/* Every second one goes: all others are still found, in tables that grew and shrank. */
static void many_come_and_go(void **state)
{
	ssf_auto(subjects) s = many(3000);
	char text[160];

	(void)state;
	for (int i = 0; i < 3000; i += 6) {
		snprintf(text, sizeof(text), OPAQUE("in%d"), i);
		take_out(s, text, NOW);
		snprintf(text, sizeof(text), ALIASES(OPAQUE("in%d")), i + 1);
		take_out(s, text, NOW);
	}
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), OPAQUE("in%d"), i);
		assert_int_equal(wants(s, text, NOW), i % 3 != 2 && i % 6 > 1);
		snprintf(text, sizeof(text), COMPLEX("'user':" OPAQUE("in%d")), i);
		assert_int_equal(wants(s, text, NOW), i % 3 == 2);
	}
	assert_int_equal(subjects_used(s), 500 + 500 + 2000);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The shortest of some rounds: what else runs on the machine only lengthens them. */
static double time_of_misses(struct subjects *s)
{
	double best = 1e9;

	for (int round = 0; round < 10; round++) {
		double start = seconds();
		for (int i = 0; i < 300; i++) {
			char text[160];
			snprintf(text, sizeof(text), OPAQUE("out%d"), i);
			assert_false(wants(s, text, NOW));
			snprintf(text, sizeof(text),
				 COMPLEX("'user':" OPAQUE("out%d") ",'group':" OPAQUE("in2")), i);
			assert_false(wants(s, text, NOW));
		}
		double took = seconds() - start;
		best = took < best ? took : best;
	}
	return best;
}

static void cost_of_an_event_does_not_grow_with_the_subjects(void **state)
{
	ssf_auto(subjects) few = many(1000);
	ssf_auto(subjects) lots = many(100000);
	double base = time_of_misses(few);
	double ratio = time_of_misses(lots) / base;

	(void)state;
	print_message("100,000 subjects: %.2f times the cost of 1,000 (%.2f us an event)\n", ratio,
		      base * 1e6 / 600);
	assert_true(ratio <= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_by_default),
		cmocka_unit_test(all_by_default),
		cmocka_unit_test(added_complex_subjects_have_wildcards),
		cmocka_unit_test(removed_complex_subjects_have_none),
		cmocka_unit_test(aliases_may_share_identifiers),
		cmocka_unit_test(removed_subjects_flow_until_their_grace_ends),
		cmocka_unit_test(limits),
		cmocka_unit_test(same_as_looking_at_each),
		cmocka_unit_test(many_come_and_go),
		cmocka_unit_test(cost_of_an_event_does_not_grow_with_the_subjects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
