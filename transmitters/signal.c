/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of signals, and what every adapter does with parsed input: copy named members, bound
 * their text, wipe the secrets.
 */
#include "transmitters/signal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4

void signal_list_init(struct signal_list *list, size_t max)
{
	*list = (struct signal_list){ .max = max };
}

static void signal_done(struct signal *s)
{
	free(s->type);
	free(s->id);
	json_decref(s->detail);
}

void signal_list_truncate(struct signal_list *list, size_t count)
{
	while (list->count > count)
		signal_done(&list->items[--list->count]);
}

void signal_list_done(struct signal_list *list)
{
	signal_list_truncate(list, 0);
	free(list->items);
	*list = (struct signal_list){ 0 };
}

int signal_list_add(struct signal_list *list, struct signal **out, struct ssf_err *err)
{
	if (list->count >= list->max)
		return ssf_fail(err, SSF_E_LIMIT, "more than %zu signals", list->max);
	if (list->count == list->cap) {
		size_t cap = list->cap == 0 ? FIRST_CAP : list->cap * 2;
		struct signal *items = reallocarray(list->items, cap, sizeof(*items));
		if (items == NULL)
			return ssf_fail(err, SSF_E_NOMEM, "out of memory");
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count] = (struct signal){ 0 };
	*out = &list->items[list->count++];
	return 0;
}

int signal_put_text(json_t *detail, const char *key, const char *value, struct ssf_err *err)
{
	size_t len = strnlen(value, SIGNAL_TEXT_MAX + 1);

	if (len > SIGNAL_TEXT_MAX) {
		len = SIGNAL_TEXT_MAX;
		while (len > 0 && ((unsigned char)value[len] & 0xc0) == 0x80)
			len--;
	}
	if (json_object_set_new(detail, key, json_stringn(value, len)) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

int signal_put_integer(json_t *detail, const char *key, json_int_t value, struct ssf_err *err)
{
	if (json_object_set_new(detail, key, json_integer(value)) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

int signal_copy_text(json_t *detail, const char *key, const json_t *from, const char *name,
		     struct ssf_err *err)
{
	const char *value = json_string_value(json_object_get(from, name));

	return value == NULL ? 0 : signal_put_text(detail, key, value, err);
}

int signal_copy_members(json_t *detail, const json_t *from, const char *const *names,
			struct ssf_err *err)
{
	for (; *names != NULL; names++) {
		json_t *value = json_object_get(from, *names);

		if (json_is_string(value)) {
			if (signal_put_text(detail, *names, json_string_value(value), err) < 0)
				return -1;
		} else if (json_is_integer(value) || json_is_boolean(value)) {
			if (json_object_set(detail, *names, value) < 0)
				return ssf_fail(err, SSF_E_NOMEM, "out of memory");
		}
	}
	return 0;
}

/* Recursive: the value was parsed with a depth limit. */
void signal_wipe_strings(json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	/* jansson returns its own buffer; it is const only because the length is cached */
	if (json_is_string(value))
		OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
	json_array_foreach(value, i, member)
		signal_wipe_strings(member);
	json_object_foreach(value, key, member)
		signal_wipe_strings(member);
}
