/* SPDX-License-Identifier: Apache-2.0 */
/* Matches compiled patterns against documents. */
#pragma once

#include "hub/rules/pattern.h"

/*
 * trace, if not NULL, gets an array of {"path","op","value"} for the alternatives that decided a
 * match. SSF_E_NOMEM is the only error. Without a trace nothing is allocated, and it cannot
 * fail.
 */
ssf_nodiscard int match_pattern(const struct pattern *p, const json_t *document, bool *matched,
				json_t *trace, struct ssf_err *err);
