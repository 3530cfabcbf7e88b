/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a receiver does with a SET: the interface between the inbox (set_inbox.h), which verifies
 * SETs and answers for them, and whatever acts on them. A sink lives in a folder of
 * receivers/sinks.
 */
#pragma once

#include "lib/ssf/err.h"
#include "lib/ssf/set.h"

struct sink_op;

/*
 * err NULL: everything that the SET calls for has been done, and confirmed by whoever keeps it;
 * the SET may be acknowledged. Otherwise it comes again, whatever the code.
 */
typedef void sink_done_f(void *arg, const struct ssf_err *err);

struct sink {
	void *self;
	/*
	 * Starts acting on a verified SET, which is borrowed until done or cancel. received_us:
	 * when the token arrived (loop_now_us()), for the log. A SET may come more than once:
	 * acting on it again must do no harm. 0 with *out NULL: nothing is to be done, done() is
	 * not called.
	 */
	int (*start)(void *self, const struct ssf_set *set, int64_t received_us, sink_done_f *done,
		     void *arg, struct sink_op **out, struct ssf_err *err);
	void (*cancel)(struct sink_op *op); /* NULL is fine */
};
