/* SPDX-License-Identifier: Apache-2.0 */
/* One receipt: verify, then purge; it owns at most one of the two handles, and the accepted SET. */
#include "receivers/receive.h"

#include <stdlib.h>
#include <time.h>

#include "lib/kit/log.h"
#include "lib/ssf/catalog.h"
#include "receivers/plan.h"
#include "receivers/purge.h"

struct receipt {
	const struct receiver *r;
	receipt_done_f *done;
	void *arg;
	int64_t started_us;
	struct verify *verify;
	struct purge *purge;
	struct ssf_set set;
};

static int64_t now_us(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void receipt_free(struct receipt *r)
{
	verify_cancel(r->verify);
	purge_cancel(r->purge);
	ssf_set_done(&r->set);
	free(r);
}

static void finish(struct receipt *r, const struct ssf_err *err)
{
	receipt_done_f *done = r->done;
	void *arg = r->arg;

	if (err == NULL)
		dedupe_add(r->r->dedupe, r->set.iss, r->set.jti, loop_now_ms());
	receipt_free(r);
	done(arg, err);
}

static void on_purged(void *arg, int64_t removed, const struct ssf_err *err)
{
	struct receipt *r = arg;

	r->purge = NULL;
	if (err != NULL)
		log_warn("receiver.purge.failed", log_str("jti", r->set.jti),
			 log_str("txn", r->set.txn), log_why(err));
	else
		log_info("receiver.purged", log_str("jti", r->set.jti), log_str("txn", r->set.txn),
			 log_int("keys", removed), log_int("us", now_us() - r->started_us));
	finish(r, err);
}

static void log_control(const struct ssf_set *set)
{
	const char *uri;
	json_t *event;

	json_object_foreach((json_t *)(uintptr_t)set->events, uri, event) {
		const struct ssf_event_type *type = ssf_event_by_uri(uri);
		const char *state = json_string_value(json_object_get(event, "state"));

		if (type != NULL && type->control)
			log_info("receiver.control", log_str("jti", set->jti),
				 log_str("event", type->name),
				 log_secret("state", ssf_str_c(state)));
	}
}

/* 1: nothing is to be done, 0: a purge has been started, -1. */
static int act(struct receipt *r, struct ssf_err *err)
{
	struct plan plan;
	bool started;

	log_control(&r->set);
	if (plan_make(r->r->config, &r->set, &plan, err) < 0)
		return -1;
	if (plan.n_rules == 0) {
		plan_done(&plan);
		log_info("receiver.not_applicable", log_str("jti", r->set.jti),
			 log_str("txn", r->set.txn));
		return 1;
	}
	started = purge_start(r->r->redis, &plan, on_purged, r, &r->purge, err) == 0;
	plan_done(&plan);
	return started ? 0 : -1;
}

static void on_verified(void *arg, struct ssf_set *set, const struct ssf_err *failed)
{
	struct receipt *r = arg;
	struct ssf_err err;

	r->verify = NULL;
	if (failed != NULL) {
		log_warn("receiver.refused", log_str("code", ssf_code_info(failed->code)->name),
			 log_why(failed));
		finish(r, failed);
		return;
	}
	r->set = *set;
	*set = (struct ssf_set){ 0 };
	if (dedupe_seen(r->r->dedupe, r->set.iss, r->set.jti, loop_now_ms())) {
		log_info("receiver.duplicate", log_str("jti", r->set.jti));
		finish(r, NULL);
		return;
	}
	switch (act(r, &err)) {
	case 1:
		finish(r, NULL);
		break;
	case -1:
		on_purged(r, 0, &err);
		break;
	}
}

int receipt_start(const struct receiver *receiver, struct ssf_str token, receipt_done_f *done,
		  void *arg, struct receipt **out, struct ssf_err *err)
{
	struct receipt *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "receive: out of memory");
	r->r = receiver;
	r->done = done;
	r->arg = arg;
	r->started_us = now_us();
	if (verify_start(receiver->loop, &receiver->policy, token, on_verified, r, &r->verify,
			 err) < 0) {
		log_warn("receiver.refused", log_str("code", ssf_code_info(err->code)->name),
			 log_why(err));
		free(r);
		return -1;
	}
	*out = r;
	return 0;
}

void receipt_cancel(struct receipt *r)
{
	if (r != NULL)
		receipt_free(r);
}

bool receipt_is_transient(const struct ssf_err *err)
{
	switch (err->code) {
	case SSF_E_BUSY:
	case SSF_E_UNAVAILABLE:
	case SSF_E_TIMEOUT:
	case SSF_E_NOMEM:
	case SSF_E_INTERNAL:
		return true;
	default:
		return false;
	}
}

const char *receipt_set_err(const struct ssf_err *err)
{
	const char *name = ssf_code_info(err->code)->set_err;

	return name != NULL ? name : "invalid_request";
}
