/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subject identifiers: RFC 9493 (account, aliases, did, email, iss_sub, opaque,
 * phone_number, uri) and SSF 1.0 section 3 (complex, jwt_id, saml_assertion_id,
 * ip-addresses). Unknown formats with string members are accepted, as formats
 * are extensible; known ones must be complete.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/* SSF_E_MALFORMED names the member; SSF_E_LIMIT above 8 KiB, 32 aliases or 16 complex members. */
ssf_nodiscard int ssf_subject_check(const json_t *subject, struct ssf_err *err);

/* SHA-256 of the canonical form: equal subjects, equal keys. -1 only when out of memory. */
ssf_nodiscard int ssf_subject_key(const json_t *subject, uint8_t out[SSF_SHA256_LEN]);

json_t *ssf_subject_iss_sub(const char *iss, const char *sub); /* new reference, or NULL */
json_t *ssf_subject_opaque(const char *id);
