/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of delivery by subject: of each subject the oldest event is ready, the others wait behind it.
 * Every operation takes constant time, however many events wait. Pure; nodes are embedded in what the
 * caller queues and stay the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Zeroed memory with subject and seq set is a node that is in no queue. */
struct subject_node {
	const uint8_t *subject; /* SSF_SHA256_LEN bytes, borrowed while the node is queued */
	int64_t seq;
	bool queued;
	bool ready;             /* in the list of those that may be sent */
	bool last;              /* newest of its subject: in the table */
	TAILQ_ENTRY(subject_node) ready_link;
	struct subject_node *older, *newer; /* of the same subject */
	struct subject_node *bucket_next;
};

TAILQ_HEAD(subject_list, subject_node);

#define SUBJECT_QUEUE_BUCKETS 16

/* subject_queue_init() makes an empty queue of any memory, which must not move afterwards. */
struct subject_queue {
	struct subject_list ready;     /* oldest of their subjects, and not taken */
	struct subject_node **buckets; /* newest node of each subject */
	size_t bucket_count;           /* a power of two */
	size_t subjects;
	struct subject_node *few[SUBJECT_QUEUE_BUCKETS]; /* the first buckets: adding never fails */
};

void subject_queue_init(struct subject_queue *q);
/* Asserts that the queue is empty. */
void subject_queue_done(struct subject_queue *q);

/* Queues n behind all nodes of its subject. */
void subject_queue_add(struct subject_queue *q, struct subject_node *n);
/* Takes n out, wherever it stands; if it was the oldest, the next one of its subject becomes ready. */
void subject_queue_remove(struct subject_queue *q, struct subject_node *n);
/* n, which is ready, is being sent: it is not ready any more, and holds its subject. */
void subject_queue_take(struct subject_queue *q, struct subject_node *n);
/* n, which was taken, was not sent: it is ready again as soon as it is the oldest of its subject. */
void subject_queue_give_back(struct subject_queue *q, struct subject_node *n);
/* The ready node that came first; NULL: none. */
struct subject_node *subject_queue_first(const struct subject_queue *q);
struct subject_node *subject_queue_next(struct subject_node *n);
