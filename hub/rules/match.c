/* SPDX-License-Identifier: Apache-2.0 */
/* Costs at most branches x leaves x elements. Allocates only for the trace. */
#include "hub/rules/match.h"

#include <arpa/inet.h>
#include <string.h>

#define IP_LEN 16

struct matching {
	json_t *trace; /* or NULL */
	bool no_memory;
};

/* --- scalars --------------------------------------------------------------------------------- */

/* An IPv4 address becomes the IPv6 address that maps it (RFC 4291 section 2.5.5.2). */
static bool parse_ip(const char *text, unsigned char ip[IP_LEN])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, text, ip) == 1)
		return true;
	memcpy(ip, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ip + sizeof(mapped)) == 1;
}

static struct ssf_str string_of(const json_t *value)
{
	return (struct ssf_str){ json_string_value(value), json_string_length(value) };
}

static bool strings_equal(const json_t *a, const json_t *b)
{
	unsigned char left[IP_LEN], right[IP_LEN];

	if (ssf_str_eq(string_of(a), string_of(b)))
		return true;
	return parse_ip(json_string_value(a), left) && parse_ip(json_string_value(b), right) &&
	       memcmp(left, right, IP_LEN) == 0;
}

/* Above 2^53 a double no longer stands for one integer only. */
static bool is_exact_double(json_int_t n)
{
	const json_int_t limit = (json_int_t)1 << 53;

	return n >= -limit && n <= limit;
}

static bool numbers_equal(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) == json_integer_value(b);
	if (json_is_integer(a) && !is_exact_double(json_integer_value(a)))
		return false;
	if (json_is_integer(b) && !is_exact_double(json_integer_value(b)))
		return false;
	return json_number_value(a) == json_number_value(b);
}

static bool scalars_equal(const json_t *a, const json_t *b)
{
	if (json_is_string(a) && json_is_string(b))
		return strings_equal(a, b);
	if (json_is_number(a) && json_is_number(b))
		return numbers_equal(a, b);
	return json_typeof(a) == json_typeof(b) && (json_is_boolean(a) || json_is_null(a));
}

static bool has_prefix(const json_t *value, const json_t *prefix)
{
	return json_is_string(value) &&
	       ssf_str_has_prefix(string_of(value), json_string_value(prefix));
}

static bool has_suffix(const json_t *value, const json_t *suffix)
{
	return json_is_string(value) &&
	       ssf_str_has_suffix(string_of(value), json_string_value(suffix));
}

typedef bool scalar_test_f(const json_t *value, const json_t *operand);

/* Whether the test holds for one of the operands, which may be a single one. */
static bool any_operand(scalar_test_f *test, const json_t *value, const json_t *operands)
{
	const json_t *operand;
	size_t i;

	if (!json_is_array(operands))
		return test(value, operands);
	json_array_foreach(operands, i, operand) {
		if (test(value, operand))
			return true;
	}
	return false;
}

static bool scalar_matches(const struct pattern_alt *alt, const json_t *value)
{
	switch (alt->op) {
	case PATTERN_EXACT:
		return scalars_equal(value, alt->operand);
	case PATTERN_PREFIX:
		return has_prefix(value, alt->operand);
	case PATTERN_SUFFIX:
		return has_suffix(value, alt->operand);
	case PATTERN_BUT:
		return !any_operand(scalars_equal, value, alt->operand);
	case PATTERN_BUT_PREFIX:
		return !any_operand(has_prefix, value, alt->operand);
	case PATTERN_BUT_SUFFIX:
		return !any_operand(has_suffix, value, alt->operand);
	case PATTERN_EXISTS: /* asks for the field, not for a value */
		break;
	}
	return false;
}

/* --- leaves ---------------------------------------------------------------------------------- */

/* Of an array, the first element that matches; objects have no value of their own. */
static const json_t *find_match(const struct pattern_alt *alt, const json_t *value)
{
	const json_t *element, *found;
	size_t i;

	if (json_is_object(value))
		return NULL;
	if (!json_is_array(value))
		return scalar_matches(alt, value) ? value : NULL;
	json_array_foreach(value, i, element) {
		found = find_match(alt, element);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* An array exists for a pattern if it has an element. */
static bool is_present(const json_t *value)
{
	const json_t *element;
	size_t i;

	if (!json_is_array(value))
		return value != NULL;
	json_array_foreach(value, i, element) {
		if (is_present(element))
			return true;
	}
	return false;
}

static const char *op_name(enum pattern_op op)
{
	static const char *const names[] = {
		[PATTERN_EXACT] = "exact",
		[PATTERN_PREFIX] = "prefix",
		[PATTERN_SUFFIX] = "suffix",
		[PATTERN_EXISTS] = "exists",
		[PATTERN_BUT] = "anything-but",
		[PATTERN_BUT_PREFIX] = "anything-but",
		[PATTERN_BUT_SUFFIX] = "anything-but",
	};

	return names[op];
}

/* value is NULL when there is none to show: the field is missing, or an object. */
static void note(struct matching *m, const struct pattern_leaf *leaf, const struct pattern_alt *alt,
		 const json_t *value)
{
	json_t *entry;

	if (m->trace == NULL)
		return;
	entry = json_pack("{s:s, s:s, s:O*}", "path", leaf->path, "op", op_name(alt->op), "value",
			  value);
	if (entry == NULL || json_array_append_new(m->trace, entry) < 0)
		m->no_memory = true;
}

static bool leaf_matches(struct matching *m, const struct pattern_leaf *leaf, const json_t *value)
{
	for (size_t i = 0; i < leaf->alt_count; i++) {
		const struct pattern_alt *alt = &leaf->alts[i];
		const json_t *found = NULL;

		if (alt->op == PATTERN_EXISTS) {
			if (is_present(value) != json_is_true(alt->operand))
				continue;
			if (!json_is_object(value) && !json_is_array(value))
				found = value;
		} else if (value == NULL || (found = find_match(alt, value)) == NULL) {
			continue;
		}
		note(m, leaf, alt, found);
		return true;
	}
	return false;
}

/* --- branches -------------------------------------------------------------------------------- */

static bool leaves_match(struct matching *m, const struct pattern_leaf *const *leaves, size_t count,
			 size_t depth, const json_t *value);

/* Forgets what did not lead to a match after all. */
static void rewind_trace(struct matching *m, size_t mark)
{
	while (json_array_size(m->trace) > mark)
		json_array_remove(m->trace, json_array_size(m->trace) - 1);
}

/* An object, or an array with one in it at any depth. */
static bool has_fields(const json_t *value)
{
	const json_t *element;
	size_t i;

	json_array_foreach(value, i, element) {
		if (has_fields(element))
			return true;
	}
	return json_is_object(value);
}

/* Some one element has to match all the leaves. */
static bool element_matches(struct matching *m, const struct pattern_leaf *const *leaves,
			    size_t count, size_t depth, const json_t *array)
{
	size_t mark = json_array_size(m->trace);
	const json_t *element;
	size_t i;

	json_array_foreach(array, i, element) {
		if (has_fields(element) && leaves_match(m, leaves, count, depth, element))
			return true;
		rewind_trace(m, mark);
	}
	return false;
}

/* The leaves agree in their first depth keys, which lead to value; NULL: to nothing. */
static bool leaves_match(struct matching *m, const struct pattern_leaf *const *leaves, size_t count,
			 size_t depth, const json_t *value)
{
	if (json_is_array(value) && has_fields(value))
		return element_matches(m, leaves, count, depth, value);
	for (size_t i = 0; i < count;) {
		const char *key = leaves[i]->keys[depth];
		const json_t *member = json_object_get(value, key);
		size_t below;

		if (leaves[i]->depth == depth + 1) {
			if (!leaf_matches(m, leaves[i], member))
				return false;
			i++;
			continue;
		}
		for (below = i; i < count && strcmp(leaves[i]->keys[depth], key) == 0;)
			i++;
		if (!leaves_match(m, leaves + below, i - below, depth + 1, member))
			return false;
	}
	return true;
}

int match_pattern(const struct pattern *p, const json_t *document, bool *matched,
		  json_t *trace, struct ssf_err *err)
{
	struct matching m = { .trace = trace };
	size_t mark = json_array_size(trace);
	bool any = false;

	for (size_t i = 0; i < p->branches.count && !any; i++) {
		const struct pattern_branch *b = &p->branches.all[i];
		any = leaves_match(&m, b->leaves, b->count, 0, document);
		if (!any)
			rewind_trace(&m, mark);
	}
	if (m.no_memory)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	*matched = any;
	return 0;
}
