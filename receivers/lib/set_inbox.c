/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One item is a machine:
 *
 *   verify -> [known already ->] sink -> done
 *
 * It owns at most one of the two handles, and the verified SET.
 */
#include "receivers/lib/set_inbox.h"

#include "lib/kit/log.h"
#include "lib/ssf/catalog.h"

#include <stdlib.h>

struct set_inbox_item {
	const struct set_inbox *inbox;
	set_inbox_done_f *done;
	void *arg;
	int64_t received_us;
	struct verify *verify;
	struct sink_op *op;
	struct ssf_set set;
};

static void item_free(struct set_inbox_item *item)
{
	verify_cancel(item->verify);
	item->inbox->sink.cancel(item->op);
	ssf_set_done(&item->set);
	free(item);
}

/* Success is remembered: the hub may send the SET again if it misses our answer. */
static void item_end(struct set_inbox_item *item, const struct ssf_err *err)
{
	set_inbox_done_f *done = item->done;
	void *arg = item->arg;

	if (err == NULL)
		dedupe_add(item->inbox->dedupe, item->set.iss, item->set.jti, loop_now_ms());
	item_free(item);
	done(arg, err);
}

static void on_sink(void *arg, const struct ssf_err *err)
{
	struct set_inbox_item *item = arg;

	item->op = NULL;
	item_end(item, err);
}

/* Control events (verification, stream-updated) are for people to see. */
static void log_control_events(const struct ssf_set *set)
{
	const char *uri;
	json_t *event;

	json_object_foreach((json_t *)set->events, uri, event) {
		const struct ssf_event_type *type = ssf_event_by_uri(uri);
		const char *state = json_string_value(json_object_get(event, "state"));

		if (type != NULL && type->control)
			log_info("receiver.control", log_str("jti", set->jti),
				 log_str("event", type->name),
				 log_secret("state", ssf_str_c(state)));
	}
}

static void on_verified(void *arg, struct ssf_set *set, const struct ssf_err *failed)
{
	struct set_inbox_item *item = arg;
	const struct sink *sink = &item->inbox->sink;
	struct ssf_err err;

	item->verify = NULL;
	if (failed != NULL) {
		log_warn("receiver.refused", log_str("code", ssf_code_info(failed->code)->name),
			 log_why(failed));
		item_end(item, failed);
		return;
	}
	item->set = *set;
	*set = (struct ssf_set){ 0 };
	if (dedupe_seen(item->inbox->dedupe, item->set.iss, item->set.jti, loop_now_ms())) {
		log_info("receiver.duplicate", log_str("jti", item->set.jti));
		item_end(item, NULL);
		return;
	}
	log_debug("receiver.verified", log_str("jti", item->set.jti));
	log_control_events(&item->set);
	if (sink->start(sink->self, &item->set, item->received_us, on_sink, item, &item->op,
			&err) < 0) {
		item_end(item, &err);
	} else if (item->op == NULL) {
		log_info("receiver.not_applicable", log_str("jti", item->set.jti),
			 log_str("txn", item->set.txn));
		item_end(item, NULL);
	}
}

int set_inbox_accept_start(const struct set_inbox *inbox, struct ssf_str token,
			   set_inbox_done_f *done, void *arg, struct set_inbox_item **out,
			   struct ssf_err *err)
{
	struct set_inbox_item *item = calloc(1, sizeof(*item));

	if (item == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "inbox: out of memory");
	item->inbox = inbox;
	item->done = done;
	item->arg = arg;
	item->received_us = loop_now_us();
	if (verify_start(inbox->loop, &inbox->policy, token, on_verified, item, &item->verify,
			 err) < 0) {
		log_warn("receiver.refused", log_str("code", ssf_code_info(err->code)->name),
			 log_why(err));
		free(item);
		return -1;
	}
	*out = item;
	return 0;
}

void set_inbox_accept_cancel(struct set_inbox_item *item)
{
	if (item != NULL)
		item_free(item);
}

bool set_inbox_is_transient(const struct ssf_err *err)
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

const char *set_inbox_error_code(const struct ssf_err *err)
{
	const char *code = ssf_code_info(err->code)->set_err;

	return code != NULL ? code : "invalid_request";
}
