/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to Redis on the loop, through hiredis. It connects, logs in, and reconnects
 * with backoff for as long as it lives. Commands are sent in batches, pipelined; a batch has one
 * callback and one deadline, and succeeds only when Redis has answered each of its commands
 * without an error.
 *
 * A batch is never sent twice and never kept for a later connection: when the connection is
 * lost, all running batches fail, and nobody knows what they did. Commands must therefore be
 * repeatable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct redis;
struct redis_batch;
struct redis_op;

struct redis_conf {
	const char *path;     /* unix socket; or NULL, and then: */
	const char *host;     /* IP address */
	int port;
	const char *username; /* or NULL */
	const char *password; /* or NULL: no AUTH */
	size_t max_ops;       /* running batches; above: SSF_E_BUSY */
	int timeout_ms;       /* to connect and log in, and of each batch */
};

/* The strings of conf are borrowed for life. Starts connecting; Redis may be away. */
ssf_nodiscard int redis_new(struct loop *loop, const struct redis_conf *conf, struct redis **out,
			    struct ssf_err *err);
/* Every op must have ended or been cancelled. Not from inside a callback of an op. NULL is fine. */
void redis_free(struct redis *r);

/* Commands, in the order in which Redis runs them. Arguments are copied. */
struct redis_batch *redis_batch_new(void); /* NULL when out of memory */
void redis_batch_free(struct redis_batch *b);
SSF_DEFINE_AUTO(redis_batch)
ssf_nodiscard int redis_batch_add(struct redis_batch *b, size_t n, const struct ssf_str *args,
				  struct ssf_err *err);

struct redis_result {
	int64_t sum;                /* of all integer replies */
	struct ssf_str cursor;      /* of the last reply, if it answers SCAN or SSCAN */
	const struct ssf_str *keys; /* that it has found */
	size_t n_keys;
};

/*
 * One of result and err is NULL; borrowed for the call. err: SSF_E_UNAVAILABLE (connection lost,
 * or Redis answered with an error), SSF_E_TIMEOUT, SSF_E_NOMEM.
 */
typedef void redis_done_f(void *arg, const struct redis_result *result, const struct ssf_err *err);

/* The batch stays the caller's. SSF_E_UNAVAILABLE when there is no connection, SSF_E_BUSY. */
ssf_nodiscard int redis_start(struct redis *r, const struct redis_batch *batch, redis_done_f *done,
			      void *arg, struct redis_op **out, struct ssf_err *err);
/* Redis still runs commands that were sent; done is not called. */
void redis_cancel(struct redis_op *op);
