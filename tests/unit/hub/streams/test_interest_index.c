/* SPDX-License-Identifier: Apache-2.0 */
/* The index of streams against a look at each of them. */
#include "hub/streams/interest_index.h"
#include "hub/streams/subjects.h"
#include "lib/ssf/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STREAMS 60
#define TYPES 4
#define PEOPLE 12
#define VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification"

struct owner {
	struct stream *stream;
	struct subjects *subjects;
	bool found;
};

static unsigned seed = 4;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static json_t *person(unsigned n)
{
	char id[16];

	snprintf(id, sizeof(id), "p%u", n);
	return json_pack("{s:s, s:s}", "format", "opaque", "id", id);
}

/* A simple one, aliases, or a complex one. */
static json_t *some_subject(void)
{
	switch (any(3)) {
	case 0:
		return person(any(PEOPLE));
	case 1:
		return json_pack("{s:s, s:[o, o]}", "format", "aliases", "identifiers",
				 person(any(PEOPLE)), person(any(PEOPLE)));
	default:
		return json_pack("{s:s, s:o, s:o}", "format", "complex", "user",
				 person(any(PEOPLE)), any(2) ? "device" : "tenant",
				 person(any(PEOPLE)));
	}
}

static char *type_name(unsigned n)
{
	char *text = NULL;

	assert_true(asprintf(&text, "https://example.com/type/%u", n) > 0);
	return text;
}

static struct stream *some_stream(unsigned n)
{
	char id[16];
	struct stream *s = NULL;
	struct ssf_err err;
	json_t *client = json_pack("{s:s}", "audience", "https://client.example");
	json_t *spec = json_pack("{s:s, s:s, s:{s:s}}", "client", "c", "default_subjects",
				 any(2) ? "ALL" : "NONE", "delivery", "method", STREAM_METHOD_POLL);

	if (any(3) > 0) {
		json_t *events = json_array();
		for (unsigned t = 0; t < TYPES; t++) {
			char *name = type_name(t);
			if (any(2))
				json_array_append_new(events, json_string(name));
			free(name);
		}
		json_object_set_new(spec, "events", events);
	}
	snprintf(id, sizeof(id), "s%u", n);
	if (stream_parse(id, spec, client, &s, &err) < 0)
		fail_msg("%s", err.msg);
	json_decref(spec);
	json_decref(client);
	return s;
}

static bool wants(struct owner *o, const struct event *e)
{
	bool wanted = true;
	struct ssf_err err;

	if (!stream_wants(o->stream, e))
		return false;
	if (!e->control)
		assert_int_equal(subjects_wants(o->subjects, e->sub_id, 1000, &wanted, &err), 0);
	return wanted;
}

static void on_found(void *arg, void *owner)
{
	(void)arg;
	((struct owner *)owner)->found = true;
}

static void check(struct interest_index *x, struct owner *owners, const struct event *e)
{
	struct ssf_err err;

	for (unsigned i = 0; i < STREAMS; i++)
		owners[i].found = false;
	assert_int_equal(interest_index_find(x, e, on_found, NULL, &err), 0);
	for (unsigned i = 0; i < STREAMS; i++) {
		if (owners[i].stream != NULL && wants(&owners[i], e))
			assert_true(owners[i].found);
		if (owners[i].stream == NULL)
			assert_false(owners[i].found);
	}
}

static void check_some_event(struct interest_index *x, struct owner *owners)
{
	char *type = type_name(any(TYPES));
	json_t *sub_id = some_subject();
	struct event e = { .type = type, .origin = "rules", .sub_id = sub_id };

	assert_int_equal(ssf_subject_key(sub_id, e.subject_key), 0);
	check(x, owners, &e);
	json_decref(sub_id);
	free(type);
}

static void change_subjects(struct owner *o)
{
	json_t *subject = some_subject();
	struct ssf_err err;
	int r = any(3) > 0 ? subjects_add(o->subjects, subject, &err)
			   : subjects_remove(o->subjects, subject, 500, &err);

	assert_int_equal(r, 0);
	json_decref(subject);
}

static void owner_start(struct interest_index *x, struct owner *o, unsigned n)
{
	struct ssf_err err;

	o->stream = some_stream(n);
	o->subjects = subjects_new(o->stream->all_subjects, SUBJECTS_MAX);
	if (!o->stream->all_subjects)
		subjects_index(o->subjects, x, o);
	assert_int_equal(interest_index_add(x, o->stream, o, &err), 0);
}

static void owner_end(struct interest_index *x, struct owner *o)
{
	interest_index_remove(x, o->stream, o);
	subjects_free(o->subjects);
	stream_free(o->stream);
	o->stream = NULL;
}

static void finds_all_that_want_an_event(void **state)
{
	struct interest_index *x = interest_index_new();
	struct owner owners[STREAMS] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		unsigned n = any(STREAMS);
		struct owner *o = &owners[n];
		if (o->stream == NULL)
			owner_start(x, o, n);
		else if (any(40) == 0)
			owner_end(x, o);
		else
			change_subjects(o);
		check_some_event(x, owners);
	}
	for (unsigned i = 0; i < STREAMS; i++) {
		if (owners[i].stream != NULL)
			owner_end(x, &owners[i]);
	}
	interest_index_free(x); /* asserts that nothing is left */
}

static void control_events_find_their_stream_alone(void **state)
{
	struct interest_index *x = interest_index_new();
	struct owner owners[STREAMS] = { 0 };
	struct event e = { .type = VERIFICATION, .origin = "stream:s7", .control = true };

	(void)state;
	for (unsigned i = 0; i < STREAMS; i++)
		owner_start(x, &owners[i], i);
	check(x, owners, &e);
	for (unsigned i = 0; i < STREAMS; i++)
		assert_int_equal(owners[i].found, i == 7);
	assert_ptr_equal(interest_index_by_id(x, "s7"), &owners[7]);
	assert_null(interest_index_by_id(x, "other"));
	for (unsigned i = 0; i < STREAMS; i++)
		owner_end(x, &owners[i]);
	interest_index_free(x);
}

/* What it costs does not grow with streams that take other subjects. */
static void subjects_of_others_are_not_looked_at(void **state)
{
	struct interest_index *x = interest_index_new();
	struct owner owners[STREAMS] = { 0 };
	json_t *client = json_pack("{s:s}", "audience", "https://client.example");
	json_t *spec = json_pack("{s:s, s:s, s:{s:s}}", "client", "c", "default_subjects", "NONE",
				 "delivery", "method", STREAM_METHOD_POLL);
	json_t *about = person(3);
	struct event e = { .type = "https://example.com/type/0",
			   .origin = "rules",
			   .sub_id = about };
	struct ssf_err err;

	(void)state;
	assert_int_equal(ssf_subject_key(about, e.subject_key), 0);
	for (unsigned i = 0; i < STREAMS; i++) {
		char id[16];
		json_t *subject = person(i);
		snprintf(id, sizeof(id), "s%u", i);
		assert_int_equal(stream_parse(id, spec, client, &owners[i].stream, &err), 0);
		owners[i].subjects = subjects_new(false, SUBJECTS_MAX);
		subjects_index(owners[i].subjects, x, &owners[i]);
		assert_int_equal(interest_index_add(x, owners[i].stream, &owners[i], &err), 0);
		assert_int_equal(subjects_add(owners[i].subjects, subject, &err), 0);
		json_decref(subject);
	}
	check(x, owners, &e);
	for (unsigned i = 0; i < STREAMS; i++) {
		assert_int_equal(owners[i].found, i == 3);
		owner_end(x, &owners[i]);
	}
	json_decref(about);
	json_decref(spec);
	json_decref(client);
	interest_index_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_all_that_want_an_event),
		cmocka_unit_test(control_events_find_their_stream_alone),
		cmocka_unit_test(subjects_of_others_are_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
