/* SPDX-License-Identifier: Apache-2.0 */
/* Owns no memory: nodes are those of their objects. */
#include "hub/deliver/work_list.h"

#include <assert.h>

void work_list_init(struct work_list *l, loop_f *filled, void *arg)
{
	*l = (struct work_list){ .filled = filled, .arg = arg };
	TAILQ_INIT(&l->nodes);
}

void work_list_push(struct work_list *l, struct work_node *n, void *object)
{
	assert(n->list == NULL || n->list == l);
	if (n->list != NULL)
		return;
	n->list = l;
	n->object = object;
	TAILQ_INSERT_TAIL(&l->nodes, n, link);
	if (l->count++ == 0 && l->filled != NULL)
		l->filled(l->arg);
}

void work_node_remove(struct work_node *n)
{
	if (n->list == NULL)
		return;
	TAILQ_REMOVE(&n->list->nodes, n, link);
	n->list->count--;
	n->list = NULL;
}

void *work_list_pop(struct work_list *l)
{
	struct work_node *n = TAILQ_FIRST(&l->nodes);

	if (n == NULL)
		return NULL;
	work_node_remove(n);
	return n->object;
}

void work_list_move(struct work_list *from, struct work_list *to)
{
	struct work_node *n;

	while ((n = TAILQ_FIRST(&from->nodes)) != NULL) {
		work_node_remove(n);
		work_list_push(to, n, n->object);
	}
}
