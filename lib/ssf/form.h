/* SPDX-License-Identifier: Apache-2.0 */
/*
 * application/x-www-form-urlencoded, as RFC 6749 appendix B uses it. Names and values are UTF-8
 * text without control characters. Memory is wiped when it is released: forms carry secrets.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define SSF_FORM_FIELDS_MAX 32

struct ssf_form {
	struct ssf_buf text; /* decoded, each name and value ended by NUL */
	struct {
		size_t name, value; /* where in text */
	} fields[SSF_FORM_FIELDS_MAX];
	size_t count;
};

/*
 * Appends s decoded: "%41" is A, "+" a blank if plus says so. Any byte may come out of it.
 * SSF_E_MALFORMED for an escape that is none, SSF_E_LIMIT, SSF_E_NOMEM.
 */
ssf_nodiscard int ssf_percent_decode(struct ssf_str s, bool plus, struct ssf_buf *out,
				     struct ssf_err *err);

/*
 * SSF_E_MALFORMED: bad escapes, not UTF-8, a field twice (RFC 6749 section 3.2), a field without a
 * name; SSF_E_LIMIT: more than SSF_FORM_FIELDS_MAX fields. *out is to be released in any case.
 */
ssf_nodiscard int ssf_form_parse(struct ssf_str body, struct ssf_form *out, struct ssf_err *err);
void ssf_form_done(struct ssf_form *f); /* no-op on zeroed memory */

/* The value of a field, borrowed; NULL if it is absent or empty (RFC 6749 section 3.2). */
const char *ssf_form_get(const struct ssf_form *f, const char *name);
