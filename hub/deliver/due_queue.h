/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by the time at which they are due: a binary heap of embedded nodes. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DUE_NEVER INT64_MAX

/* Zeroed memory is a node that is not queued. */
struct due_node {
	int64_t at_ms;
	size_t place; /* in the heap, from 1 on; 0: not queued */
	void *object;
};

/* Zeroed memory is an empty queue. */
struct due_queue {
	struct due_node **heap;
	size_t count, room;
};

void due_queue_done(struct due_queue *q); /* must be empty */
/* Queues, moves, or (DUE_NEVER) removes. -1: out of memory; the node is not queued. */
int due_queue_set(struct due_queue *q, struct due_node *n, int64_t at_ms, void *object);
void due_queue_remove(struct due_queue *q, struct due_node *n); /* if it is queued */
/* Takes out an object that is due at now_ms; NULL: none is. */
void *due_queue_pop(struct due_queue *q, int64_t now_ms);
