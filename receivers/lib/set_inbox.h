/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What push and poll have in common: a token comes in, is verified, is not acted on twice, and
 * goes to the sink. An item ends with success only when the sink has confirmed it, or has
 * nothing to do.
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "receivers/lib/dedupe.h"
#include "receivers/lib/sink.h"
#include "receivers/lib/verify.h"

struct set_inbox { /* all borrowed for life */
	struct loop *loop;
	struct verify_policy policy;
	struct dedupe *dedupe;
	struct sink sink;
};

struct set_inbox_item;

/* err NULL: may be acknowledged. */
typedef void set_inbox_done_f(void *arg, const struct ssf_err *err);

/* token is borrowed until the end. A token that does not even parse fails here. */
ssf_nodiscard int set_inbox_accept_start(const struct set_inbox *inbox, struct ssf_str token,
					 set_inbox_done_f *done, void *arg,
					 struct set_inbox_item **out, struct ssf_err *err);
void set_inbox_accept_cancel(struct set_inbox_item *item);

/* Whether the same SET may be accepted later; otherwise it is refused for good. */
bool set_inbox_is_transient(const struct ssf_err *err);
/* The error code of RFC 8935 section 2.4; never NULL. */
const char *set_inbox_error_code(const struct ssf_err *err);
