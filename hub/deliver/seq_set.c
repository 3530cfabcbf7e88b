/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the ranges: sorted, never empty, never touching each other. */
#include "hub/deliver/seq_set.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 8

void seq_set_done(struct seq_set *s)
{
	free(s->ranges);
	*s = (struct seq_set){ 0 };
}

/* Index of the first range that ends at or after seq; count if there is none. */
static size_t find_ending_from(const struct seq_set *s, int64_t seq)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->ranges[mid].to < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool seq_set_has(const struct seq_set *s, int64_t seq)
{
	size_t i = find_ending_from(s, seq + 1);

	return i < s->count && s->ranges[i].from <= seq;
}

static int make_room(struct seq_set *s)
{
	size_t room = s->room > 0 ? 2 * s->room : ROOM_FIRST;
	struct seq_set_range *grown;

	if (s->count < s->room)
		return 0;
	if (s->count >= SEQ_SET_MAX || (grown = realloc(s->ranges, room * sizeof(*grown))) == NULL)
		return -1;
	s->ranges = grown;
	s->room = room;
	return 0;
}

int seq_set_add(struct seq_set *s, int64_t from, int64_t to)
{
	size_t first, last; /* the ranges that touch the new one */

	if (from >= to)
		return 0;
	first = last = find_ending_from(s, from);
	while (last < s->count && s->ranges[last].from <= to)
		last++;
	if (first == last) {
		if (make_room(s) < 0)
			return -1;
		memmove(&s->ranges[first + 1], &s->ranges[first], (s->count - first) * sizeof(*s->ranges));
		s->ranges[first] = (struct seq_set_range){ from, to };
		s->count++;
		return 0;
	}
	if (s->ranges[first].from < from)
		from = s->ranges[first].from;
	if (s->ranges[last - 1].to > to)
		to = s->ranges[last - 1].to;
	s->ranges[first] = (struct seq_set_range){ from, to };
	memmove(&s->ranges[first + 1], &s->ranges[last], (s->count - last) * sizeof(*s->ranges));
	s->count -= last - first - 1;
	return 0;
}

int seq_set_add_all(struct seq_set *s, const struct seq_set *other)
{
	for (size_t i = 0; i < other->count; i++) {
		if (seq_set_add(s, other->ranges[i].from, other->ranges[i].to) < 0)
			return -1;
	}
	return 0;
}

void seq_set_remove_through(struct seq_set *s, int64_t seq)
{
	size_t gone = 0;

	while (gone < s->count && s->ranges[gone].to <= seq + 1)
		gone++;
	if (gone > 0)
		memmove(s->ranges, s->ranges + gone, (s->count - gone) * sizeof(*s->ranges));
	s->count -= gone;
	if (s->count > 0 && s->ranges[0].from <= seq)
		s->ranges[0].from = seq + 1;
}

static bool take_char(struct ssf_str *text, char c)
{
	if (text->len == 0 || text->ptr[0] != c)
		return false;
	text->ptr++;
	text->len--;
	return true;
}

static bool take_number(struct ssf_str *text, int64_t *out)
{
	size_t digits = 0;
	int64_t n = 0;

	for (; digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9'; digits++) {
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text->ptr[digits] - '0', &n))
			return false;
	}
	text->ptr += digits;
	text->len -= digits;
	*out = n;
	return digits > 0;
}

int seq_set_parse(struct seq_set *s, struct ssf_str text)
{
	int64_t from, to;

	if (!take_char(&text, '{'))
		return -1;
	while (text.len > 0 && text.ptr[0] == '[') {
		if (!take_char(&text, '[') || !take_number(&text, &from) || !take_char(&text, ',') ||
		    !take_number(&text, &to) || !take_char(&text, ')') || from >= to ||
		    seq_set_add(s, from, to) < 0)
			return -1;
		if (!take_char(&text, ','))
			break;
	}
	return take_char(&text, '}') && text.len == 0 ? 0 : -1;
}

static void add_comma(struct ssf_buf *out)
{
	if (out->len > 0 && out->ptr[out->len - 1] != '{')
		ssf_buf_addc(out, ',');
}

void seq_set_text(const struct seq_set *s, struct ssf_buf *out)
{
	for (size_t i = 0; i < s->count; i++) {
		add_comma(out);
		ssf_buf_addf(out, "[%lld,%lld)", (long long)s->ranges[i].from, (long long)s->ranges[i].to);
	}
}

void seq_set_text_seq(int64_t seq, struct ssf_buf *out)
{
	add_comma(out);
	ssf_buf_addf(out, "[%lld,%lld)", (long long)seq, (long long)seq + 1);
}
