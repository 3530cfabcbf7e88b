/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places in a rule file: who compiles a value knows where it stands, so that an error can
 * name its line and column. Private to hub/rules.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/* One step down from the value above: a member, or an element when key is NULL. */
struct place {
	const struct place *up; /* NULL: this is the whole document, key and index mean nothing */
	const char *key;
	size_t index;
};

/* Where an error goes: its text, and an RFC 6901 pointer to the value at fault. */
struct blame {
	struct ssf_err *err;
	struct ssf_buf pointer;
};

#define BLAME_POINTER_MAX (4 * 1024 * 1024) /* a file of keys, escaped */

#define place_fail(b, at, code, ...) \
	place_fail_at((b), (at), (code), __FILE__, __LINE__, __VA_ARGS__)
int place_fail_at(struct blame *b, const struct place *at, enum ssf_code code, const char *file,
		  int line, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Blames the member key of the value at; when there is no such member, the value itself. */
#define place_fail_member(b, at, member, ...) \
	place_fail((b), (&(struct place){ (at), (member), 0 }), SSF_E_MALFORMED, __VA_ARGS__)

/*
 * Members of the document whose names begin with "$" are the hub's joins. A name that this
 * version never joins is an error: such a path could only ever be missing.
 */
ssf_nodiscard int place_check_root(struct blame *b, const struct place *at, const char *root);

/* Whether name is in names, which end with NULL. */
bool place_listed(const char *name, const char *const *names);

/*
 * Members of an object that are neither in names nor in later: unknown; in later: of the
 * language, but not run by this version. Either is an error, the first member that is.
 * later may be NULL.
 */
ssf_nodiscard int place_only(struct blame *b, const struct place *at, const json_t *object,
			     const char *const *names, const char *const *later);
