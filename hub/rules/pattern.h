/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled patterns. "$or" is expanded when a pattern is compiled: what is left is a list of
 * branches, each a list of leaves that must all match. Private to hub/rules.
 */
#pragma once

#include <jansson.h>

#include "hub/rules/place.h"
#include "hub/rules/rules.h"

#define PATTERN_DEPTH_MAX 16
#define PATTERN_ALTERNATIVES_MAX 1000
#define PATTERN_BRANCHES_MAX 256

enum pattern_op {
	PATTERN_EXACT,
	PATTERN_PREFIX,
	PATTERN_SUFFIX,
	PATTERN_EXISTS,
	PATTERN_BUT,        /* anything-but */
	PATTERN_BUT_PREFIX, /* anything-but prefix */
	PATTERN_BUT_SUFFIX,
};

struct pattern_alt {
	enum pattern_op op;
	const json_t *operand; /* of the BUT operators: a scalar, or an array of them */
};

/* One field and its alternatives. */
struct pattern_leaf {
	struct pattern_leaf *next;  /* of the same pattern */
	const char *keys[PATTERN_DEPTH_MAX];
	size_t depth;               /* keys used, at least one */
	char *path;                 /* the keys as people write them */
	size_t alt_count;
	struct pattern_alt alts[];
};

struct pattern_branch {
	const struct pattern_leaf **leaves; /* sorted: leaves below one field are neighbours */
	size_t count;
	size_t cap;
};

struct pattern_branches {
	struct pattern_branch *all;
	size_t count;
};

struct rule_pattern {
	json_t *source;               /* keys and operands point into it */
	struct pattern_leaf *leaves;
	struct pattern_branches branches;
};

/* As rule_pattern_compile(), of a value at a place. */
ssf_nodiscard int pattern_compile(const json_t *source, const struct place *at, struct blame *b,
				  struct rule_pattern **out);

/* As rule_pattern_match(); trace (or NULL) gets what decided. Fails only for lack of memory. */
ssf_nodiscard int pattern_match(const struct rule_pattern *p, const json_t *document,
				bool *matched, json_t *trace, struct ssf_err *err);
