/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes verification events (SSF 1.0 section 8.1.4.2), which receivers request and the hub sends as
 * heartbeats.
 */
#pragma once

#include "hub/eventlog/draft.h"

/*
 * Adds a verification event of the stream. state: what the receiver sent with its request; NULL:
 * none, or the transmitter sends the event unasked. once: the event's origin_id: appending it again
 * changes nothing; NULL: a new one. SSF_E_NOMEM.
 */
ssf_nodiscard int verification_add(struct drafts *drafts, const char *stream, const char *state,
				   const char *once, struct ssf_err *err);
