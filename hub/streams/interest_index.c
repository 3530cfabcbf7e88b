/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of owners under hashes of what leads to them. */
#include "hub/streams/interest_index.h"

#include "hub/streams/keymap.h"
#include "lib/ssf/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct owners {
	size_t count, room;
	void *at[];
};

struct interest_index {
	struct keymap ids;      /* owner */
	struct keymap types;    /* struct owners: of streams that take all subjects */
	struct keymap subjects; /* struct owners: of streams that take those that were added */
	struct owners *any;     /* of streams that take all subjects and all types */
	struct owners *complex; /* of streams to which a complex subject was added */
};

static int owners_add(struct owners **list, void *owner)
{
	struct owners *l = *list;

	if (l == NULL || l->count == l->room) {
		size_t room = l != NULL ? 2 * l->room : 1;
		struct owners *grown = realloc(l, sizeof(*l) + room * sizeof(l->at[0]));
		if (grown == NULL)
			return -1;
		if (l == NULL)
			grown->count = 0;
		grown->room = room;
		*list = l = grown;
	}
	l->at[l->count++] = owner;
	return 0;
}

/* From the end: what came last often goes first. */
static void owners_drop(struct owners *l, const void *owner)
{
	for (size_t i = l != NULL ? l->count : 0; i > 0; i--) {
		if (l->at[i - 1] == owner) {
			l->at[i - 1] = l->at[--l->count];
			return;
		}
	}
	assert(false);
}

static void owners_call(const struct owners *l, interest_index_f *f, void *arg)
{
	for (size_t i = 0; l != NULL && i < l->count; i++)
		f(arg, l->at[i]);
}

static int put(struct keymap *m, const uint8_t key[SSF_SHA256_LEN], void *owner)
{
	struct keymap_slot *slot = keymap_put(m, key);
	struct owners *list = slot != NULL ? slot->ptr : NULL;

	if (slot == NULL)
		return -1;
	if (owners_add(&list, owner) < 0) {
		if (list == NULL)
			keymap_delete(m, slot);
		return -1;
	}
	slot->ptr = list;
	return 0;
}

static void drop(struct keymap *m, const uint8_t key[SSF_SHA256_LEN], const void *owner)
{
	struct keymap_slot *slot = keymap_find(m, key);
	struct owners *list = slot != NULL ? slot->ptr : NULL;

	owners_drop(list, owner);
	if (list != NULL && list->count == 0) {
		free(list);
		keymap_delete(m, slot);
	}
}

struct interest_index *interest_index_new(void)
{
	return calloc(1, sizeof(struct interest_index));
}

void interest_index_free(struct interest_index *x)
{
	if (x == NULL)
		return;
	assert(x->ids.count == 0 && x->types.count == 0 && x->subjects.count == 0);
	keymap_done(&x->ids);
	keymap_done(&x->types);
	keymap_done(&x->subjects);
	free(x->any);
	free(x->complex);
	free(x);
}

static void text_key(const char *text, uint8_t key[SSF_SHA256_LEN])
{
	ssf_sha256(ssf_str_c(text), key);
}

/* The types that lead to s, all or none; -1: how many were put before memory ran out is in *done. */
static int put_types(struct interest_index *x, const struct stream *s, void *owner, size_t *done)
{
	uint8_t key[SSF_SHA256_LEN];

	*done = 0;
	if (!s->all_subjects)
		return 0;
	if (s->events == NULL)
		return owners_add(&x->any, owner);
	for (; *done < json_array_size(s->events); (*done)++) {
		text_key(json_string_value(json_array_get(s->events, *done)), key);
		if (put(&x->types, key, owner) < 0)
			return -1;
	}
	return 0;
}

static void drop_types(struct interest_index *x, const struct stream *s, const void *owner, size_t count)
{
	uint8_t key[SSF_SHA256_LEN];

	for (size_t i = 0; i < count; i++) {
		text_key(json_string_value(json_array_get(s->events, i)), key);
		drop(&x->types, key, owner);
	}
}

int interest_index_add(struct interest_index *x, const struct stream *s, void *owner, struct ssf_err *err)
{
	uint8_t key[SSF_SHA256_LEN];
	struct keymap_slot *slot;
	size_t done;

	if (put_types(x, s, owner, &done) < 0) {
		drop_types(x, s, owner, done);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	text_key(s->id, key);
	slot = keymap_put(&x->ids, key);
	if (slot == NULL) {
		drop_types(x, s, owner, done);
		if (s->all_subjects && s->events == NULL)
			owners_drop(x->any, owner);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	slot->ptr = owner;
	return 0;
}

void interest_index_remove(struct interest_index *x, const struct stream *s, void *owner)
{
	uint8_t key[SSF_SHA256_LEN];
	struct keymap_slot *slot;

	text_key(s->id, key);
	slot = keymap_find(&x->ids, key);
	assert(slot != NULL && slot->ptr == owner);
	keymap_delete(&x->ids, slot);
	if (s->all_subjects && s->events == NULL)
		owners_drop(x->any, owner);
	else if (s->all_subjects)
		drop_types(x, s, owner, json_array_size(s->events));
}

void *interest_index_by_id(const struct interest_index *x, const char *id)
{
	uint8_t key[SSF_SHA256_LEN];
	const struct keymap_slot *slot;

	text_key(id, key);
	slot = keymap_find(&x->ids, key);
	return slot != NULL ? slot->ptr : NULL;
}

int interest_index_put_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN], void *owner)
{
	return put(&x->subjects, key, owner);
}

void interest_index_drop_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN], void *owner)
{
	drop(&x->subjects, key, owner);
}

int interest_index_put_complex(struct interest_index *x, void *owner)
{
	return owners_add(&x->complex, owner);
}

void interest_index_drop_complex(struct interest_index *x, void *owner)
{
	owners_drop(x->complex, owner);
}

static void call_by(const struct keymap *m, const uint8_t key[SSF_SHA256_LEN], interest_index_f *f,
		    void *arg)
{
	const struct keymap_slot *slot = keymap_find(m, key);

	if (slot != NULL)
		owners_call(slot->ptr, f, arg);
}

static int call_by_subject(const struct interest_index *x, const struct event *e, interest_index_f *f,
			   void *arg, struct ssf_err *err)
{
	const json_t *list = json_object_get(e->sub_id, "identifiers");
	uint8_t key[SSF_SHA256_LEN];

	if (ssf_subject_has_format(e->sub_id, "complex")) {
		owners_call(x->complex, f, arg);
		return 0;
	}
	if (!ssf_subject_has_format(e->sub_id, "aliases")) {
		call_by(&x->subjects, e->subject_key, f, arg);
		return 0;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (ssf_subject_key(json_array_get(list, i), key) < 0)
			return ssf_fail(err, SSF_E_NOMEM, "subject");
		call_by(&x->subjects, key, f, arg);
	}
	return 0;
}

int interest_index_find(const struct interest_index *x, const struct event *e, interest_index_f *f, void *arg,
		      struct ssf_err *err)
{
	uint8_t key[SSF_SHA256_LEN];

	if (e->control) {
		const char *id = e->origin + strlen(STREAM_ORIGIN);
		void *owner = strncmp(e->origin, STREAM_ORIGIN, strlen(STREAM_ORIGIN)) == 0 ?
				      interest_index_by_id(x, id) :
				      NULL;
		if (owner != NULL)
			f(arg, owner);
		return 0;
	}
	if (e->sub_id == NULL)
		return 0;
	text_key(e->type, key);
	call_by(&x->types, key, f, arg);
	owners_call(x->any, f, arg);
	return call_by_subject(x, e, f, arg, err);
}
