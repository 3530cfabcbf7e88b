/* SPDX-License-Identifier: Apache-2.0 */
/* One purge a SET. Logs what was done: with the jti and the txn, never with a subject. */
#include "receivers/sinks/redis/redis_sink.h"

#include "lib/kit/log.h"
#include "lib/kit/loop.h"
#include "receivers/sinks/redis/purge.h"

#include <stdlib.h>

struct sink_op {
	const struct ssf_set *set;
	int64_t received_us;
	sink_done_f *done;
	void *arg;
	struct purge *purge;
};

static void log_failure(const struct ssf_set *set, const struct ssf_err *err)
{
	log_warn("receiver.purge.failed", log_str("jti", set->jti), log_str("txn", set->txn),
		 log_why(err));
}

static void on_purged(void *arg, int64_t removed, const struct ssf_err *err)
{
	struct sink_op *op = arg;
	sink_done_f *done = op->done;
	void *done_arg = op->arg;

	if (err != NULL)
		log_failure(op->set, err);
	else
		log_info("receiver.purged", log_str("jti", op->set->jti),
			 log_str("txn", op->set->txn), log_int("keys", removed),
			 log_int("us", loop_now_us() - op->received_us));
	free(op);
	done(done_arg, err);
}

static int redis_sink_start(void *self, const struct ssf_set *set, int64_t received_us,
			    sink_done_f *done, void *arg, struct sink_op **out, struct ssf_err *err)
{
	const struct redis_sink *s = self;
	ssf_auto_free struct sink_op *op = calloc(1, sizeof(*op));
	struct purge_plan plan;
	int r;

	*out = NULL;
	if (op == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "redis sink: out of memory");
	*op = (struct sink_op){ set, received_us, done, arg, NULL };
	r = purge_plan_make(s->rules, set, &plan, err);
	if (r == 0 && plan.rule_count > 0) {
		r = purge_start(s->redis, &plan, on_purged, op, &op->purge, err);
		if (r == 0)
			*out = SSF_STEAL(op);
		purge_plan_done(&plan);
	}
	if (r < 0)
		log_failure(set, err);
	return r;
}

static void redis_sink_cancel(struct sink_op *op)
{
	if (op == NULL)
		return;
	purge_cancel(op->purge);
	free(op);
}

struct sink redis_sink(struct redis_sink *s)
{
	return (struct sink){ s, redis_sink_start, redis_sink_cancel };
}
