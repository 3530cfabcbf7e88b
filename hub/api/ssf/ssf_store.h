/* SPDX-License-Identifier: Apache-2.0 */
/* Stores a stream on behalf of its client and answers the request. */
#pragma once

#include "hub/api/ssf/ssf_api.h"

/* The answer to a change of a stream; new reference, or NULL. */
typedef json_t *ssf_store_show_f(const struct ssf_api *api, const char *id, const json_t *spec);

/* All borrowed. */
struct ssf_store {
	const char *id;
	const json_t *resource;              /* as shown or sent, checked by its kind first; NULL deletes */
	struct resource_condition condition;
	int status;                          /* of the answer; 204: without a body */
	ssf_store_show_f *show;
};

/* Takes the request over once it has returned 0. SSF_E_MALFORMED and errors of resource_writer_commit(). */
ssf_nodiscard int ssf_store_start(const struct ssf_api *api, const struct api_request *r,
				  const struct ssf_store *s, struct ssf_err *err);
