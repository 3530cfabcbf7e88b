/* SPDX-License-Identifier: Apache-2.0 */
/* What `ssfhub emit` sends: its words made into the body of POST /v1/events. The hub checks what they mean. */
#pragma once

#include <jansson.h>

#include "lib/ssf/err.h"

/* Texts as they were given; NULL: not given. */
struct emit_event {
	const char *type;
	const char *subject; /* a JSON object, or FORMAT:VALUE: did, email, opaque, phone_number, uri (RFC 9493) */
	const char *claims;  /* a JSON object */
	const char *txn;
	const char *reason;
};

/* SSF_E_MALFORMED names the option. *out: new reference. */
ssf_nodiscard int emit_body(const struct emit_event *e, json_t **out, struct ssf_err *err);
