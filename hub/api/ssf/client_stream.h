/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of the calling client that a request names. */
#pragma once

#include "hub/activity/stream_activity.h"
#include "hub/api/api_request.h"

/* The client's stream, borrowed; NULL if it does not exist or belongs to another client. */
const json_t *client_stream_find(const struct registry *registry, const char *client, const char *id);

/*
 * The stream that the request names: in "stream_id" of body, or with body NULL in the query. Borrowed.
 * SSF_E_MALFORMED when it is not named; SSF_E_NOT_FOUND also for streams of other clients. Counts as
 * activity of the receiver.
 */
ssf_nodiscard int client_stream_of(const struct registry *registry, struct stream_activity *activity,
				   const struct api_request *r, const json_t *body, const char **id,
				   const json_t **spec, struct ssf_err *err);
