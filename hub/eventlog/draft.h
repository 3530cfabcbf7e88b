/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way into the log: what append_events() takes. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "hub/db/db.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct event;

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

/* What is appended in one transaction, in order; reference counted. */
struct drafts;
struct drafts *drafts_new(void); /* NULL: out of memory */
struct drafts *drafts_ref(struct drafts *ds);
void drafts_free(struct drafts *ds);
SSF_DEFINE_AUTO(drafts)

/* Adds one; body and sub_id are shared and must not change any more. SSF_E_LIMIT, SSF_E_NOMEM. */
ssf_nodiscard int draft_add(struct drafts *ds, const struct draft *d, struct ssf_err *err);
/* Adds all of them, shared. SSF_E_NOMEM: then none. */
ssf_nodiscard int drafts_extend(struct drafts *ds, const struct drafts *others, struct ssf_err *err);
size_t drafts_count(const struct drafts *ds);
size_t drafts_weight(const struct drafts *ds); /* about how many bytes of memory they take */

/* As the array of objects that functions of the database take; NULL: out of memory. The caller frees it. */
char *drafts_text(const struct drafts *ds);

/* What STMT_append_events and STMT_rules_commit give: one row a draft, in order. */
enum draft_row { DRAFT_ROW_SEQ, DRAFT_ROW_TXN, DRAFT_ROW_APPENDED, DRAFT_ROW_AT_MS };
/* Appends them, at least one. */
ssf_nodiscard int drafts_append(struct db *db, const struct drafts *ds, db_done_f *done, void *arg,
				struct db_op **out, struct ssf_err *err);

/*
 * The event that draft i has become when it was committed; a new reference. NULL when it has to be read, as the
 * database may give it otherwise: numbers with fractions and exponents. Of one with a cause, the draft must have had
 * the cause's trace.
 */
struct event *drafts_event(const struct drafts *ds, size_t i, int64_t seq, int64_t at_ms);
