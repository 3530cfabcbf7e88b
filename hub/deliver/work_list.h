/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of what is due, so that nobody has to look at everything: an object stands in such a list by a node
 * that is embedded in it, at most once. Pure.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "lib/kit/loop.h"

/* Zeroed memory is a node that is in no list. */
struct work_node {
	TAILQ_ENTRY(work_node) link;
	struct work_list *list; /* that it is in; or NULL */
	void *object;           /* what it is embedded in */
};

struct work_list {
	TAILQ_HEAD(, work_node) nodes;
	size_t count;
	loop_f *filled; /* called when the first node comes in; or NULL */
	void *arg;
};

void work_list_init(struct work_list *l, loop_f *filled, void *arg);
/* At the end of the list; no effect if the node is in it. It must not be in another one. */
void work_list_push(struct work_list *l, struct work_node *n, void *object);
/* Takes the node out of the list that it is in, if it is in one. */
void work_node_remove(struct work_node *n);
/* The object that is in the list for longest, taken out; NULL: the list is empty. */
void *work_list_pop(struct work_list *l);
/* Moves everything to the end of another list, where it is not yet. */
void work_list_move(struct work_list *from, struct work_list *to);
