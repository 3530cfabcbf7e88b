/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The claims of SETs. All SETs of one event share everything but "aud" and "jti"; that part is composed
 * once and kept for the newest events.
 */
#pragma once

#include "hub/eventlog/event.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct set_claims;

/* issuer is borrowed: "iss" of every SET. NULL: no memory. */
struct set_claims *set_claims_new(const char *issuer);
void set_claims_free(struct set_claims *c); /* NULL is fine */

/* Appends the claims as JSON. The errors of lib/ssf/set.h. */
ssf_nodiscard int set_claims_compose(struct set_claims *c, const struct event *e, const char *audience,
				     const char *jti, struct ssf_buf *out, struct ssf_err *err);
