/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storing resources on behalf of a request: resolves the addresses that streams push to (in
 * threads of their own, so that a name which leads somewhere forbidden is refused before it is stored),
 * stores the batch, tells the request's owner. All or nothing.
 */
#pragma once

#include "hub/api/api.h"

#define PUT_URLS_MAX 64 /* push streams in one batch */

struct put;

/* versions: array of {"kind","id","version"}, borrowed; or err. The request is still to be answered. */
typedef void put_done_f(void *arg, const json_t *versions, const struct ssf_err *err);

/* Begins a batch; actor is who asks: "admin", "client:ID". NULL when out of memory. */
struct put *put_new(struct api *api, const char *actor);
void put_free(struct put *p); /* before it is started */

enum put_check {
	PUT_ANY_VERSION,
	PUT_VERSION,  /* what is stored has to be "version", or else SSF_E_CONFLICT */
	PUT_IF_MATCH, /* the same as a precondition of the request: any conflict is SSF_E_PRECONDITION */
};

/* What must hold when it is stored; all zero: nothing. */
struct put_limits {
	enum put_check check;
	int64_t version; /* 0: there is none yet */
	int64_t most;    /* of the kind, for the same client, with this one, or SSF_E_CONFLICT; 0: any */
};

/* Adds a resource; takes spec over, NULL deletes. */
ssf_nodiscard int put_add(struct put *p, enum kind kind, const char *id, json_t *spec,
			  struct put_limits limit, struct ssf_err *err);

/*
 * Runs it; takes p over, also when it fails. SSF_E_BUSY (also while another put of
 * the same client resolves), SSF_E_UNAVAILABLE, SSF_E_NOMEM.
 */
ssf_nodiscard int put_start(struct put *p, put_done_f *done, void *arg, struct ssf_err *err);
