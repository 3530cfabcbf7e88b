/* SPDX-License-Identifier: Apache-2.0 */
/* The subscription may go, or come, while a replay is under way: it is looked up by its id afterwards. */
#include "hub/deliver/replay.h"

#include "hub/deliver/positions.h"
#include "hub/deliver/subscription_set.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

struct replay {
	struct replay_deps deps;
	char *stream;
	int64_t epoch;               /* under which it is done */
	replay_redrive_f *redriven;  /* one of these two is set */
	replay_rewind_f *rewound;
	void *arg;
};

static void replay_free(struct replay *p)
{
	if (p != NULL)
		free(p->stream);
	free(p);
}

static struct replay *replay_new(const struct replay_deps *deps, const char *stream, void *arg)
{
	struct replay *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->stream = strdup(stream)) == NULL) {
		replay_free(p);
		return NULL;
	}
	p->deps = *deps;
	p->epoch = owner_epoch(deps->owner, owner_shard(stream));
	p->arg = arg;
	return p;
}

/* Another process owns the stream: the client asks again, and is led there. */
static const struct ssf_err *check_owner(const struct replay *p, const struct ssf_err *err, struct ssf_err *why)
{
	if (err == NULL || err->code != SSF_E_CONFLICT)
		return err;
	owner_refused(p->deps.owner, owner_shard(p->stream), p->epoch);
	ssf_fail(why, SSF_E_UNAVAILABLE, "the stream has moved to another process");
	return why;
}

/* The outcomes of redrive_dead_letters() and rewind_stream(). */
static int check_outcome(const char *outcome, struct ssf_err *err)
{
	static const struct {
		const char *name;
		enum ssf_code code;
		const char *text;
	} outcomes[] = {
		{ "no_stream", SSF_E_NOT_FOUND, "no such stream" },
		{ "no_letter", SSF_E_NOT_FOUND, "no such dead letter" },
		{ "disabled", SSF_E_CONFLICT, "the stream is disabled, and keeps nothing" },
		{ "future", SSF_E_MALFORMED, "this is in the future" },
		{ "gone", SSF_E_GONE, "the log does not go back so far any more" },
		{ "full", SSF_E_BUSY, "too many of this stream are to be sent again already" },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(outcomes); i++) {
		if (strcmp(outcomes[i].name, outcome) == 0)
			return ssf_fail(err, outcomes[i].code, "%s", outcomes[i].text);
	}
	return 0;
}

/* --- dead letters ----------------------------------------------------------------------------- */

static void on_redriven(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct replay *p = arg;
	struct subscription *s = subscription_set_find(p->deps.set, p->stream);
	struct replay_redriven result = { 0 };
	struct ssf_err why;

	err = check_owner(p, err, &why);
	if (s != NULL)
		subscription_redriven(s); /* also when it is not known whether it was done */
	if (err == NULL && check_outcome(db_text(r, 0, 0), &why) < 0)
		err = &why;
	if (err == NULL)
		result = (struct replay_redriven){ db_int(r, 0, 1), db_int(r, 0, 2), db_int(r, 0, 3) };
	p->redriven(p->arg, &result, err);
	replay_free(p);
}

int replay_redrive(const struct replay_deps *deps, const char *stream, int64_t seq, replay_redrive_f *f, void *arg,
		   struct ssf_err *err)
{
	struct replay *p = replay_new(deps, stream, arg);

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "redrive");
	p->redriven = f;
	if (db_exec_detached(deps->db, STMT_redrive,
			     DB_PARAMS(db_param_uuid(owner_id(deps->owner)), db_param_int(p->epoch), db_param_text(stream),
				       seq != 0 ? db_param_int(seq) : db_param_null(), db_param_int(REDELIVERY_MAX)),
			     on_redriven, p, err) < 0) {
		replay_free(p);
		return -1;
	}
	return 0;
}

/* --- rewinding -------------------------------------------------------------------------------- */

static void on_rewound(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct replay *p = arg;
	struct subscription *s = subscription_set_find(p->deps.set, p->stream);
	int64_t first = 0;
	struct ssf_err why;

	err = check_owner(p, err, &why);
	if (err != NULL && s != NULL)
		subscription_wake(s); /* it may have been done: the next checkpoint tells */
	if (err == NULL && check_outcome(db_text(r, 0, 0), &why) < 0) {
		if (why.code == SSF_E_GONE)
			ssf_fail(&why, SSF_E_GONE, "the oldest event in the log is %s", db_text(r, 0, 2));
		err = &why;
	}
	if (err == NULL) {
		first = db_int(r, 0, 1);
		if (s != NULL)
			subscription_reload(s);
	}
	p->rewound(p->arg, first, err);
	replay_free(p);
}

int replay_rewind(const struct replay_deps *deps, const char *stream, struct replay_point to, replay_rewind_f *f,
		  void *arg, struct ssf_err *err)
{
	struct replay *p = replay_new(deps, stream, arg);
	const struct subscription *s = subscription_set_find(deps->set, stream);
	ssf_auto_buf position = SSF_BUF(POSITION_TEXT_MAX);
	bool known = s != NULL && s->position_known && position_text(s, true, &position) == 0;

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rewind");
	p->rewound = f;
	if (db_exec_detached(deps->db, STMT_stream_rewind,
			     DB_PARAMS(db_param_uuid(owner_id(deps->owner)), db_param_int(p->epoch), db_param_text(stream),
				       to.seq != 0 ? db_param_int(to.seq) : db_param_null(),
				       to.seq != 0 ? db_param_null() : db_param_int(to.at_ms),
				       /* without a position what is saved counts */
				       db_param_json_text(known ? position.ptr : NULL)),
			     on_rewound, p, err) < 0) {
		replay_free(p);
		return -1;
	}
	return 0;
}
