/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as bodies of answers: {"err","description"} as in RFC 8935 section 2.3, for every endpoint alike. */
#pragma once

#include "lib/ssf/err.h"

/* The caller frees it; NULL when out of memory. Of an internal error it does not say what happened. */
char *http_error_body(const struct ssf_err *err);
