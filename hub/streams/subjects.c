/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simple subjects are found by their keys. The identifiers of aliases are in a
 * table of their own with a count, as several aliases may share one. Complex
 * subjects are left to shapes.c.
 */
#include "hub/streams/subjects.h"

#include "hub/streams/keymap.h"
#include "hub/streams/shapes.h"
#include "lib/ssf/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FOREVER INT64_MAX

struct subjects {
	bool all;
	size_t max;
	size_t used;
	int64_t due;             /* before then nothing ends */
	struct keymap simple;    /* until when it flows */
	struct keymap compounds; /* struct compound, owned */
	struct keymap aliases;   /* by identifier: how many active aliases have it */
	struct shapes shapes;
	size_t complex;          /* how many of the compounds are */
	struct interest_index *index; /* or NULL */
	void *owner;
};

struct subjects *subjects_new(bool all, size_t max)
{
	struct subjects *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->all = all;
	s->max = max < SUBJECTS_MAX ? max : SUBJECTS_MAX;
	s->due = FOREVER;
	return s;
}

void subjects_index(struct subjects *s, struct interest_index *x, void *owner)
{
	assert(!s->all && s->used == 0);
	s->index = x;
	s->owner = owner;
}

static int index_put(struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	return s->index != NULL ? interest_index_put_subject(s->index, key, s->owner) : 0;
}

static void index_drop(struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	if (s->index != NULL)
		interest_index_drop_subject(s->index, key, s->owner);
}

static void index_leave(struct subjects *s)
{
	const struct keymap_slot *slot;

	for (size_t at = 0; (slot = keymap_next(&s->simple, &at)) != NULL;)
		index_drop(s, slot->key);
	for (size_t at = 0; (slot = keymap_next(&s->aliases, &at)) != NULL;)
		index_drop(s, slot->key);
	if (s->index != NULL && s->complex > 0)
		interest_index_drop_complex(s->index, s->owner);
}

void subjects_free(struct subjects *s)
{
	struct keymap_slot *slot;
	size_t at = 0;

	if (s == NULL)
		return;
	index_leave(s);
	while ((slot = keymap_next(&s->compounds, &at)) != NULL)
		free(slot->ptr);
	shapes_done(&s->shapes);
	keymap_done(&s->aliases);
	keymap_done(&s->compounds);
	keymap_done(&s->simple);
	free(s);
}

size_t subjects_used(const struct subjects *s)
{
	return s->used;
}

static int out_of_memory(struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_NOMEM, "subject: out of memory");
}

static void uncount_aliases(struct subjects *s, const struct compound *c, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct keymap_slot *slot = keymap_find(&s->aliases, c->keys[i]);
		if (slot != NULL && --slot->number == 0) {
			keymap_delete(&s->aliases, slot);
			index_drop(s, c->keys[i]);
		}
	}
}

static int count_alias(struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	struct keymap_slot *slot = keymap_put(&s->aliases, key);

	if (slot == NULL)
		return -1;
	if (slot->number == 0 && index_put(s, key) < 0) {
		keymap_delete(&s->aliases, slot);
		return -1;
	}
	slot->number++;
	return 0;
}

static int activate(struct subjects *s, struct compound *c, struct ssf_err *err)
{
	if (c->shape != NULL) {
		shapes_activate(c);
		return 0;
	}
	for (size_t i = 0; i < c->count; i++) {
		if (count_alias(s, c->keys[i]) < 0) {
			uncount_aliases(s, c, i);
			return out_of_memory(err);
		}
	}
	c->active = true;
	return 0;
}

static void compound_drop(struct subjects *s, struct compound *c)
{
	if (c->shape != NULL) {
		shapes_leave(&s->shapes, c);
		if (--s->complex == 0 && s->index != NULL)
			interest_index_drop_complex(s->index, s->owner);
	} else if (c->active) {
		uncount_aliases(s, c, c->count);
	}
	s->used -= c->count;
	free(c);
}

static struct compound *new_compound(size_t count)
{
	struct compound *c = calloc(1, sizeof(*c) + count * sizeof(c->keys[0]));

	if (c != NULL)
		c->count = count;
	return c;
}

static struct compound *new_aliases(const json_t *subject, struct ssf_err *err)
{
	const json_t *list = json_object_get(subject, "identifiers");
	struct compound *c = new_compound(json_array_size(list));

	for (size_t i = 0; c != NULL && i < c->count; i++) {
		if (ssf_subject_key(json_array_get(list, i), c->keys[i]) < 0) {
			free(c);
			c = NULL;
		}
	}
	if (c == NULL)
		out_of_memory(err);
	return c;
}

static struct compound *new_complex(struct subjects *s, const json_t *subject, struct ssf_err *err)
{
	ssf_auto(fields) f = fields_new(subject);
	struct compound *c = f != NULL ? new_compound(f->count) : NULL;

	if (c == NULL) {
		out_of_memory(err);
		return NULL;
	}
	for (size_t i = 0; i < f->count; i++)
		memcpy(c->keys[i], f->at[i].value, SSF_SHA256_LEN);
	if (shapes_join(&s->shapes, f, c, err) < 0) {
		free(c);
		return NULL;
	}
	if (s->complex == 0 && s->index != NULL && interest_index_put_complex(s->index, s->owner) < 0) {
		shapes_leave(&s->shapes, c);
		free(c);
		out_of_memory(err);
		return NULL;
	}
	s->complex++;
	return c;
}

static int check_room(const struct subjects *s, size_t count, struct ssf_err *err)
{
	if (count > s->max - s->used)
		return ssf_fail(err, SSF_E_LIMIT, "subject: more than %zu in this stream", s->max);
	return 0;
}

static int keep_simple(struct subjects *s, const uint8_t key[SSF_SHA256_LEN], int64_t until,
		       struct ssf_err *err)
{
	struct keymap_slot *slot;

	if (check_room(s, 1, err) < 0)
		return -1;
	slot = keymap_put(&s->simple, key);
	if (slot == NULL)
		return out_of_memory(err);
	if (index_put(s, key) < 0) {
		keymap_delete(&s->simple, slot);
		return out_of_memory(err);
	}
	slot->number = until;
	s->used++;
	return 0;
}

/* What was added works at once, what was removed when its time has come. */
static int keep_compound(struct subjects *s, struct compound *c, const uint8_t key[SSF_SHA256_LEN],
			 int64_t until, struct ssf_err *err)
{
	struct keymap_slot *slot;

	s->used += c->count;
	c->until = until;
	if (!s->all && activate(s, c, err) < 0) {
		compound_drop(s, c);
		return -1;
	}
	slot = keymap_put(&s->compounds, key);
	if (slot == NULL) {
		compound_drop(s, c);
		return out_of_memory(err);
	}
	slot->ptr = c;
	return 0;
}

/* A subject that is not there yet. */
static int keep(struct subjects *s, const json_t *subject, const uint8_t key[SSF_SHA256_LEN],
		int64_t until, struct ssf_err *err)
{
	struct compound *c;

	if (ssf_subject_has_format(subject, "complex")) {
		if (check_room(s, json_object_size(subject) - 1, err) < 0)
			return -1;
		c = new_complex(s, subject, err);
	} else if (ssf_subject_has_format(subject, "aliases")) {
		if (check_room(s, json_array_size(json_object_get(subject, "identifiers")), err) < 0)
			return -1;
		c = new_aliases(subject, err);
	} else {
		return keep_simple(s, key, until, err);
	}
	return c != NULL ? keep_compound(s, c, key, until, err) : -1;
}

static int64_t *find_until(const struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	struct keymap_slot *slot = keymap_find(&s->simple, key);

	if (slot != NULL)
		return &slot->number;
	slot = keymap_find(&s->compounds, key);
	return slot != NULL ? &((struct compound *)slot->ptr)->until : NULL;
}

static void drop_simple(struct subjects *s, struct keymap_slot *slot)
{
	index_drop(s, slot->key);
	keymap_delete(&s->simple, slot);
	s->used--;
}

static void drop_compound(struct subjects *s, struct keymap_slot *slot)
{
	struct compound *c = slot->ptr;

	keymap_delete(&s->compounds, slot);
	compound_drop(s, c);
}

static void drop(struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	struct keymap_slot *slot = keymap_find(&s->simple, key);

	if (slot != NULL) {
		drop_simple(s, slot);
		return;
	}
	slot = keymap_find(&s->compounds, key);
	if (slot != NULL)
		drop_compound(s, slot);
}

static int checked_key(const json_t *subject, uint8_t key[SSF_SHA256_LEN], struct ssf_err *err)
{
	if (ssf_subject_check(subject, err) < 0)
		return -1;
	return ssf_subject_key(subject, key) < 0 ? out_of_memory(err) : 0;
}

int subjects_add(struct subjects *s, const json_t *subject, struct ssf_err *err)
{
	uint8_t key[SSF_SHA256_LEN];
	int64_t *until;

	if (checked_key(subject, key, err) < 0)
		return -1;
	if (s->all) {
		drop(s, key);
		return 0;
	}
	until = find_until(s, key);
	if (until == NULL)
		return keep(s, subject, key, FOREVER, err);
	*until = FOREVER;
	return 0;
}

static void sooner(int64_t *due, int64_t until)
{
	if (until < *due)
		*due = until;
}

int subjects_remove(struct subjects *s, const json_t *subject, int64_t until, struct ssf_err *err)
{
	uint8_t key[SSF_SHA256_LEN];
	int64_t *had;

	if (checked_key(subject, key, err) < 0)
		return -1;
	had = find_until(s, key);
	if (had != NULL ? *had <= until : !s->all)
		return 0;
	if (had != NULL)
		*had = until;
	else if (keep(s, subject, key, until, err) < 0)
		return -1;
	sooner(&s->due, until);
	return 0;
}

/* What was added and has ended goes; what was removed and has ended starts to count. */
static int settle(struct subjects *s, int64_t now, struct ssf_err *err)
{
	struct keymap_slot *slot;
	int64_t due = FOREVER;

	for (size_t at = 0; (slot = keymap_next(&s->simple, &at)) != NULL;) {
		if (slot->number > now) {
			sooner(&due, slot->number);
		} else if (!s->all) {
			drop_simple(s, slot);
			at--;
		}
	}
	for (size_t at = 0; (slot = keymap_next(&s->compounds, &at)) != NULL;) {
		struct compound *c = slot->ptr;
		if (c->until > now) {
			sooner(&due, c->until);
		} else if (!s->all) {
			drop_compound(s, slot);
			at--;
		} else if (!c->active && activate(s, c, err) < 0) {
			return -1;
		}
	}
	s->due = due;
	return 0;
}

/* Whether a simple subject is one that was added (or removed), or in aliases that were. */
static int find_simple(const struct subjects *s, const json_t *subject, int64_t now, bool *found)
{
	const struct keymap_slot *slot;
	uint8_t key[SSF_SHA256_LEN];

	if (ssf_subject_key(subject, key) < 0)
		return -1;
	slot = keymap_find(&s->simple, key);
	*found = (slot != NULL && (!s->all || slot->number <= now)) ||
		 keymap_find(&s->aliases, key) != NULL;
	return 0;
}

static int find(struct subjects *s, const json_t *subject, int64_t now, bool *found)
{
	*found = false;
	if (s->used == 0)
		return 0;
	if (ssf_subject_has_format(subject, "complex")) {
		ssf_auto(fields) f = fields_new(subject);
		return f != NULL ? shapes_match(&s->shapes, f, s->all, found) : -1;
	}
	if (!ssf_subject_has_format(subject, "aliases"))
		return find_simple(s, subject, now, found);

	const json_t *list = json_object_get(subject, "identifiers");
	for (size_t i = 0; i < json_array_size(list) && !*found; i++) {
		if (find_simple(s, json_array_get(list, i), now, found) < 0)
			return -1;
	}
	return 0;
}

int subjects_wants(struct subjects *s, const json_t *subject, int64_t now, bool *wanted,
		   struct ssf_err *err)
{
	bool found;

	if (now >= s->due && settle(s, now, err) < 0)
		return -1;
	if (find(s, subject, now, &found) < 0)
		return out_of_memory(err);
	*wanted = found != s->all;
	return 0;
}
