/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the rule language that several parts of it check. What belongs to the language and is
 * not run by this version is refused by name, so that no rule silently does less than it says.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/diagnostic.h"

/* Whether name is in names, which end with NULL. */
bool language_listed(const char *name, const char *const *names);

/*
 * Members of the document whose names begin with "$" are joined from the registry. A name that is
 * never joined is an error: such a path could only ever be missing.
 */
ssf_nodiscard int language_check_root(struct ssf_diagnostic *diag, const struct ssf_json_path *at,
				      const char *root);

/*
 * Refuses the first member of an object that is not in names. Those in later are called
 * unsupported, others unknown. later may be NULL.
 */
ssf_nodiscard int language_only_members(struct ssf_diagnostic *diag,
					const struct ssf_json_path *at, const json_t *object,
					const char *const *names, const char *const *later);
