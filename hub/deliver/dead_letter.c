/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the writes under way. */
#include "hub/deliver/dead_letter.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX 64

struct dead_letter {
	LIST_ENTRY(dead_letter) link;
	struct owner *owner;
	struct db_op *op;
	char *stream;
	int shard;
	int64_t epoch;
	int64_t rewound;
	int64_t seq;
	enum label_dead_letter_reason label;
	dead_letter_f *f;
	void *arg;
};

static enum label_dead_letter_reason label_of(const char *reason)
{
	static const struct {
		const char *prefix;
		enum label_dead_letter_reason label;
	} labels[] = {
		{ DEAD_LETTER_REFUSED, LABEL_dead_letter_reason_refused },
		{ DEAD_LETTER_EXPIRED, LABEL_dead_letter_reason_expired },
		{ DEAD_LETTER_GONE, LABEL_dead_letter_reason_gone },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(labels); i++) {
		if (ssf_str_has_prefix(ssf_str_c(reason), labels[i].prefix))
			return labels[i].label;
	}
	return LABEL_dead_letter_reason_disabled;
}

static void dead_letter_free(struct dead_letter *w)
{
	if (w == NULL)
		return;
	LIST_REMOVE(w, link);
	db_cancel(w->op);
	free(w->stream);
	free(w);
}

static void on_written(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct dead_letter *w = arg;
	struct dead_letter_result result = { w->seq, w->rewound, DEAD_LETTER_FAILED, false };
	dead_letter_f *f = w->f;
	void *f_arg = w->arg;

	w->op = NULL;
	if (err != NULL)
		log_warn("deliver.deadletter.failed", log_str("stream", w->stream), log_why(err));
	if (err != NULL && err->code == SSF_E_CONFLICT)
		owner_refused(w->owner, w->shard, w->epoch);
	if (err == NULL) {
		result.outcome = db_bool(r, 0, 0) ? DEAD_LETTER_WRITTEN : DEAD_LETTER_STALE;
		result.added = db_bool(r, 0, 1);
	}
	if (result.outcome == DEAD_LETTER_WRITTEN)
		metric_add_of(dead_letters, w->label, 1);
	dead_letter_free(w);
	f(f_arg, &result);
}

int dead_letter_write(const struct dead_letter_deps *deps, const struct dead_letter_spec *spec,
		      struct dead_letter_list *list, dead_letter_f *f, void *arg)
{
	char jti[JTI_LEN];
	struct dead_letter *w = calloc(1, sizeof(*w));
	struct ssf_err err;

	if (w == NULL)
		return -1;
	*w = (struct dead_letter){ .owner = deps->owner, .stream = strdup(spec->stream), .shard = spec->shard,
				   .epoch = owner_epoch(deps->owner, spec->shard), .rewound = spec->rewound,
				   .seq = spec->seq, .label = label_of(spec->reason), .f = f, .arg = arg };
	LIST_INSERT_HEAD(list, w, link);
	set_signer_jti(deps->signer, spec->seq, spec->audience, jti);
	if (w->stream == NULL) {
		dead_letter_free(w);
		return -1;
	}
	if (db_exec(deps->db, STMT_bury_event,
		    DB_PARAMS(db_param_uuid(owner_id(deps->owner)), db_param_int(w->epoch), db_param_text(w->stream),
			      db_param_int(spec->rewound), db_param_int(spec->seq), db_param_text(jti),
			      db_param_text(spec->reason)),
		    on_written, w, &w->op, &err) < 0) {
		log_warn("deliver.deadletter.failed", log_str("stream", spec->stream), log_why(&err));
		w->op = NULL;
		dead_letter_free(w);
		return -1;
	}
	log_warn("deliver.deadletter", log_str("stream", spec->stream), log_str("jti", jti),
		 log_str("txn", spec->txn), log_str("reason", spec->reason));
	return 0;
}

bool dead_letter_is_pending(const struct dead_letter_list *list, int64_t seq)
{
	const struct dead_letter *w;

	LIST_FOREACH(w, list, link) {
		if (w->seq == seq)
			return true;
	}
	return false;
}

void dead_letter_cancel_all(struct dead_letter_list *list)
{
	while (!LIST_EMPTY(list))
		dead_letter_free(LIST_FIRST(list));
}

void dead_letter_refusal(const json_t *error, char out[DEAD_LETTER_REASON_MAX])
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *code = json_string_value(json_object_get(error, "err"));
	size_t len = code != NULL ? strlen(code) : 0;
	bool known = len > 0 && len <= CODE_MAX && strspn(code, chars) == len;

	/* anything else may be our own authorization header, or half a character */
	snprintf(out, DEAD_LETTER_REASON_MAX, DEAD_LETTER_REFUSED "%s", known ? code : "without a proper err");
}
