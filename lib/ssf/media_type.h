/* SPDX-License-Identifier: Apache-2.0 */
/* Content-Type as a receiver reads it (RFC 9110 section 8.3.1): "type/subtype", then parameters. */
#pragma once

#include <stdbool.h>

#include "lib/ssf/buf.h"

/* "application/json; charset=utf-8" gives "application/json", in the letters as sent. A view into value. */
struct ssf_str ssf_media_type(struct ssf_str value);
/* Whether it is this one, whatever its parameters and the case of its letters. */
bool ssf_media_type_is(struct ssf_str value, const char *type);
