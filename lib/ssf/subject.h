/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subject identifiers: RFC 9493 (account, aliases, did, email, iss_sub, opaque,
 * phone_number, uri) and SSF 1.0 section 3 (complex, jwt_id, saml_assertion_id,
 * ip-addresses). Unknown formats with string members are accepted, as formats
 * are extensible; known ones must be complete.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define SSF_SUBJECT_MAX_MEMBERS 16 /* of a complex subject */

/* SSF_E_MALFORMED names the member; SSF_E_LIMIT above 8 KiB, 32 aliases or 16 complex members. */
ssf_nodiscard int ssf_subject_check(const json_t *subject, struct ssf_err *err);

/* SHA-256 of the canonical form: equal subjects, equal keys. -1 only when out of memory. */
ssf_nodiscard int ssf_subject_key(const json_t *subject, uint8_t out[SSF_SHA256_LEN]);

bool ssf_subject_has_format(const json_t *subject, const char *format);

/*
 * Whether two subjects match, SSF 1.0 section 8.1.3.1; both passed ssf_subject_check.
 * Symmetric, but not transitive.
 * - Simple subjects: when they are identical as JSON values. Nothing is
 *   normalized: neither the case of an address nor the order of ip-addresses.
 * - Complex subjects: when every field that both have is identical in both. Two
 *   without a common field match, as rules 1 and 2 of that section say.
 * - aliases are one subject under several names (RFC 9493 section 3.2.8), so they
 *   match when any of their identifiers does. As a field of a complex subject
 *   they have to be identical like any other field (rule 3).
 * - A simple subject matches no complex one: the section compares like with like.
 */
bool ssf_subject_matches(const json_t *a, const json_t *b);

/*
 * Whether all that inner is about lies within outer: they match, and inner has
 * every field that outer has, if they are complex.
 */
bool ssf_subject_covers(const json_t *outer, const json_t *inner);

json_t *ssf_subject_iss_sub(const char *iss, const char *sub); /* new reference, or NULL */
json_t *ssf_subject_opaque(const char *id);
