/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled patterns (the grammar of AWS EventBridge, as far as this version runs it). "$or" is
 * expanded when a pattern is compiled: what is left is a list of branches, each a list of leaves
 * that must all match. match.h matches them.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/diagnostic.h"

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
	struct pattern_leaf *next; /* of the same pattern */
	const char *keys[PATTERN_DEPTH_MAX];
	size_t depth;              /* keys used, at least one */
	char *path;                /* the keys as people write them */
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

struct pattern {
	json_t *source; /* keys and operands point into it */
	struct pattern_leaf *leaves;
	struct pattern_branches branches;
};

/* Compiles a copy of source, which stands at this path of the text that diag is about. */
ssf_nodiscard int pattern_compile(const json_t *source, const struct ssf_json_path *at,
				  struct ssf_diagnostic *diag, struct pattern **out);
void pattern_free(struct pattern *p);
SSF_DEFINE_AUTO(pattern)
