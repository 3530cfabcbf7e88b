/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/ssf/json: the first line is a pointer, the rest a text. Stripped of its
 * comments the text is parsed, located in, and written again. What is read as plain is what jansson reads, and what
 * is written what jansson writes.
 */
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"
#include "lib/ssf/json_plain.h"
#include "lib/ssf/json_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const json_t *value)
{
	ssf_auto_free char *text = ssf_json_canonical(value);
	ssf_auto_free char *same = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	ssf_auto_free char *unsorted = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	ssf_auto_buf as_it_is = SSF_BUF(1024 * 1024);
	json_auto_t *again = NULL;

	if (strcmp(text, same) != 0 || ssf_json_append(value, false, &as_it_is) < 0 ||
	    !ssf_str_eq_c(ssf_buf_str(&as_it_is), unsorted))
		abort();
	if (text == NULL || ssf_json_parse(ssf_str_c(text), &ssf_json_default, &again, NULL) < 0 ||
	    !json_equal(value, again))
		abort();
}

static void check_plain(struct ssf_str text)
{
	json_auto_t *plain = ssf_json_plain(text, ssf_json_default.max_depth);
	json_auto_t *value = plain != NULL ? json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (plain != NULL && !json_equal(plain, value))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
	size_t split = newline == NULL ? size : (size_t)(newline - data);
	size_t skip = newline == NULL ? split : split + 1;
	const char *bytes = (const char *)data;
	ssf_auto_free char *pointer = ssf_str_dup((struct ssf_str){ bytes, split });
	ssf_auto_free char *text = ssf_str_dup((struct ssf_str){ bytes + skip, size - skip });
	struct ssf_str view = { text, size - skip };
	json_auto_t *value = NULL;
	unsigned line = 0;
	unsigned column = 0;

	ssf_json_strip_comments(text, view.len);
	int located = ssf_json_locate(view, pointer, &line, &column);
	if (located == 0 && (line == 0 || column == 0 || column > view.len))
		abort();
	check_plain(view);
	if (ssf_json_parse(view, &ssf_json_default, &value, NULL) < 0)
		return 0;
	if (pointer[0] == '\0' && located < 0)
		abort(); /* the whole of a good text is always somewhere */
	check_round_trip(value);
	return 0;
}
