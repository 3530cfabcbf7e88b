/* SPDX-License-Identifier: Apache-2.0 */
/* Owns sets of owners under hashes of what leads to them. */
#include "hub/streams/interest_index.h"

#include "hub/streams/owner_set.h"
#include "lib/kit/hashmap.h"
#include "lib/ssf/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct id_entry {
	const char *id; /* the stream's */
	void *owner;
};

struct key_entry {
	uint8_t key[SSF_SHA256_LEN];
	struct owner_set owners;
};

static struct ssf_str id_of(const void *entry)
{
	return ssf_str_c(((const struct id_entry *)entry)->id);
}

static struct ssf_str key_of(const void *entry)
{
	return (struct ssf_str){ (const char *)((const struct key_entry *)entry)->key,
				 SSF_SHA256_LEN };
}

static const struct hashmap_type by_id = { .size = sizeof(struct id_entry), .key = id_of };
static const struct hashmap_type by_key = { .size = sizeof(struct key_entry),
					    .key = key_of,
					    .digests = true };

struct interest_index {
	struct hashmap ids;
	struct hashmap types;     /* streams that take all subjects, by type */
	struct hashmap subjects;  /* streams that take added subjects, by subject */
	struct owner_set any;     /* streams that take all subjects and all types */
	struct owner_set complex; /* streams to which a complex subject was added */
};

static struct key_entry *entry_find(const struct hashmap *m, const uint8_t key[SSF_SHA256_LEN])
{
	return hashmap_find(m, (struct ssf_str){ (const char *)key, SSF_SHA256_LEN });
}

static int put(struct hashmap *m, const uint8_t key[SSF_SHA256_LEN], void *owner)
{
	bool is_new;
	struct key_entry *e =
		hashmap_put(m, (struct ssf_str){ (const char *)key, SSF_SHA256_LEN }, &is_new);

	if (e == NULL)
		return -1;
	if (is_new)
		memcpy(e->key, key, SSF_SHA256_LEN);
	if (owner_set_add(&e->owners, owner) == 0)
		return 0;
	if (is_new)
		hashmap_remove(m, e);
	return -1;
}

static void drop(struct hashmap *m, const uint8_t key[SSF_SHA256_LEN], const void *owner)
{
	struct key_entry *e = entry_find(m, key);

	assert(e != NULL);
	owner_set_remove(&e->owners, owner);
	if (e->owners.count == 0)
		hashmap_remove(m, e);
}

static void call_all(const struct owner_set *owners, interest_index_f *f, void *arg)
{
	void *owner;

	for (size_t at = 0; (owner = owner_set_next(owners, &at)) != NULL;)
		f(arg, owner);
}

struct interest_index *interest_index_new(void)
{
	struct interest_index *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->ids = HASHMAP(&by_id);
	x->types = x->subjects = HASHMAP(&by_key);
	return x;
}

void interest_index_free(struct interest_index *x)
{
	if (x == NULL)
		return;
	assert(x->ids.count == 0 && x->types.count == 0 && x->subjects.count == 0);
	hashmap_done(&x->ids);
	hashmap_done(&x->types);
	hashmap_done(&x->subjects);
	owner_set_done(&x->any);
	owner_set_done(&x->complex);
	free(x);
}

static void text_key(const char *text, uint8_t key[SSF_SHA256_LEN])
{
	ssf_sha256(ssf_str_c(text), key);
}

/*
 * The types that lead to s, all or none; -1: how many were put before memory ran out is in *done.
 */
static int put_types(struct interest_index *x, const struct stream *s, void *owner, size_t *done)
{
	uint8_t key[SSF_SHA256_LEN];

	*done = 0;
	if (!s->all_subjects)
		return 0;
	if (s->events == NULL)
		return owner_set_add(&x->any, owner);
	for (; *done < json_array_size(s->events); (*done)++) {
		text_key(json_string_value(json_array_get(s->events, *done)), key);
		if (put(&x->types, key, owner) < 0)
			return -1;
	}
	return 0;
}

static void drop_types(struct interest_index *x, const struct stream *s, const void *owner,
		       size_t count)
{
	uint8_t key[SSF_SHA256_LEN];

	for (size_t i = 0; i < count; i++) {
		text_key(json_string_value(json_array_get(s->events, i)), key);
		drop(&x->types, key, owner);
	}
}

int interest_index_add(struct interest_index *x, const struct stream *s, void *owner,
		       struct ssf_err *err)
{
	struct id_entry *e;
	size_t done;
	bool is_new;

	if (put_types(x, s, owner, &done) < 0) {
		drop_types(x, s, owner, done);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	e = hashmap_put(&x->ids, ssf_str_c(s->id), &is_new);
	if (e == NULL) {
		drop_types(x, s, owner, done);
		if (s->all_subjects && s->events == NULL)
			owner_set_remove(&x->any, owner);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	assert(is_new);
	*e = (struct id_entry){ s->id, owner };
	return 0;
}

void interest_index_remove(struct interest_index *x, const struct stream *s, void *owner)
{
	struct id_entry *e = hashmap_find(&x->ids, ssf_str_c(s->id));

	assert(e != NULL && e->owner == owner);
	hashmap_remove(&x->ids, e);
	if (s->all_subjects && s->events == NULL)
		owner_set_remove(&x->any, owner);
	else if (s->all_subjects)
		drop_types(x, s, owner, json_array_size(s->events));
}

void *interest_index_by_id(const struct interest_index *x, const char *id)
{
	const struct id_entry *e = hashmap_find(&x->ids, ssf_str_c(id));

	return e != NULL ? e->owner : NULL;
}

int interest_index_put_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN],
			       void *owner)
{
	return put(&x->subjects, key, owner);
}

void interest_index_drop_subject(struct interest_index *x, const uint8_t key[SSF_SHA256_LEN],
				 void *owner)
{
	drop(&x->subjects, key, owner);
}

int interest_index_put_complex(struct interest_index *x, void *owner)
{
	return owner_set_add(&x->complex, owner);
}

void interest_index_drop_complex(struct interest_index *x, void *owner)
{
	owner_set_remove(&x->complex, owner);
}

static void call_by(const struct hashmap *m, const uint8_t key[SSF_SHA256_LEN], interest_index_f *f,
		    void *arg)
{
	const struct key_entry *e = entry_find(m, key);

	if (e != NULL)
		call_all(&e->owners, f, arg);
}

static int call_by_subject(const struct interest_index *x, const struct event *e,
			   interest_index_f *f, void *arg, struct ssf_err *err)
{
	const json_t *list = json_object_get(e->sub_id, "identifiers");
	uint8_t key[SSF_SHA256_LEN];

	if (ssf_subject_has_format(e->sub_id, "complex")) {
		call_all(&x->complex, f, arg);
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

int interest_index_find(const struct interest_index *x, const struct event *e, interest_index_f *f,
			void *arg, struct ssf_err *err)
{
	uint8_t key[SSF_SHA256_LEN];

	if (e->control) {
		const char *id = e->origin + strlen(STREAM_ORIGIN);
		void *owner = strncmp(e->origin, STREAM_ORIGIN, strlen(STREAM_ORIGIN)) == 0
				      ? interest_index_by_id(x, id)
				      : NULL;
		if (owner != NULL)
			f(arg, owner);
		return 0;
	}
	if (e->sub_id == NULL)
		return 0;
	text_key(e->type, key);
	call_by(&x->types, key, f, arg);
	call_all(&x->any, f, arg);
	return call_by_subject(x, e, f, arg, err);
}
