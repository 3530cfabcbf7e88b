/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What push and poll have in common: a token comes in, is verified, not done
 * twice, and purged. The callback says success only when Redis has confirmed
 * every command that the SET calls for (or when it calls for none).
 */
#pragma once

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "receivers/config.h"
#include "receivers/dedupe.h"
#include "receivers/redis.h"
#include "receivers/verify.h"

struct receiver {
	struct loop *loop;
	const struct config *config;
	struct verify_policy policy;
	struct redis *redis;
	struct dedupe *dedupe;
};

struct receipt;

/* err NULL: done, confirmed, may be acknowledged. */
typedef void receipt_done_f(void *arg, const struct ssf_err *err);

/* The token must stay until the end. A token that does not even parse fails here. */
ssf_nodiscard int receipt_start(const struct receiver *r, struct ssf_str token,
				receipt_done_f *done, void *arg, struct receipt **out,
				struct ssf_err *err);
void receipt_cancel(struct receipt *r);

/* Whether the same SET may fare better later; else it is to be refused for good. */
bool receipt_is_transient(const struct ssf_err *err);
/* RFC 8935 section 2.4; never NULL. */
const char *receipt_set_err(const struct ssf_err *err);
