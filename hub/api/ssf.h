/* SPDX-License-Identifier: Apache-2.0 */
/* What the SSF endpoints share: a client's streams and their documents (SSF 1.0 section 8.1). */
#pragma once

#include "hub/api/api_priv.h"
#include "hub/api/put.h"
#include "lib/ssf/json.h"

#define SSF_STREAM_TEXT_MAX 1024 /* description, reason, state */

/* The body as an object; SSF_E_MALFORMED, SSF_E_LIMIT. New reference. */
ssf_nodiscard int ssf_api_body(const struct call *c, json_t **out, struct ssf_err *err);

/*
 * The stream that "stream_id" names, of the calling client; borrowed. SSF_E_MALFORMED when the
 * member is missing, SSF_E_NOT_FOUND for streams of others, too. Starts its inactivity_timeout again.
 */
ssf_nodiscard int ssf_api_stream(const struct call *c, const json_t *body, const char **id,
				 const json_t **spec, struct ssf_err *err);

/* The stream's receiver is active: here, or in the database if another process owns the stream. */
void ssf_api_active(const struct api *api, const char *id);

/* The stream configuration as the receiver sees it; new reference, or NULL. */
json_t *ssf_api_configuration(const struct api *api, const char *id, const json_t *spec);

/* What a stream's change is answered with; new reference, or NULL. */
typedef json_t *ssf_document_f(const struct api *api, const char *id, const json_t *spec);

/*
 * Stores a stream on behalf of its client and answers with status and document, or 204. spec is taken over;
 * NULL deletes.
 */
ssf_nodiscard int ssf_api_store(const struct call *c, const char *id, json_t *spec,
				struct put_limits limit, int status, ssf_document_f *document,
				struct ssf_err *err);

/*
 * A verification event of a stream (SSF 1.0 section 8.1.4.2). state: what the receiver has sent with
 * its request; NULL: none, or the transmitter sends it by itself. once: its id, the same for
 * the same event; NULL: a new one.
 */
ssf_nodiscard int ssf_api_verification(const char *id, const char *state, const char *once,
				       struct drafts *drafts, struct ssf_err *err);

/* Event types that streams can ask for: everything in the catalogue but control events. New reference. */
json_t *ssf_api_events_supported(void);
