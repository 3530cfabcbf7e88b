/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jti of an event for an audience: one block of AES-256 over (seq, audience). The same event has the
 * same jti at every attempt, and an acknowledgement names its event without a table
 * (docs/adr/0005-jti-from-a-block-cipher.md). The key is derived from the master key, so that rotations
 * of signing keys do not change it.
 */
#pragma once

#include "hub/secrets/seal.h"

struct jti;

ssf_nodiscard int jti_new(const struct master_key *master, struct jti **out, struct ssf_err *err);
void jti_free(struct jti *j); /* NULL is fine */

#define JTI_LEN 23 /* 22 characters and the NUL */
void jti_make(const struct jti *j, int64_t seq, const char *audience, char out[JTI_LEN]);
/* -1 if the text is not a jti that was made for this audience. */
int jti_seq(const struct jti *j, struct ssf_str text, const char *audience, int64_t *seq);
