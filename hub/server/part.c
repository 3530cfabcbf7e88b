/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/part.h"

int part_list_start(struct part_list *l, struct server *s, struct ssf_err *err)
{
	while (l->started < l->count) {
		if (l->parts[l->started++].start(s, err) < 0)
			return -1;
	}
	return 0;
}

void part_list_drain(struct part_list *l, struct server *s)
{
	for (size_t i = 0; i < l->started; i++) {
		if (l->parts[i].drain != NULL)
			l->parts[i].drain(s);
	}
}

bool part_list_is_drained(const struct part_list *l, const struct server *s)
{
	for (size_t i = 0; i < l->started; i++) {
		if (l->parts[i].is_drained != NULL && !l->parts[i].is_drained(s))
			return false;
	}
	return true;
}

void part_list_stop(struct part_list *l, struct server *s)
{
	for (size_t i = l->started; i > 0; i--) {
		if (l->parts[i - 1].cancel != NULL)
			l->parts[i - 1].cancel(s);
	}
	for (; l->started > 0; l->started--) {
		if (l->parts[l->started - 1].stop != NULL)
			l->parts[l->started - 1].stop(s);
	}
}
