/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a token is a SET of our hub, addressed to us: parsed, its issuer
 * compared before any key is looked for, its key found or fetched, then the
 * whole check of ssf_set_verify(). Signatures are checked on the loop: RS256
 * and ES256 take some ten microseconds.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "lib/ssf/set.h"
#include "receivers/keys.h"

struct verify;

/* One of set and err is NULL. set: take it over by copying it and zeroing the original. */
typedef void verify_done_f(void *arg, struct ssf_set *set, const struct ssf_err *err);

/* audience ends with NULL. All is borrowed until the end; keys and strings by the caller's word. */
struct verify_policy {
	struct keys *keys;
	const char *issuer;
	const char *const *audience;
};

ssf_nodiscard int verify_start(struct loop *loop, const struct verify_policy *policy,
			       struct ssf_str token, verify_done_f *done, void *arg,
			       struct verify **out, struct ssf_err *err);
void verify_cancel(struct verify *v);
