/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane is a chain of entries of one subject, oldest first. The table holds the last one of each,
 * where the next comes to stand. Mostly the first of a lane is taken out, but any may be: what was being
 * buried when its window was read anew.
 */
#include "hub/deliver/lanes.h"

#include "hub/deliver/outlet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16

void lanes_init(struct lanes *l)
{
	*l = (struct lanes){ 0 };
	TAILQ_INIT(&l->ready);
}

void lanes_clear(struct lanes *l)
{
	free(l->buckets);
	lanes_init(l);
}

void lanes_done(struct lanes *l)
{
	assert(l->lane_count == 0);
	lanes_clear(l);
}

static const uint8_t *key_of(const struct entry *e)
{
	return e->event->subject_key;
}

/* A SHA-256 value: any of its words is as good as a hash. */
static size_t bucket_of(const struct lanes *l, const struct entry *e)
{
	size_t word;

	memcpy(&word, key_of(e), sizeof(word));
	return word & (l->bucket_count - 1);
}

static void insert_last(struct lanes *l, struct entry *e)
{
	size_t b = bucket_of(l, e);

	e->bucket_next = l->buckets[b];
	l->buckets[b] = e;
	e->lane_last = true;
}

/* Takes the last entry of e's subject out of the table; NULL if there is none. */
static struct entry *take_last(struct lanes *l, const struct entry *e)
{
	struct entry **at = l->bucket_count > 0 ? &l->buckets[bucket_of(l, e)] : NULL;

	for (; at != NULL && *at != NULL; at = &(*at)->bucket_next) {
		struct entry *last = *at;
		if (memcmp(key_of(last), key_of(e), SSF_SHA256_LEN) == 0) {
			*at = last->bucket_next;
			last->bucket_next = NULL;
			last->lane_last = false;
			return last;
		}
	}
	return NULL;
}

static int grow(struct lanes *l)
{
	struct lanes larger = *l;

	larger.bucket_count = l->bucket_count > 0 ? 2 * l->bucket_count : FIRST_BUCKETS;
	larger.buckets = calloc(larger.bucket_count, sizeof(struct entry *));
	if (larger.buckets == NULL)
		return -1;
	for (size_t i = 0; i < l->bucket_count; i++) {
		struct entry *e = l->buckets[i];
		while (e != NULL) {
			struct entry *next = e->bucket_next;
			insert_last(&larger, e);
			e = next;
		}
	}
	free(l->buckets);
	l->buckets = larger.buckets;
	l->bucket_count = larger.bucket_count;
	return 0;
}

int lanes_add(struct lanes *l, struct entry *e)
{
	struct entry *before;

	if (l->lane_count >= l->bucket_count && grow(l) < 0)
		return -1;
	before = take_last(l, e);
	insert_last(l, e);
	if (before != NULL) {
		before->lane_next = e;
		e->lane_prev = before;
		return 0;
	}
	l->lane_count++;
	lanes_give_back(l, e);
	return 0;
}

void lanes_take(struct lanes *l, struct entry *e)
{
	assert(e->ready);
	TAILQ_REMOVE(&l->ready, e, ready_link);
	e->ready = false;
}

/* What waited behind another is older than what has come since: it goes first. */
void lanes_give_back(struct lanes *l, struct entry *e)
{
	const struct entry *first = TAILQ_FIRST(&l->ready);

	assert(!e->ready);
	if (e->lane_prev != NULL)
		return; /* its turn comes */
	e->ready = true;
	if (first != NULL && first->event->seq > e->event->seq)
		TAILQ_INSERT_HEAD(&l->ready, e, ready_link);
	else
		TAILQ_INSERT_TAIL(&l->ready, e, ready_link);
}

void lanes_remove(struct lanes *l, struct entry *e)
{
	struct entry *prev = e->lane_prev, *next = e->lane_next;
	bool last = e->lane_last;

	if (e->ready)
		lanes_take(l, e);
	if (last)
		take_last(l, e);
	e->lane_prev = e->lane_next = NULL;
	if (prev != NULL)
		prev->lane_next = next;
	if (next != NULL)
		next->lane_prev = prev;
	if (last && prev != NULL)
		insert_last(l, prev);
	else if (last)
		l->lane_count--;
	else if (prev == NULL)
		lanes_give_back(l, next);
}
