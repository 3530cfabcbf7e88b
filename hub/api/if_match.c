/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version in memory decides first, so that a stale request costs no statement; the database decides
 * again, because memory may lag behind.
 */
#include "hub/api/if_match.h"

#include "lib/ssf/etag.h"

int if_match_check(const struct http_req *req, int64_t version, struct resource_condition *condition,
		   struct ssf_err *err)
{
	size_t count = http_header_count(req, "If-Match");
	bool matches;

	if (count == 0)
		return 0;
	if (count > 1)
		return ssf_fail(err, SSF_E_MALFORMED, "If-Match: more than one header");
	if (ssf_etag_match(http_header(req, "If-Match"), version, &matches, err) < 0)
		return -1;
	if (!matches)
		return ssf_fail(err, SSF_E_PRECONDITION, "If-Match: another version is stored");
	condition->check = RESOURCE_IF_MATCH;
	condition->version = version;
	return 0;
}
