/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a value is inside a JSON document. Code that walks a document builds the path on its
 * stack, one step a level, so that it costs nothing until an error has to name the place.
 */
#pragma once

#include <stddef.h>

#include "lib/ssf/buf.h"

/* One step down from the value above: a member, or an element when key is NULL. */
struct ssf_json_path {
	const struct ssf_json_path *up; /* NULL: the whole document; key and index mean nothing */
	const char *key;
	size_t index;
};

/* A path on the stack: the member or the element of the value at `at`. */
#define SSF_JSON_MEMBER(at, name) (&(struct ssf_json_path){ (at), (name), 0 })
#define SSF_JSON_ELEMENT(at, i) (&(struct ssf_json_path){ (at), NULL, (i) })

/* Appends the path as a JSON Pointer (RFC 6901); the whole document is "". */
void ssf_json_path_pointer(const struct ssf_json_path *path, struct ssf_buf *out);
