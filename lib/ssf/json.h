/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from outside: RFC 8259 text to jansson values with a size limit, a depth
 * limit checked before jansson recurses, duplicate members refused, NUL
 * characters in strings refused.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct ssf_json_limits {
	size_t max_bytes;
	unsigned max_depth; /* nested arrays and objects; a bare scalar has depth 0 */
};

extern const struct ssf_json_limits ssf_json_default; /* 1 MiB, depth 32 */

/*
 * The text must be one object or array. Result is a new reference. Errors
 * (SSF_E_MALFORMED, SSF_E_LIMIT, SSF_E_NOMEM) name line and column, not content.
 */
ssf_nodiscard int ssf_json_parse(struct ssf_str text, const struct ssf_json_limits *limits,
				 json_t **out, struct ssf_err *err);
/*
 * The same with the place of a syntax error as numbers, counted from 1; 0 for errors that have none.
 * The message then says only what is wrong.
 */
ssf_nodiscard int ssf_json_parse_at(struct ssf_str text, const struct ssf_json_limits *limits,
				    json_t **out, unsigned *line, unsigned *column,
				    struct ssf_err *err);

/*
 * For files that people write: replaces comments (two slashes to the end of the
 * line, slash-star to star-slash) and trailing commas outside strings by
 * spaces, in place, so that lines and columns of later errors stay right.
 * An unfinished comment is left for the parser to complain about.
 */
void ssf_json_strip_comments(char *text, size_t len);

/*
 * Where the value named by an RFC 6901 pointer ("/rules/0/on") starts in text
 * that ssf_json_parse accepted. Lines and columns count from 1, columns in
 * bytes. When the last part of the pointer does not exist, the position of its
 * parent. Returns -1 if nothing fits. Linear in the text: use it for errors.
 */
int ssf_json_locate(struct ssf_str text, const char *pointer, unsigned *line, unsigned *column);

/* About how many bytes of memory a value takes; 0 for NULL. */
size_t ssf_json_weight(const json_t *value);
/* Whether its compact text is longer than so many bytes. */
bool ssf_json_longer(const json_t *value, size_t bytes);
/* Whether there is a number in it that is not an integer. */
bool ssf_json_has_real(const json_t *value);

/* Compact, sorted keys: one byte sequence per value. NULL when out of memory; caller frees. */
char *ssf_json_canonical(const json_t *value);

/*
 * Typed members of an object; the error names the member. The strings are
 * borrowed from the object. _opt: absent or null leaves *out as it was.
 */
ssf_nodiscard int ssf_json_get_str(const json_t *obj, const char *key, const char **out,
				   struct ssf_err *err);
ssf_nodiscard int ssf_json_opt_str(const json_t *obj, const char *key, const char **out,
				   struct ssf_err *err);
ssf_nodiscard int ssf_json_get_int(const json_t *obj, const char *key, json_int_t *out,
				   struct ssf_err *err);
ssf_nodiscard int ssf_json_opt_int(const json_t *obj, const char *key, json_int_t *out,
				   struct ssf_err *err);
ssf_nodiscard int ssf_json_opt_bool(const json_t *obj, const char *key, bool *out,
				    struct ssf_err *err);
/* An array of strings, at most max of them; absent gives *out = NULL. Borrowed. */
ssf_nodiscard int ssf_json_opt_strings(const json_t *obj, const char *key, size_t max,
				       const json_t **out, struct ssf_err *err);
/* SSF_E_MALFORMED naming the first member of obj that is not in names (NULL-terminated). */
ssf_nodiscard int ssf_json_only(const json_t *obj, const char *const *names, struct ssf_err *err);
