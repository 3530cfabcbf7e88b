/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entity tags of versions: the strong tag of version 7 is "7", quotes included (RFC 9110
 * section 8.8.3).
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define SSF_ETAG_LEN 24 /* the longest tag of a version, with NUL */

void ssf_etag(int64_t version, char out[SSF_ETAG_LEN]);

/*
 * Whether the value of If-Match lets a request through to what exists in this version: it is "*", or one of
 * its tags is the version's, compared strongly: weak tags never match (RFC 9110 section 13.1.1).
 * SSF_E_MALFORMED when it is neither "*" nor a list of tags; empty elements of the list are skipped.
 */
ssf_nodiscard int ssf_etag_match(struct ssf_str if_match, int64_t version, bool *matches,
				 struct ssf_err *err);
