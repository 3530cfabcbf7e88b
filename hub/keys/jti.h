/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jti of an event for an audience: one block cipher over (seq, audience), so that the same
 * event has the same jti at every attempt and an acknowledgement names its event without a table.
 * The cipher's key is derived from the master key: signing keys may come and go.
 */
#pragma once

#include "hub/secrets/seal.h"

struct jti;

ssf_nodiscard int jti_new(const struct master_key *master, struct jti **out, struct ssf_err *err);
void jti_free(struct jti *j); /* NULL is fine */

#define JTI_LEN 23 /* 22 characters and the NUL */
void jti_make(const struct jti *j, int64_t seq, const char *audience, char out[JTI_LEN]);
/* -1 if it is not one that was made for this audience. */
int jti_seq(const struct jti *j, struct ssf_str text, const char *audience, int64_t *seq);
