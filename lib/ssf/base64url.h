/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 and base64url (RFC 4648 sections 4 and 5), strict: no white space, no
 * characters of the other alphabet, unused trailing bits zero. base64url is
 * without padding, as RFC 7515 section 2 wants it; base64 is with padding.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

int ssf_base64url_encode(struct ssf_str in, struct ssf_buf *out);
int ssf_base64_encode(struct ssf_str in, struct ssf_buf *out);

/*
 * Append the decoded bytes to out; SSF_E_MALFORMED, SSF_E_LIMIT, SSF_E_NOMEM. On
 * failure out may hold a part of them.
 */
ssf_nodiscard int ssf_base64url_decode(struct ssf_str in, struct ssf_buf *out, struct ssf_err *err);
ssf_nodiscard int ssf_base64_decode(struct ssf_str in, struct ssf_buf *out, struct ssf_err *err);
