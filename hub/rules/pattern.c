/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles patterns. Operators of the grammar that are not run are refused by name. */
#include "hub/rules/pattern.h"

#include "hub/rules/language.h"

#include <stdlib.h>
#include <string.h>

struct compiling {
	struct pattern *pattern;
	struct ssf_diagnostic *diag;
	const char *keys[PATTERN_DEPTH_MAX]; /* the field at hand */
	size_t key_count;
	size_t alternatives;
};

#define PATH_MAX_BYTES (4 * 1024 * 1024) /* of a field: all keys of a file, escaped */

static const char *const operators[] = { "prefix", "suffix", "exists", "anything-but", NULL };

static const char *const later_operators[] = {
	"equals-ignore-case", "wildcard", "numeric", "cidr", "exactly", "in", "not-in", "in-cidrs",
	"not-in-cidrs", "subset-of", "not-subset-of", "eq-field", "ne-field", "none", "age",
	"time-of-day", NULL
};

static int compile_object(struct compiling *c, const json_t *object, const struct ssf_json_path *at,
			  unsigned depth, bool in_or, struct pattern_branches *set);

static int no_memory(struct compiling *c)
{
	return ssf_fail(&c->diag->err, SSF_E_NOMEM, "rules");
}

/* --- branches -------------------------------------------------------------------------------- */

static void branches_done(struct pattern_branches *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->all[i].leaves);
	free(set->all);
	*set = (struct pattern_branches){ NULL, 0 };
}

#define auto_branches __attribute__((cleanup(branches_done))) struct pattern_branches

static int branch_add(struct pattern_branch *b, const struct pattern_leaf *leaf)
{
	if (b->count == b->cap) {
		size_t cap = b->cap == 0 ? 4 : 2 * b->cap;
		const struct pattern_leaf **more = reallocarray(b->leaves, cap, sizeof(*more));
		if (more == NULL)
			return -1;
		b->leaves = more;
		b->cap = cap;
	}
	b->leaves[b->count++] = leaf;
	return 0;
}

/* Adds copies of the branches in from. */
static int branches_append(struct pattern_branches *set, const struct pattern_branches *from)
{
	struct pattern_branch *more =
		reallocarray(set->all, set->count + from->count, sizeof(*more));

	if (more == NULL)
		return -1;
	set->all = more;
	for (size_t i = 0; i < from->count; i++) {
		struct pattern_branch *b = &set->all[set->count++];
		*b = (struct pattern_branch){ NULL, 0, 0 };
		for (size_t k = 0; k < from->all[i].count; k++) {
			if (branch_add(b, from->all[i].leaves[k]) < 0)
				return -1;
		}
	}
	return 0;
}

/* Key by key, so that a field stands before what is below it. */
static int by_path(const void *a, const void *b)
{
	const struct pattern_leaf *left = *(const struct pattern_leaf *const *)a;
	const struct pattern_leaf *right = *(const struct pattern_leaf *const *)b;

	for (size_t i = 0; i < left->depth && i < right->depth; i++) {
		int order = strcmp(left->keys[i], right->keys[i]);
		if (order != 0)
			return order;
	}
	return (left->depth > right->depth) - (left->depth < right->depth);
}

/* --- alternatives ---------------------------------------------------------------------------- */

static int count_alternative(struct compiling *c, const struct ssf_json_path *at)
{
	if (++c->alternatives <= PATTERN_ALTERNATIVES_MAX)
		return 0;
	return ssf_diagnose_limit(c->diag, at, "more than %d alternatives in one pattern",
				  PATTERN_ALTERNATIVES_MAX);
}

/* The operand of an excluding prefix or suffix: an empty one would exclude every string. */
static int check_part(struct compiling *c, const json_t *value, const struct ssf_json_path *at,
		      const char *op)
{
	if (!json_is_string(value))
		return ssf_diagnose(c->diag, at, "\"%s\" takes a string", op);
	if (json_string_length(value) == 0)
		return ssf_diagnose(c->diag, at, "an empty \"%s\" excludes every string", op);
	return count_alternative(c, at);
}

/* {"anything-but":{"prefix":"a"}} or {"anything-but":{"prefix":["a","b"]}} */
static int compile_but_part(struct compiling *c, const json_t *object,
			    const struct ssf_json_path *at, struct pattern_alt *alt)
{
	const char *op = json_object_iter_key(json_object_iter((json_t *)object));
	struct ssf_json_path here = { at, op, 0 };
	const json_t *element;
	size_t i;

	if (json_object_size(object) != 1)
		return ssf_diagnose(c->diag, at, "\"anything-but\" takes exactly one operator");
	if (strcmp(op, "equals-ignore-case") == 0 || strcmp(op, "wildcard") == 0)
		return ssf_diagnose(c->diag, &here, "\"%s\" is not supported by this version", op);
	if (strcmp(op, "prefix") != 0 && strcmp(op, "suffix") != 0)
		return ssf_diagnose(c->diag, &here, "\"anything-but\" does not take \"%s\"", op);
	const json_t *operand = json_object_get(object, op);
	alt->op = op[0] == 'p' ? PATTERN_BUT_PREFIX : PATTERN_BUT_SUFFIX;
	alt->operand = operand;
	if (!json_is_array(operand))
		return check_part(c, operand, &here, op);
	if (json_array_size(operand) == 0)
		return ssf_diagnose(c->diag, &here, "an empty array excludes nothing");
	json_array_foreach(operand, i, element) {
		struct ssf_json_path there = { &here, NULL, i };
		if (check_part(c, element, &there, op) < 0)
			return -1;
	}
	return 0;
}

static int compile_but(struct compiling *c, const json_t *operand, const struct ssf_json_path *at,
		       struct pattern_alt *alt)
{
	const json_t *element;
	size_t i;

	if (json_is_object(operand))
		return compile_but_part(c, operand, at, alt);
	*alt = (struct pattern_alt){ PATTERN_BUT, operand };
	if (json_is_string(operand) || json_is_number(operand))
		return count_alternative(c, at);
	if (!json_is_array(operand) || json_array_size(operand) == 0)
		return ssf_diagnose(c->diag, at,
				    "\"anything-but\" takes a string, a number or an array of these");
	bool strings = json_is_string(json_array_get(operand, 0));
	json_array_foreach(operand, i, element) {
		struct ssf_json_path here = { at, NULL, i };
		if (strings ? !json_is_string(element) : !json_is_number(element))
			return ssf_diagnose(c->diag, &here,
					    "\"anything-but\" takes all strings or all numbers");
		if (count_alternative(c, &here) < 0)
			return -1;
	}
	return 0;
}

/* "prefix" and "suffix" */
static int compile_end(struct compiling *c, const char *op, const json_t *operand,
		       const struct ssf_json_path *at, struct pattern_alt *alt)
{
	struct ssf_json_path nested = { at, "equals-ignore-case", 0 };

	alt->op = op[0] == 'p' ? PATTERN_PREFIX : PATTERN_SUFFIX;
	alt->operand = operand;
	if (json_is_string(operand))
		return count_alternative(c, at);
	if (json_object_get(operand, nested.key) != NULL)
		return ssf_diagnose(c->diag, &nested, "\"%s\" is not supported by this version",
				    nested.key);
	return ssf_diagnose(c->diag, at, "\"%s\" takes a string", op);
}

/* An object among the alternatives: one operator with its operand. */
static int compile_matcher(struct compiling *c, const json_t *object,
			   const struct ssf_json_path *at, struct pattern_alt *alt)
{
	const char *op = json_object_iter_key(json_object_iter((json_t *)object));
	struct ssf_json_path here = { at, op, 0 };

	if (json_object_size(object) != 1)
		return ssf_diagnose(c->diag, at, "an alternative has exactly one operator");
	if (language_listed(op, later_operators))
		return ssf_diagnose(c->diag, &here, "\"%s\" is not supported by this version", op);
	if (!language_listed(op, operators))
		return ssf_diagnose(c->diag, &here, "unknown operator \"%s\"", op);
	const json_t *operand = json_object_get(object, op);
	if (strcmp(op, "anything-but") == 0)
		return compile_but(c, operand, &here, alt);
	if (strcmp(op, "exists") != 0)
		return compile_end(c, op, operand, &here, alt);
	if (!json_is_boolean(operand))
		return ssf_diagnose(c->diag, &here, "\"exists\" takes true or false");
	*alt = (struct pattern_alt){ PATTERN_EXISTS, operand };
	return count_alternative(c, &here);
}

static int compile_alternative(struct compiling *c, const json_t *value,
			       const struct ssf_json_path *at, struct pattern_alt *alt)
{
	if (json_is_array(value))
		return ssf_diagnose(c->diag, at,
				    "an array cannot be an alternative: write its elements");
	if (json_is_object(value))
		return compile_matcher(c, value, at, alt);
	*alt = (struct pattern_alt){ PATTERN_EXACT, value };
	return count_alternative(c, at);
}

/* --- fields ---------------------------------------------------------------------------------- */

/* "detail.tool.name"; a dot or a backslash inside a key gets a backslash in front. */
static char *write_path(const struct compiling *c)
{
	ssf_auto_buf path = SSF_BUF(PATH_MAX_BYTES);

	for (size_t i = 0; i < c->key_count; i++) {
		if (i > 0)
			ssf_buf_addc(&path, '.');
		for (const char *k = c->keys[i]; *k != '\0'; k++) {
			if (*k == '.' || *k == '\\')
				ssf_buf_addc(&path, '\\');
			ssf_buf_addc(&path, *k);
		}
	}
	return ssf_buf_steal(&path);
}

/* A leaf for the field at hand, owned by the pattern; NULL when out of memory. */
static struct pattern_leaf *new_leaf(struct compiling *c, size_t alt_count)
{
	struct pattern_leaf *leaf =
		calloc(1, sizeof(*leaf) + alt_count * sizeof(struct pattern_alt));

	if (leaf == NULL)
		return NULL;
	leaf->next = c->pattern->leaves;
	c->pattern->leaves = leaf;
	memcpy(leaf->keys, c->keys, c->key_count * sizeof(c->keys[0]));
	leaf->depth = c->key_count;
	leaf->alt_count = alt_count;
	leaf->path = write_path(c);
	return leaf->path == NULL ? NULL : leaf;
}

static int compile_leaf(struct compiling *c, const json_t *array, const struct ssf_json_path *at,
			struct pattern_branches *set)
{
	size_t count = json_array_size(array);

	if (count == 0)
		return ssf_diagnose(c->diag, at, "no alternatives: this would match nothing");
	struct pattern_leaf *leaf = new_leaf(c, count);
	if (leaf == NULL)
		return no_memory(c);
	for (size_t i = 0; i < count; i++) {
		struct ssf_json_path here = { at, NULL, i };
		if (compile_alternative(c, json_array_get(array, i), &here, &leaf->alts[i]) < 0)
			return -1;
	}
	for (size_t i = 0; i < set->count; i++) {
		if (branch_add(&set->all[i], leaf) < 0)
			return no_memory(c);
	}
	return 0;
}

/* Every branch so far goes on in each object of the array. */
static int compile_or(struct compiling *c, const json_t *array, const struct ssf_json_path *at,
		      unsigned depth, struct pattern_branches *set)
{
	auto_branches all = { NULL, 0 };
	const json_t *element;
	size_t i;

	if (json_array_size(array) < 2)
		return ssf_diagnose(c->diag, at, "\"$or\" takes an array of two or more patterns");
	json_array_foreach(array, i, element) {
		struct ssf_json_path here = { at, NULL, i };
		auto_branches some = { NULL, 0 };
		if (branches_append(&some, set) < 0)
			return no_memory(c);
		if (compile_object(c, element, &here, depth + 1, true, &some) < 0)
			return -1;
		if (all.count + some.count > PATTERN_BRANCHES_MAX)
			return ssf_diagnose_limit(c->diag, at,
						  "\"$or\" makes more than %d branches",
						  PATTERN_BRANCHES_MAX);
		if (branches_append(&all, &some) < 0)
			return no_memory(c);
	}
	struct pattern_branches before = *set;
	*set = all;
	all = before;
	return 0;
}

static int compile_field(struct compiling *c, const json_t *value, const struct ssf_json_path *at,
			 unsigned depth, bool in_or, struct pattern_branches *set)
{
	int r;

	if (in_or && (language_listed(at->key, operators) ||
		      language_listed(at->key, later_operators)))
		return ssf_diagnose(c->diag, at,
				    "\"%s\" is an operator: it cannot be a field inside \"$or\"",
				    at->key);
	if (c->key_count == 0 && language_check_root(c->diag, at, at->key) < 0)
		return -1;
	c->keys[c->key_count++] = at->key;
	if (json_is_object(value))
		r = compile_object(c, value, at, depth + 1, in_or, set);
	else if (json_is_array(value))
		r = compile_leaf(c, value, at, set);
	else
		r = ssf_diagnose(c->diag, at,
				 "neither an array of alternatives nor an object of fields");
	c->key_count--;
	return r;
}

static int compile_object(struct compiling *c, const json_t *object, const struct ssf_json_path *at,
			  unsigned depth, bool in_or, struct pattern_branches *set)
{
	json_t *fields = (json_t *)object; /* only iterated over */
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return ssf_diagnose(c->diag, at, "a pattern is an object");
	if (json_object_size(object) == 0)
		return ssf_diagnose(c->diag, at, "an empty pattern");
	if (depth > PATTERN_DEPTH_MAX)
		return ssf_diagnose_limit(c->diag, at, "nested deeper than %d", PATTERN_DEPTH_MAX);
	json_object_foreach(fields, key, value) {
		struct ssf_json_path here = { at, key, 0 };
		int r = strcmp(key, "$or") == 0
				? compile_or(c, value, &here, depth, set)
				: compile_field(c, value, &here, depth, in_or, set);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* --- patterns -------------------------------------------------------------------------------- */

int pattern_compile(const json_t *source, const struct ssf_json_path *at,
		    struct ssf_diagnostic *diag, struct pattern **out)
{
	ssf_auto(pattern) p = calloc(1, sizeof(*p));
	struct compiling c = { .pattern = p, .diag = diag };

	if (p == NULL)
		return no_memory(&c);
	p->source = json_deep_copy(source);
	p->branches.all = calloc(1, sizeof(*p->branches.all));
	if (p->source == NULL || p->branches.all == NULL)
		return no_memory(&c);
	p->branches.count = 1;
	if (compile_object(&c, p->source, at, 1, false, &p->branches) < 0)
		return -1;
	for (size_t i = 0; i < p->branches.count; i++) {
		struct pattern_branch *branch = &p->branches.all[i];
		qsort(branch->leaves, branch->count, sizeof(branch->leaves[0]), by_path);
	}
	*out = SSF_STEAL(p);
	return 0;
}

void pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	while (p->leaves != NULL) {
		struct pattern_leaf *leaf = p->leaves;
		p->leaves = leaf->next;
		free(leaf->path);
		free(leaf);
	}
	branches_done(&p->branches);
	json_decref(p->source);
	free(p);
}
