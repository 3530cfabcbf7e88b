/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of one subject are a chain, oldest first. A hash table holds the newest of each chain, where
 * the next one is appended. Usually the oldest leaves first, but any may: a dead letter may be written
 * for an event that has come behind others when its window was read again.
 */
#include "hub/deliver/subject_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ssf/buf.h"

void subject_queue_init(struct subject_queue *q)
{
	*q = (struct subject_queue){ .buckets = q->few, .bucket_count = SUBJECT_QUEUE_BUCKETS };
	TAILQ_INIT(&q->ready);
}

void subject_queue_done(struct subject_queue *q)
{
	assert(q->subjects == 0);
	if (q->buckets != q->few)
		free(q->buckets);
	subject_queue_init(q);
}

/* The key is a SHA-256 value: any of its words is as good as a hash. */
static size_t bucket_of(const struct subject_queue *q, const struct subject_node *n)
{
	size_t word;

	memcpy(&word, n->subject, sizeof(word));
	return word & (q->bucket_count - 1);
}

static void table_insert(struct subject_queue *q, struct subject_node *n)
{
	size_t b = bucket_of(q, n);

	n->bucket_next = q->buckets[b];
	q->buckets[b] = n;
	n->last = true;
}

/* Takes the newest node of n's subject out of the table; NULL if there is none. */
static struct subject_node *table_remove(struct subject_queue *q, const struct subject_node *n)
{
	struct subject_node **at;

	for (at = &q->buckets[bucket_of(q, n)]; *at != NULL; at = &(*at)->bucket_next) {
		struct subject_node *last = *at;
		if (memcmp(last->subject, n->subject, SSF_SHA256_LEN) == 0) {
			*at = last->bucket_next;
			last->bucket_next = NULL;
			last->last = false;
			return last;
		}
	}
	return NULL;
}

/* Without memory the chains of the table get longer. */
static void table_grow(struct subject_queue *q)
{
	struct subject_node **few = q->buckets;
	size_t few_count = q->bucket_count;
	struct subject_node **many = calloc(2 * few_count, sizeof(struct subject_node *));

	if (many == NULL)
		return;
	q->buckets = many;
	q->bucket_count = 2 * few_count;
	for (size_t i = 0; i < few_count; i++) {
		struct subject_node *n = few[i];
		while (n != NULL) {
			struct subject_node *next = n->bucket_next;
			table_insert(q, n);
			n = next;
		}
	}
	if (few != q->few)
		free(few);
}

/* What waited behind another event is older than what has come since: it goes first. */
static void make_ready(struct subject_queue *q, struct subject_node *n)
{
	const struct subject_node *first = TAILQ_FIRST(&q->ready);

	n->ready = true;
	if (first != NULL && first->seq > n->seq)
		TAILQ_INSERT_HEAD(&q->ready, n, ready_link);
	else
		TAILQ_INSERT_TAIL(&q->ready, n, ready_link);
}

void subject_queue_add(struct subject_queue *q, struct subject_node *n)
{
	struct subject_node *older;

	assert(!n->queued);
	if (q->subjects >= q->bucket_count)
		table_grow(q);
	older = table_remove(q, n);
	table_insert(q, n);
	n->queued = true;
	if (older != NULL) {
		older->newer = n;
		n->older = older;
		return;
	}
	q->subjects++;
	make_ready(q, n);
}

void subject_queue_take(struct subject_queue *q, struct subject_node *n)
{
	assert(n->ready);
	TAILQ_REMOVE(&q->ready, n, ready_link);
	n->ready = false;
}

void subject_queue_give_back(struct subject_queue *q, struct subject_node *n)
{
	assert(n->queued && !n->ready);
	if (n->older == NULL)
		make_ready(q, n);
}

void subject_queue_remove(struct subject_queue *q, struct subject_node *n)
{
	struct subject_node *older = n->older, *newer = n->newer;
	bool last = n->last;

	assert(n->queued);
	if (n->ready)
		subject_queue_take(q, n);
	if (last)
		table_remove(q, n);
	n->queued = false;
	n->older = n->newer = NULL;
	if (older != NULL)
		older->newer = newer;
	if (newer != NULL)
		newer->older = older;
	if (last && older != NULL)
		table_insert(q, older);
	else if (last)
		q->subjects--;
	else if (older == NULL)
		make_ready(q, newer);
}

struct subject_node *subject_queue_first(const struct subject_queue *q)
{
	return TAILQ_FIRST(&q->ready);
}

struct subject_node *subject_queue_next(struct subject_node *n)
{
	return TAILQ_NEXT(n, ready_link);
}
