/* SPDX-License-Identifier: Apache-2.0 */
/* What the GitHub tests share: vector files, and seeing what jansson gives back unwiped. */
#pragma once

#include "lib/ssf/buf.h"

/* A file of tests/vectors/github, without the newline at its end if it has one. */
void load_vector(const char *name, struct ssf_buf *out);

/*
 * Between the two calls every value that jansson frees is looked at; the second
 * says how many of them still began with secret.
 */
void watch_frees(const char *secret);
unsigned unwatch_frees(void);
