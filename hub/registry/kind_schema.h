/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schemas of the kinds for the OpenAPI document, made from their descriptions. */
#pragma once

#include <jansson.h>

#include "hub/registry/kinds/kind.h"

/* As it is written by an operator, or as the hub shows it. */
enum kind_schema_form { KIND_SCHEMA_WRITTEN, KIND_SCHEMA_SHOWN };

/* One kind; it refers to #/components/schemas/Id, Version and Sha256. New reference; NULL when out of memory. */
json_t *kind_schema(enum kind kind, enum kind_schema_form form);

/*
 * All components: Kind, Version, Resource, ResourceInput, and two of each kind ("Person" as it is shown, "PersonInput"
 * as it is written). New reference; NULL when out of memory.
 */
json_t *kind_schema_components(void);
