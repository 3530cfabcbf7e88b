/* SPDX-License-Identifier: Apache-2.0 */
/* Asks all other processes of the hub for the same as a request, and collects their answers. */
#pragma once

#include <jansson.h>

#include "hub/api/peer/peer_client.h"

struct scatter_gather;

/* All borrowed. */
struct scatter_gather_deps {
	struct loop *loop;
	struct owner *owner;
	struct peer_client *client;
};

ssf_nodiscard int scatter_gather_new(const struct scatter_gather_deps *deps,
				     struct scatter_gather **out, struct ssf_err *err);
/* Ends everything with the answers so far; then free it. NULL is fine for both. */
void scatter_gather_stop(struct scatter_gather *s);
void scatter_gather_free(struct scatter_gather *s);

/* Called once, from the loop. answers: the JSON objects that came in time; borrowed for the call. */
typedef void scatter_gather_done_f(void *arg, const json_t *answers);

/*
 * req stays the caller's, who answers it in done. There is no handle to cancel: when the client goes away,
 * done is called at once. SSF_E_NOMEM.
 */
ssf_nodiscard int scatter_gather_start(struct scatter_gather *s, struct http_req *req,
				       const struct caller *caller, scatter_gather_done_f *done,
				       void *arg, struct ssf_err *err);
