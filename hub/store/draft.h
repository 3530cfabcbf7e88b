/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way into the log: what append_events() takes. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "hub/store/db.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/* An event to be; all borrowed. */
struct draft {
	const char *origin;
	const char *origin_id;
	const char *type;
	const char *txn;
	int64_t cause;               /* 0: none */
	const char *agent_id;        /* or NULL */
	const json_t *sub_id;        /* or NULL */
	const json_t *body;
	const uint8_t *evidence;     /* SSF_SHA256_LEN bytes, or NULL */
	bool lookup;                 /* its credential has to be asked for */
	const char *trace;           /* traceparent, or NULL: that of its cause, if there is one */
};

#define DRAFT_NAME_MAX 256         /* bytes of type and of txn */
#define DRAFT_BODY_MAX (96 * 1024) /* bytes of body */

/* Adds a draft to a JSON array, in the form that append_events() takes. SSF_E_LIMIT, SSF_E_NOMEM. */
ssf_nodiscard int draft_add(json_t *drafts, const struct draft *d, struct ssf_err *err);

/*
 * Appends drafts (an array as draft_add makes it, not empty) with STMT_append_events: one row a draft, in order
 * (DRAFT_ROW_*).
 */
enum draft_row { DRAFT_ROW_SEQ, DRAFT_ROW_TXN, DRAFT_ROW_APPENDED, DRAFT_ROW_AT_MS };
ssf_nodiscard int drafts_append(struct db *db, const json_t *drafts, db_done_f *done, void *arg,
				struct db_op **out, struct ssf_err *err);

/* A new transaction id. */
#define TXN_LEN 37
void txn_make(char out[TXN_LEN]);
