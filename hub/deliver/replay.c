/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending again: redriven dead letters, rewound streams. Both are one transaction (sql/0006); what is
 * here only learns of it afterwards, so that nothing is sent again that a crash would forget, and a
 * refusal changes nothing. Whoever asks outlives it.
 */
#include "hub/deliver/deliver_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay {
	struct deliver *deliver;
	char *stream;
	int64_t epoch;              /* under which it is done */
	deliver_redrive_f *redriven; /* or NULL, and */
	deliver_rewind_f *rewound;
	void *arg;
};

static void replay_free(struct replay *p)
{
	if (p != NULL)
		free(p->stream);
	free(p);
}

static struct replay *replay_new(struct deliver *d, const char *stream, void *arg)
{
	struct replay *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->stream = strdup(stream)) == NULL) {
		replay_free(p);
		return NULL;
	}
	p->deliver = d;
	p->epoch = owner_epoch(d->owner, owner_shard(stream));
	p->arg = arg;
	return p;
}

/* Somebody else owns the stream: who asks may ask again, and is led there. */
static const struct ssf_err *refused(const struct replay *p, const struct ssf_err *err, struct ssf_err *why)
{
	if (err == NULL || err->code != SSF_E_CONFLICT)
		return err;
	owner_refused(p->deliver->owner, owner_shard(p->stream), p->epoch);
	ssf_fail(why, SSF_E_UNAVAILABLE, "the stream has moved to another process");
	return why;
}

/* What the functions of sql/0006 call an outcome. */
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

/* --- dead letters ----------------------------------------------------------------------------------- */

static void on_redriven(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct replay *p = arg;
	struct deliver_redriven result = { 0 };
	struct outlet *o;
	struct ssf_err why;

	err = refused(p, err, &why); /* the stream may not be here any more */
	o = deliver_find(p->deliver, p->stream);
	if (o != NULL)
		owed_load(o); /* also when nobody knows whether it was done */
	if (err == NULL && check_outcome(db_text(r, 0, 0), &why) < 0)
		err = &why;
	if (err == NULL)
		result = (struct deliver_redriven){ db_int(r, 0, 1), db_int(r, 0, 2), db_int(r, 0, 3) };
	p->redriven(p->arg, &result, err);
	replay_free(p);
}

int deliver_redrive(struct deliver *d, const char *stream, int64_t seq, deliver_redrive_f *f, void *arg,
		    struct ssf_err *err)
{
	struct replay *p = replay_new(d, stream, arg);
	char epoch[24], seq_text[24], most[24];
	const char *params[] = { owner_id(d->owner), epoch, stream, seq != 0 ? seq_text : NULL, most };

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "redrive");
	p->redriven = f;
	snprintf(epoch, sizeof(epoch), "%lld", (long long)p->epoch);
	snprintf(seq_text, sizeof(seq_text), "%lld", (long long)seq);
	snprintf(most, sizeof(most), "%d", OWED_MAX);
	if (db_exec(d->db, STMT_redrive, params, on_redriven, p, NULL, err) < 0) {
		replay_free(p);
		return -1;
	}
	return 0;
}

/* --- rewinding ---------------------------------------------------------------------------------------- */

static void on_rewound(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct replay *p = arg;
	struct outlet *o;
	int64_t first = 0;
	struct ssf_err why;

	err = refused(p, err, &why);
	o = deliver_find(p->deliver, p->stream);
	if (err != NULL && o != NULL)
		o->dirty = true; /* nobody knows whether it was done: the next checkpoint tells */
	if (err == NULL && check_outcome(db_text(r, 0, 0), &why) < 0) {
		if (why.code == SSF_E_GONE)
			ssf_fail(&why, SSF_E_GONE, "the oldest event in the log is %s", db_text(r, 0, 2));
		err = &why;
	}
	if (err == NULL) {
		first = db_int(r, 0, 1);
		if (o != NULL)
			outlet_reload(o);
	}
	p->rewound(p->arg, first, err);
	replay_free(p);
}

int deliver_rewind(struct deliver *d, const char *stream, struct deliver_point to, deliver_rewind_f *f,
		   void *arg, struct ssf_err *err)
{
	struct replay *p = replay_new(d, stream, arg);
	const struct outlet *o = deliver_find(d, stream);
	json_auto_t *position = o != NULL && o->loaded ? outlet_state(o) : NULL;
	ssf_auto_buf paid = SSF_BUF(64 * 1024);
	ssf_auto_free char *text = NULL;
	char epoch[24], seq[24], at_ms[24];

	if (position != NULL && owed_paid_text(o, &paid) == 0)
		json_object_set_new(position, "paid", json_string(paid.ptr));
	text = position != NULL ? json_dumps(position, JSON_COMPACT) : NULL; /* else what is saved counts */
	const char *params[] = { owner_id(d->owner), epoch, stream, to.seq != 0 ? seq : NULL,
				 to.seq != 0 ? NULL : at_ms, text };
	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rewind");
	snprintf(epoch, sizeof(epoch), "%lld", (long long)p->epoch);
	p->rewound = f;
	snprintf(seq, sizeof(seq), "%lld", (long long)to.seq);
	snprintf(at_ms, sizeof(at_ms), "%lld", (long long)to.at_ms);
	if (db_exec(d->db, STMT_stream_rewind, params, on_rewound, p, NULL, err) < 0) {
		replay_free(p);
		return -1;
	}
	return 0;
}
