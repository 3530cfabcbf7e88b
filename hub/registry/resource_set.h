/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources in memory: one JSON value a resource, by kind and id, with its version, and an index for each member that
 * is declared KIND_UNIQUE. Pure: knows neither the database nor who listens.
 */
#pragma once

#include <jansson.h>

#include "hub/registry/kinds/kind.h"
#include "lib/ssf/err.h"

struct resource_set;

struct resource_set *resource_set_new(void); /* NULL when out of memory */
void resource_set_free(struct resource_set *s);

/* Adds or replaces; spec NULL removes. A reference to spec is kept. -1: out of memory, call it again. */
ssf_nodiscard int resource_set_put(struct resource_set *s, enum kind kind, const char *id, json_t *spec,
				   int64_t version);

/* Borrowed until the resource changes; NULL if there is none. */
const json_t *resource_set_get(const struct resource_set *s, enum kind kind, const char *id);
int64_t resource_set_version(const struct resource_set *s, enum kind kind, const char *id); /* 0: none */
const json_t *resource_set_all(const struct resource_set *s, enum kind kind); /* object: id to spec */

/*
 * The id of the resource whose unique member has this value; of a KIND_TEXTS: among its elements. within: the value
 * of the member that it is unique within; NULL if there is none. Borrowed; NULL if there is no such resource.
 */
const char *resource_set_find(const struct resource_set *s, enum kind kind, const char *member,
			      const char *within, const char *value);
