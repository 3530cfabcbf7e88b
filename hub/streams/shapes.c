/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes and their projections. A projection is a cache: when there is no memory
 * to keep one up to date it is dropped and made again.
 */
#include "hub/streams/shapes.h"

#include "hub/streams/keymap.h"
#include "lib/ssf/subject.h"

#include <string.h>

/* Enough for all of a shape of three fields; beyond, the oldest makes room. */
#define PROJECTIONS_MAX 8

/* How many active subjects have the same values in some of the fields. */
struct projection {
	uint32_t mask; /* which fields, by index; 0: not made */
	struct keymap counts;
};

struct shape {
	LIST_HEAD(, compound) members;
	size_t active;
	struct projection projections[PROJECTIONS_MAX];
	size_t oldest;
	size_t count;
	char *names[]; /* sorted */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct field *)a)->name, ((const struct field *)b)->name);
}

struct fields *fields_new(const json_t *complex)
{
	json_t *members = (json_t *)complex; /* only iterated over */
	ssf_auto(fields) f = calloc(1, sizeof(*f) + json_object_size(complex) * sizeof(f->at[0]));
	const char *name;
	json_t *value;

	if (f == NULL)
		return NULL;
	json_object_foreach(members, name, value) {
		if (strcmp(name, "format") == 0)
			continue;
		struct field *field = &f->at[f->count++];
		field->name = name;
		if (ssf_subject_key(value, field->value) < 0)
			return NULL;
	}
	qsort(f->at, f->count, sizeof(f->at[0]), by_name);
	return SSF_STEAL(f);
}

static void shape_free(struct shape *shape)
{
	if (shape == NULL)
		return;
	for (size_t i = 0; i < PROJECTIONS_MAX; i++)
		keymap_done(&shape->projections[i].counts);
	for (size_t i = 0; i < shape->count; i++)
		free(shape->names[i]);
	free(shape);
}
SSF_DEFINE_AUTO(shape)

static struct shape *shape_new(const struct fields *f)
{
	ssf_auto(shape) shape = calloc(1, sizeof(*shape) + f->count * sizeof(shape->names[0]));

	if (shape == NULL)
		return NULL;
	for (; shape->count < f->count; shape->count++) {
		shape->names[shape->count] = strdup(f->at[shape->count].name);
		if (shape->names[shape->count] == NULL)
			return NULL;
	}
	return SSF_STEAL(shape);
}

void shapes_done(struct shapes *s)
{
	for (size_t i = 0; i < s->count; i++)
		shape_free(s->list[i]);
	*s = (struct shapes){ 0 };
}

static bool has_names_of(const struct shape *shape, const struct fields *f)
{
	if (shape->count != f->count)
		return false;
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(shape->names[i], f->at[i].name) != 0)
			return false;
	}
	return true;
}

int shapes_join(struct shapes *s, const struct fields *f, struct compound *c, struct ssf_err *err)
{
	size_t i;

	for (i = 0; i < s->count && !has_names_of(s->list[i], f); i++)
		;
	if (i == SHAPES_MAX)
		return ssf_fail(err, SSF_E_LIMIT,
				"subject: more than %d different sets of member names", SHAPES_MAX);
	if (i == s->count) {
		s->list[i] = shape_new(f);
		if (s->list[i] == NULL)
			return ssf_fail(err, SSF_E_NOMEM, "subject: out of memory");
		s->count++;
	}
	c->shape = s->list[i];
	LIST_INSERT_HEAD(&c->shape->members, c, next);
	return 0;
}

/* Keys of a shape's fields in the order of their names, hashed together. */
struct joined {
	size_t count;
	uint8_t keys[SSF_SUBJECT_MAX_MEMBERS][SSF_SHA256_LEN];
};

static void join(struct joined *j, const uint8_t key[SSF_SHA256_LEN])
{
	memcpy(j->keys[j->count++], key, SSF_SHA256_LEN);
}

static void hash(const struct joined *j, uint8_t out[SSF_SHA256_LEN])
{
	ssf_sha256((struct ssf_str){ (const char *)j->keys, j->count * SSF_SHA256_LEN }, out);
}

static void project(const struct compound *c, uint32_t mask, uint8_t out[SSF_SHA256_LEN])
{
	struct joined j = { .count = 0 };

	for (size_t i = 0; i < c->count; i++) {
		if ((mask & UINT32_C(1) << i) != 0)
			join(&j, c->keys[i]);
	}
	hash(&j, out);
}

static void drop_projection(struct projection *p)
{
	p->mask = 0;
	keymap_done(&p->counts);
}

static int projection_add(struct projection *p, const struct compound *c)
{
	uint8_t key[SSF_SHA256_LEN];
	struct keymap_slot *slot;

	project(c, p->mask, key);
	slot = keymap_put(&p->counts, key);
	if (slot == NULL) {
		drop_projection(p);
		return -1;
	}
	slot->number++;
	return 0;
}

static void projection_remove(struct projection *p, const struct compound *c)
{
	uint8_t key[SSF_SHA256_LEN];
	struct keymap_slot *slot;

	project(c, p->mask, key);
	slot = keymap_find(&p->counts, key);
	if (slot != NULL && --slot->number == 0)
		keymap_delete(&p->counts, slot);
}

/* NULL when out of memory. */
static struct projection *projection_for(struct shape *shape, uint32_t mask)
{
	struct projection *p;
	struct compound *c;

	for (size_t i = 0; i < PROJECTIONS_MAX; i++) {
		if (shape->projections[i].mask == mask)
			return &shape->projections[i];
	}
	p = &shape->projections[shape->oldest];
	shape->oldest = (shape->oldest + 1) % PROJECTIONS_MAX;
	drop_projection(p);
	p->mask = mask;
	LIST_FOREACH(c, &shape->members, next) {
		if (c->active && projection_add(p, c) < 0)
			return NULL;
	}
	return p;
}

void shapes_activate(struct compound *c)
{
	c->active = true;
	c->shape->active++;
	for (size_t i = 0; i < PROJECTIONS_MAX; i++) {
		struct projection *p = &c->shape->projections[i];
		if (p->mask != 0)
			(void)projection_add(p, c); /* or it is gone, and made again when needed */
	}
}

static void deactivate(struct compound *c)
{
	c->active = false;
	c->shape->active--;
	for (size_t i = 0; i < PROJECTIONS_MAX; i++) {
		struct projection *p = &c->shape->projections[i];
		if (p->mask != 0)
			projection_remove(p, c);
	}
}

void shapes_leave(struct shapes *s, struct compound *c)
{
	struct shape *shape = c->shape;

	if (c->active)
		deactivate(c);
	LIST_REMOVE(c, next);
	c->shape = NULL;
	if (!LIST_EMPTY(&shape->members))
		return;
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i] == shape)
			s->list[i] = s->list[--s->count];
	}
	shape_free(shape);
}

/* The fields that both have, as a mask of the shape's, and f's values of them. */
static uint32_t common(const struct shape *shape, const struct fields *f, struct joined *j)
{
	uint32_t mask = 0;
	size_t k = 0;

	for (size_t i = 0; i < shape->count; i++) {
		while (k < f->count && strcmp(f->at[k].name, shape->names[i]) < 0)
			k++;
		if (k == f->count)
			break;
		if (strcmp(f->at[k].name, shape->names[i]) == 0) {
			mask |= UINT32_C(1) << i;
			join(j, f->at[k].value);
		}
	}
	return mask;
}

static int shape_match(struct shape *shape, const struct fields *f, bool covering, bool *matches)
{
	struct joined j = { .count = 0 };
	uint8_t key[SSF_SHA256_LEN];
	uint32_t mask = common(shape, f, &j);

	if (shape->active == 0 || (covering && j.count < shape->count)) {
		*matches = false;
		return 0;
	}
	if (mask == 0) {
		*matches = true;
		return 0;
	}
	struct projection *p = projection_for(shape, mask);
	if (p == NULL)
		return -1;
	hash(&j, key);
	*matches = keymap_find(&p->counts, key) != NULL;
	return 0;
}

int shapes_match(struct shapes *s, const struct fields *f, bool covering, bool *matches)
{
	bool found = false;

	for (size_t i = 0; i < s->count && !found; i++) {
		if (shape_match(s->list[i], f, covering, &found) < 0)
			return -1;
	}
	*matches = found;
	return 0;
}
