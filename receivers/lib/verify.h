/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies that a token is a SET of the hub, addressed to this receiver: parses it, compares the
 * issuer before any key is looked for, finds or fetches its key, then does all checks of
 * ssf_set_verify(). Signatures are checked on the loop: RS256 and ES256 take some ten
 * microseconds.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "lib/ssf/set.h"
#include "receivers/lib/hub_keys.h"

struct verify;

/* One of set and err is NULL. set: take it over by copying it and zeroing the original. */
typedef void verify_done_f(void *arg, struct ssf_set *set, const struct ssf_err *err);

/* audience ends with NULL. Everything is borrowed until the end. */
struct verify_policy {
	struct hub_keys *keys;
	const char *issuer;
	const char *const *audience;
};

ssf_nodiscard int verify_start(struct loop *loop, const struct verify_policy *policy,
			       struct ssf_str token, verify_done_f *done, void *arg,
			       struct verify **out, struct ssf_err *err);
void verify_cancel(struct verify *v);
