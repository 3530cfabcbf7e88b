/* SPDX-License-Identifier: Apache-2.0 */
/* heap[1] is due first; the children of heap[i] are heap[2i] and heap[2i + 1]. */
#include "hub/deliver/due_queue.h"

#include <assert.h>
#include <stdlib.h>

#define ROOM_FIRST 64

void due_queue_done(struct due_queue *q)
{
	assert(q->count == 0);
	free(q->heap);
	*q = (struct due_queue){ 0 };
}

static void put(struct due_queue *q, size_t place, struct due_node *n)
{
	q->heap[place] = n;
	n->place = place;
}

/* Moves n, which belongs at or above place, up to where its parent is due before it. */
static void sift_up(struct due_queue *q, size_t place, struct due_node *n)
{
	while (place > 1 && q->heap[place / 2]->at_ms > n->at_ms) {
		put(q, place, q->heap[place / 2]);
		place /= 2;
	}
	put(q, place, n);
}

static void sift_down(struct due_queue *q, size_t place, struct due_node *n)
{
	size_t child;

	while ((child = 2 * place) <= q->count) {
		if (child < q->count && q->heap[child + 1]->at_ms < q->heap[child]->at_ms)
			child++;
		if (q->heap[child]->at_ms >= n->at_ms)
			break;
		put(q, place, q->heap[child]);
		place = child;
	}
	put(q, place, n);
}

static void place_again(struct due_queue *q, size_t place, struct due_node *n)
{
	if (place > 1 && q->heap[place / 2]->at_ms > n->at_ms)
		sift_up(q, place, n);
	else
		sift_down(q, place, n);
}

void due_queue_remove(struct due_queue *q, struct due_node *n)
{
	size_t place = n->place;
	struct due_node *last;

	if (place == 0)
		return;
	n->place = 0;
	last = q->heap[q->count--];
	if (last != n)
		place_again(q, place, last);
}

int due_queue_set(struct due_queue *q, struct due_node *n, int64_t at_ms, void *object)
{
	if (n->place != 0 && n->at_ms == at_ms)
		return 0;
	n->object = object;
	if (at_ms == DUE_NEVER) {
		due_queue_remove(q, n);
		return 0;
	}
	n->at_ms = at_ms;
	if (n->place != 0) {
		place_again(q, n->place, n);
		return 0;
	}
	if (q->count + 1 >= q->room) {
		size_t room = q->room > 0 ? 2 * q->room : ROOM_FIRST;
		struct due_node **grown = realloc(q->heap, room * sizeof(struct due_node *));
		if (grown == NULL)
			return -1;
		q->heap = grown;
		q->room = room;
	}
	q->count++;
	sift_up(q, q->count, n);
	return 0;
}

void *due_queue_pop(struct due_queue *q, int64_t now_ms)
{
	struct due_node *first = q->count > 0 ? q->heap[1] : NULL;

	if (first == NULL || first->at_ms > now_ms)
		return NULL;
	due_queue_remove(q, first);
	return first->object;
}
