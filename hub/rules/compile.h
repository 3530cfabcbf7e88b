/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of compiling a rule file that have a file of their own. Private to hub/rules. */
#pragma once

#include "hub/rules/place.h"
#include "hub/rules/rules.h"

/*
 * Checks one action at a place and fills *out, whose strings are borrowed from value. What
 * its templates will say is not known yet; all else is checked here.
 */
ssf_nodiscard int action_compile(const json_t *value, const struct place *at, struct blame *b,
				 struct rule_action *out);
