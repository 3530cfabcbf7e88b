/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way into the log: what append_events() takes. */
#pragma once

#include <jansson.h>
#include <stdint.h>

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

/* A new transaction id. */
#define TXN_LEN 37
void txn_make(char out[TXN_LEN]);
