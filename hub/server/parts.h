/* SPDX-License-Identifier: Apache-2.0 */
/* What a process consists of, in order (parts.c). */
#pragma once

#include "hub/server/part.h"

extern const struct part server_parts[];
extern const size_t server_part_count;
