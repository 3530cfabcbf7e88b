/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the shapes, their indexes and their projections; no compound. */
#include "hub/streams/complex_matcher.h"

#include "lib/kit/hashmap.h"
#include "lib/ssf/subject.h"

#include <string.h>

#define DIGEST_LEN 16
#define HASH_STEPS 8 /* subjects that can be looked at while one is hashed */

/* The active subjects that have one value in a field. */
struct value_list {
	struct compound_key *first;
	size_t count;
};

struct projected {
	uint8_t digest[DIGEST_LEN];
	uint32_t count; /* subjects */
};

struct projection {
	uint32_t mask; /* which fields, by index; 0: not made */
	uint64_t used; /* matcher->events then */
	struct hashmap counts;
};

struct shape_field {
	char *name;
	struct hashmap values; /* struct value_list */
};

struct complex_shape {
	LIST_HEAD(, compound) members;
	size_t active;
	size_t scanned; /* subjects, for want of a projection, since the last one was made */
	struct projection projections[COMPLEX_PROJECTIONS_MAX];
	size_t count;
	struct shape_field fields[]; /* sorted by name */
};

static struct ssf_str value_of(const void *entry)
{
	const struct value_list *l = entry;

	return (struct ssf_str){ (const char *)l->first->value, SSF_SHA256_LEN };
}

static struct ssf_str digest_of(const void *entry)
{
	const struct projected *p = entry;

	return (struct ssf_str){ (const char *)p->digest, DIGEST_LEN };
}

static const struct hashmap_type by_value = { .size = sizeof(struct value_list),
					      .key = value_of,
					      .digests = true };
static const struct hashmap_type by_digest = { .size = sizeof(struct projected),
					       .key = digest_of,
					       .digests = true };

/* --- fields ----------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct complex_field *)a)->name,
		      ((const struct complex_field *)b)->name);
}

struct complex_fields *complex_fields_new(const json_t *complex)
{
	json_t *members = (json_t *)complex; /* only iterated over */
	ssf_auto(complex_fields)
		f = calloc(1, sizeof(*f) + json_object_size(complex) * sizeof(f->at[0]));
	const char *name;
	json_t *value;

	if (f == NULL)
		return NULL;
	json_object_foreach(members, name, value) {
		if (strcmp(name, "format") == 0)
			continue;
		struct complex_field *field = &f->at[f->count++];
		field->name = name;
		if (ssf_subject_key(value, field->value) < 0)
			return NULL;
	}
	qsort(f->at, f->count, sizeof(f->at[0]), compare_names);
	return SSF_STEAL(f);
}

/* --- shapes ----------------------------------------------------------------------------------- */

static void drop_projection(struct complex_matcher *m, struct complex_shape *shape,
			    struct projection *p)
{
	if (p->mask != 0)
		m->projected -= shape->active;
	hashmap_done(&p->counts);
	*p = (struct projection){ 0 };
}

static void shape_free(struct complex_matcher *m, struct complex_shape *shape)
{
	for (size_t i = 0; i < COMPLEX_PROJECTIONS_MAX; i++)
		drop_projection(m, shape, &shape->projections[i]);
	for (size_t i = 0; i < shape->count; i++) {
		hashmap_done(&shape->fields[i].values);
		free(shape->fields[i].name);
	}
	free(shape);
}

static struct complex_shape *shape_new(struct complex_matcher *m, const struct complex_fields *f)
{
	struct complex_shape *shape =
		calloc(1, sizeof(*shape) + f->count * sizeof(shape->fields[0]));

	if (shape == NULL)
		return NULL;
	LIST_INIT(&shape->members);
	for (; shape->count < f->count; shape->count++) {
		struct shape_field *field = &shape->fields[shape->count];
		field->values = HASHMAP(&by_value);
		field->name = strdup(f->at[shape->count].name);
		if (field->name == NULL) {
			shape_free(m, shape);
			return NULL;
		}
	}
	return shape;
}

void complex_matcher_done(struct complex_matcher *m)
{
	for (size_t i = 0; i < m->count; i++)
		shape_free(m, m->shapes[i]);
	*m = (struct complex_matcher){ 0 };
}

static bool has_names_of(const struct complex_shape *shape, const struct complex_fields *f)
{
	if (shape->count != f->count)
		return false;
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(shape->fields[i].name, f->at[i].name) != 0)
			return false;
	}
	return true;
}

int complex_matcher_join(struct complex_matcher *m, const struct complex_fields *f,
			 struct compound *c, struct ssf_err *err)
{
	size_t i;

	for (i = 0; i < m->count && !has_names_of(m->shapes[i], f); i++)
		;
	if (i == COMPLEX_SHAPES_MAX)
		return ssf_fail(err, SSF_E_LIMIT,
				"subject: more than %d different sets of member names",
				COMPLEX_SHAPES_MAX);
	if (i == m->count) {
		m->shapes[i] = shape_new(m, f);
		if (m->shapes[i] == NULL)
			return ssf_fail(err, SSF_E_NOMEM, "subject: out of memory");
		m->count++;
	}
	c->shape = m->shapes[i];
	LIST_INSERT_HEAD(&c->shape->members, c, link);
	return 0;
}

/* --- projections ------------------------------------------------------------------------------ */

/* Values of a shape's fields in the order of their names, hashed together. */
struct joined {
	size_t count;
	uint8_t values[SSF_SUBJECT_MAX_MEMBERS][SSF_SHA256_LEN];
};

static void join_value(struct joined *j, const uint8_t value[SSF_SHA256_LEN])
{
	memcpy(j->values[j->count++], value, SSF_SHA256_LEN);
}

static struct ssf_str digest(const struct joined *j, uint8_t out[SSF_SHA256_LEN])
{
	ssf_sha256((struct ssf_str){ (const char *)j->values, j->count * SSF_SHA256_LEN }, out);
	return (struct ssf_str){ (const char *)out, DIGEST_LEN };
}

/* A compound, restricted to the fields of a mask. */
static struct ssf_str project(const struct compound *c, uint32_t mask, uint8_t out[SSF_SHA256_LEN])
{
	struct joined j = { .count = 0 };

	for (size_t i = 0; i < c->count; i++) {
		if ((mask & UINT32_C(1) << i) != 0)
			join_value(&j, c->keys[i].value);
	}
	return digest(&j, out);
}

static int projection_add(struct complex_matcher *m, struct projection *p, const struct compound *c)
{
	uint8_t bytes[SSF_SHA256_LEN];
	struct ssf_str key = project(c, p->mask, bytes);
	bool is_new;
	struct projected *entry = hashmap_put(&p->counts, key, &is_new);

	m->steps++;
	if (entry == NULL)
		return -1;
	if (is_new)
		memcpy(entry->digest, key.ptr, DIGEST_LEN);
	entry->count++;
	return 0;
}

static void projection_remove(struct projection *p, const struct compound *c)
{
	uint8_t bytes[SSF_SHA256_LEN];
	struct projected *entry = hashmap_find(&p->counts, project(c, p->mask, bytes));

	if (entry != NULL && --entry->count == 0)
		hashmap_remove(&p->counts, entry);
}

/* A free place, or that of the projection which was used longest ago. NULL: there is no room. */
static struct projection *place_for_projection(const struct complex_matcher *m,
					       struct complex_shape *shape)
{
	struct projection *oldest = NULL;

	for (size_t i = 0; i < COMPLEX_PROJECTIONS_MAX; i++) {
		struct projection *p = &shape->projections[i];
		if (p->mask == 0 && m->projected + shape->active <= COMPLEX_PROJECTED_MAX)
			return p;
		if (p->mask != 0 && (oldest == NULL || p->used < oldest->used))
			oldest = p;
	}
	return oldest;
}

/* NULL: there is none, and it is not worth making one yet. */
static struct projection *projection_for(struct complex_matcher *m, struct complex_shape *shape,
					 uint32_t mask)
{
	struct projection *p;
	struct compound *c;

	for (size_t i = 0; i < COMPLEX_PROJECTIONS_MAX; i++) {
		if (shape->projections[i].mask == mask) {
			shape->projections[i].used = m->events;
			return &shape->projections[i];
		}
	}
	p = shape->scanned >= HASH_STEPS * shape->active ? place_for_projection(m, shape) : NULL;
	if (p == NULL)
		return NULL;
	shape->scanned = 0;
	drop_projection(m, shape, p);
	*p = (struct projection){ .mask = mask, .used = m->events, .counts = HASHMAP(&by_digest) };
	m->projected += shape->active;
	LIST_FOREACH(c, &shape->members, link) {
		if (c->active && projection_add(m, p, c) < 0) {
			drop_projection(m, shape, p);
			return NULL;
		}
	}
	return p;
}

/* --- active subjects -------------------------------------------------------------------------- */

static void index_remove(struct complex_shape *shape, struct compound *c, size_t i)
{
	struct compound_key *k = &c->keys[i];
	struct hashmap *values = &shape->fields[i].values;
	struct value_list *l =
		hashmap_find(values, (struct ssf_str){ (const char *)k->value, SSF_SHA256_LEN });

	if (l->count == 1) {
		hashmap_remove(values, l);
	} else {
		l->count--;
		if (l->first == k)
			l->first = k->next;
	}
	if (k->prev != NULL)
		k->prev->next = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	k->next = k->prev = NULL;
}

static int index_add(struct complex_shape *shape, struct compound *c, size_t i)
{
	struct compound_key *k = &c->keys[i];
	bool is_new;
	struct value_list *l =
		hashmap_put(&shape->fields[i].values,
			    (struct ssf_str){ (const char *)k->value, SSF_SHA256_LEN }, &is_new);

	if (l == NULL)
		return -1;
	k->next = l->first;
	if (k->next != NULL)
		k->next->prev = k;
	l->first = k;
	l->count++;
	return 0;
}

int complex_matcher_activate(struct complex_matcher *m, struct compound *c, struct ssf_err *err)
{
	struct complex_shape *shape = c->shape;

	for (size_t i = 0; i < c->count; i++) {
		if (index_add(shape, c, i) < 0) {
			while (i-- > 0)
				index_remove(shape, c, i);
			return ssf_fail(err, SSF_E_NOMEM, "subject: out of memory");
		}
	}
	for (size_t i = 0; i < COMPLEX_PROJECTIONS_MAX; i++) {
		struct projection *p = &shape->projections[i];
		if (p->mask != 0 && projection_add(m, p, c) < 0)
			drop_projection(m, shape, p); /* it is made again when it is needed */
		m->projected += p->mask != 0;
	}
	c->active = true;
	shape->active++;
	return 0;
}

static void deactivate(struct complex_matcher *m, struct compound *c)
{
	struct complex_shape *shape = c->shape;

	for (size_t i = 0; i < COMPLEX_PROJECTIONS_MAX; i++) {
		struct projection *p = &shape->projections[i];
		if (p->mask == 0)
			continue;
		projection_remove(p, c);
		m->projected--;
	}
	for (size_t i = 0; i < c->count; i++)
		index_remove(shape, c, i);
	c->active = false;
	shape->active--;
}

void complex_matcher_leave(struct complex_matcher *m, struct compound *c)
{
	struct complex_shape *shape = c->shape;

	if (c->active)
		deactivate(m, c);
	LIST_REMOVE(c, link);
	c->shape = NULL;
	if (!LIST_EMPTY(&shape->members))
		return;
	for (size_t i = 0; i < m->count; i++) {
		if (m->shapes[i] == shape)
			m->shapes[i] = m->shapes[--m->count];
	}
	shape_free(m, shape);
}

/* --- matching --------------------------------------------------------------------------------- */

/* An event's subject, seen by one shape. */
struct view {
	uint32_t mask; /* the common fields, by index in the shape */
	size_t rarest; /* the one of them whose value the fewest subjects have, and */
	const struct value_list *list;                  /* those; NULL: none */
	const uint8_t *values[SSF_SUBJECT_MAX_MEMBERS]; /* by index in the shape */
};

static void see(const struct complex_shape *shape, const struct complex_fields *f, struct view *v)
{
	bool first = true;
	size_t k = 0;

	*v = (struct view){ 0 };
	for (size_t i = 0; i < shape->count; i++) {
		while (k < f->count && strcmp(f->at[k].name, shape->fields[i].name) < 0)
			k++;
		if (k == f->count)
			return;
		if (strcmp(f->at[k].name, shape->fields[i].name) != 0)
			continue;
		v->mask |= UINT32_C(1) << i;
		v->values[i] = f->at[k].value;
		const struct value_list *l =
			hashmap_find(&shape->fields[i].values,
				     (struct ssf_str){ (const char *)f->at[k].value,
						       SSF_SHA256_LEN });
		if (first || l == NULL || (v->list != NULL && l->count < v->list->count)) {
			v->rarest = i;
			v->list = l;
		}
		first = false;
	}
}

/* Whether one of the subjects with the rarest value has the others, too. */
static bool scan(struct complex_matcher *m, struct complex_shape *shape, const struct view *v)
{
	for (const struct compound_key *k = v->list->first; k != NULL; k = k->next) {
		const struct compound_key *keys = k - v->rarest; /* of its compound */
		bool equal = true;
		for (size_t i = 0; i < shape->count && equal; i++)
			equal = v->values[i] == NULL ||
				memcmp(keys[i].value, v->values[i], SSF_SHA256_LEN) == 0;
		m->steps++;
		shape->scanned++;
		if (equal)
			return true;
	}
	return false;
}

static bool match_shape(struct complex_matcher *m, struct complex_shape *shape,
			const struct complex_fields *f, bool covering)
{
	struct joined j = { .count = 0 };
	uint8_t bytes[SSF_SHA256_LEN];
	struct projection *p;
	struct view v;

	if (shape->active == 0)
		return false;
	see(shape, f, &v);
	if (covering && (size_t)__builtin_popcount(v.mask) < shape->count)
		return false;
	if (v.mask == 0)
		return true;
	if (v.list == NULL)
		return false;
	p = v.list->count > COMPLEX_SCAN_MAX ? projection_for(m, shape, v.mask) : NULL;
	if (p == NULL)
		return scan(m, shape, &v);
	for (size_t i = 0; i < shape->count; i++) {
		if (v.values[i] != NULL)
			join_value(&j, v.values[i]);
	}
	return hashmap_find(&p->counts, digest(&j, bytes)) != NULL;
}

int complex_matcher_match(struct complex_matcher *m, const struct complex_fields *f, bool covering,
			  bool *matches)
{
	m->events++;
	*matches = false;
	for (size_t i = 0; i < m->count && !*matches; i++)
		*matches = match_shape(m, m->shapes[i], f, covering);
	return 0;
}
