/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simple subjects are found by their keys. The identifiers of aliases are in a table of their own
 * with a count, as several aliases may share one. Complex subjects are left to complex_matcher.h.
 */
#include "hub/streams/subjects.h"

#include "hub/streams/complex_matcher.h"
#include "lib/kit/hashmap.h"
#include "lib/ssf/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FOREVER INT64_MAX

struct subject_slot {
	uint8_t key[SSF_SHA256_LEN];
	union {
		int64_t until;             /* of a simple subject: it flows */
		int64_t aliases;           /* of an identifier: how many active aliases have it */
		struct compound *compound; /* owned */
	};
};

static struct ssf_str slot_key(const void *entry)
{
	const struct subject_slot *slot = entry;

	return (struct ssf_str){ (const char *)slot->key, SSF_SHA256_LEN };
}

static const struct hashmap_type by_key = { .size = sizeof(struct subject_slot),
					    .key = slot_key,
					    .digests = true };

struct subjects {
	bool all;
	size_t max;
	size_t used;
	int64_t due; /* before then nothing ends */
	struct hashmap simple;
	struct hashmap compounds;
	struct hashmap aliases; /* by identifier */
	struct complex_matcher matcher;
	size_t complex;               /* how many of the compounds are */
	struct interest_index *index; /* or NULL */
	void *owner;
};

static struct subject_slot *slot_find(const struct hashmap *m, const uint8_t key[SSF_SHA256_LEN])
{
	return hashmap_find(m, (struct ssf_str){ (const char *)key, SSF_SHA256_LEN });
}

/* A new slot has zero in it. NULL when out of memory. */
static struct subject_slot *slot_put(struct hashmap *m, const uint8_t key[SSF_SHA256_LEN])
{
	bool is_new;
	struct subject_slot *slot =
		hashmap_put(m, (struct ssf_str){ (const char *)key, SSF_SHA256_LEN }, &is_new);

	if (slot != NULL && is_new)
		memcpy(slot->key, key, SSF_SHA256_LEN);
	return slot;
}

struct subjects *subjects_new(bool all, size_t max)
{
	struct subjects *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->all = all;
	s->max = max < SUBJECTS_MAX ? max : SUBJECTS_MAX;
	s->due = FOREVER;
	s->simple = s->compounds = s->aliases = HASHMAP(&by_key);
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
	const struct subject_slot *slot;

	for (size_t at = 0; (slot = hashmap_next(&s->simple, &at)) != NULL;)
		index_drop(s, slot->key);
	for (size_t at = 0; (slot = hashmap_next(&s->aliases, &at)) != NULL;)
		index_drop(s, slot->key);
	if (s->index != NULL && s->complex > 0)
		interest_index_drop_complex(s->index, s->owner);
}

void subjects_free(struct subjects *s)
{
	struct subject_slot *slot;
	size_t at = 0;

	if (s == NULL)
		return;
	index_leave(s);
	while ((slot = hashmap_next(&s->compounds, &at)) != NULL)
		free(slot->compound);
	complex_matcher_done(&s->matcher);
	hashmap_done(&s->aliases);
	hashmap_done(&s->compounds);
	hashmap_done(&s->simple);
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
		struct subject_slot *slot = slot_find(&s->aliases, c->keys[i].value);
		if (slot != NULL && --slot->aliases == 0) {
			hashmap_remove(&s->aliases, slot);
			index_drop(s, c->keys[i].value);
		}
	}
}

static int count_alias(struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	struct subject_slot *slot = slot_put(&s->aliases, key);

	if (slot == NULL)
		return -1;
	if (slot->aliases == 0 && index_put(s, key) < 0) {
		hashmap_remove(&s->aliases, slot);
		return -1;
	}
	slot->aliases++;
	return 0;
}

static int activate(struct subjects *s, struct compound *c, struct ssf_err *err)
{
	if (c->shape != NULL)
		return complex_matcher_activate(&s->matcher, c, err);
	for (size_t i = 0; i < c->count; i++) {
		if (count_alias(s, c->keys[i].value) < 0) {
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
		complex_matcher_leave(&s->matcher, c);
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
		if (ssf_subject_key(json_array_get(list, i), c->keys[i].value) < 0) {
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
	ssf_auto(complex_fields) f = complex_fields_new(subject);
	struct compound *c = f != NULL ? new_compound(f->count) : NULL;

	if (c == NULL) {
		out_of_memory(err);
		return NULL;
	}
	for (size_t i = 0; i < f->count; i++)
		memcpy(c->keys[i].value, f->at[i].value, SSF_SHA256_LEN);
	if (complex_matcher_join(&s->matcher, f, c, err) < 0) {
		free(c);
		return NULL;
	}
	if (s->complex == 0 && s->index != NULL &&
	    interest_index_put_complex(s->index, s->owner) < 0) {
		complex_matcher_leave(&s->matcher, c);
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
	struct subject_slot *slot;

	if (check_room(s, 1, err) < 0)
		return -1;
	slot = slot_put(&s->simple, key);
	if (slot == NULL)
		return out_of_memory(err);
	if (index_put(s, key) < 0) {
		hashmap_remove(&s->simple, slot);
		return out_of_memory(err);
	}
	slot->until = until;
	s->used++;
	return 0;
}

/* What was added works at once, what was removed when its time has come. */
static int keep_compound(struct subjects *s, struct compound *c, const uint8_t key[SSF_SHA256_LEN],
			 int64_t until, struct ssf_err *err)
{
	struct subject_slot *slot;

	s->used += c->count;
	c->until = until;
	if (!s->all && activate(s, c, err) < 0) {
		compound_drop(s, c);
		return -1;
	}
	slot = slot_put(&s->compounds, key);
	if (slot == NULL) {
		compound_drop(s, c);
		return out_of_memory(err);
	}
	slot->compound = c;
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
		if (check_room(s, json_array_size(json_object_get(subject, "identifiers")),
			       err) < 0)
			return -1;
		c = new_aliases(subject, err);
	} else {
		return keep_simple(s, key, until, err);
	}
	return c != NULL ? keep_compound(s, c, key, until, err) : -1;
}

static int64_t *find_until(const struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	struct subject_slot *slot = slot_find(&s->simple, key);

	if (slot != NULL)
		return &slot->until;
	slot = slot_find(&s->compounds, key);
	return slot != NULL ? &slot->compound->until : NULL;
}

static void drop_simple(struct subjects *s, struct subject_slot *slot)
{
	index_drop(s, slot->key);
	hashmap_remove(&s->simple, slot);
	s->used--;
}

static void drop_compound(struct subjects *s, struct subject_slot *slot)
{
	struct compound *c = slot->compound;

	hashmap_remove(&s->compounds, slot);
	compound_drop(s, c);
}

static void drop(struct subjects *s, const uint8_t key[SSF_SHA256_LEN])
{
	struct subject_slot *slot = slot_find(&s->simple, key);

	if (slot != NULL) {
		drop_simple(s, slot);
		return;
	}
	slot = slot_find(&s->compounds, key);
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
	struct subject_slot *slot;
	int64_t due = FOREVER;

	for (size_t at = 0; (slot = hashmap_next(&s->simple, &at)) != NULL;) {
		if (slot->until > now) {
			sooner(&due, slot->until);
		} else if (!s->all) {
			drop_simple(s, slot);
			at--;
		}
	}
	for (size_t at = 0; (slot = hashmap_next(&s->compounds, &at)) != NULL;) {
		struct compound *c = slot->compound;
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
	const struct subject_slot *slot;
	uint8_t key[SSF_SHA256_LEN];

	if (ssf_subject_key(subject, key) < 0)
		return -1;
	slot = slot_find(&s->simple, key);
	*found = (slot != NULL && (!s->all || slot->until <= now)) ||
		 slot_find(&s->aliases, key) != NULL;
	return 0;
}

static int find(struct subjects *s, const json_t *subject, int64_t now, bool *found)
{
	*found = false;
	if (s->used == 0)
		return 0;
	if (ssf_subject_has_format(subject, "complex")) {
		ssf_auto(complex_fields) f = complex_fields_new(subject);
		return f != NULL ? complex_matcher_match(&s->matcher, f, s->all, found) : -1;
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
