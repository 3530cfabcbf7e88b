/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what can be said about them before there is an event. Private to hub/rules. */
#pragma once

#include "hub/rules/place.h"

/* The syntax of every string in value, at a place in a rule file. */
ssf_nodiscard int fill_check(const json_t *value, const struct place *at, struct blame *b);

/* Whether a string in value has a ${path}: only an event tells what it will be. */
bool fill_is_open(const json_t *value);
