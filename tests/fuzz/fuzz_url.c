/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_policy_check_url, strict and open. What the strict guard lets through the
 * open one must let through as well, and both have only two ways to refuse.
 */
#include "lib/http/egress_policy.h"

#include <stdint.h>
#include <stdlib.h>

static int check(const struct egress_policy *g, struct ssf_str url)
{
	struct ssf_err err = { .code = SSF_OK };
	int r = egress_policy_check_url(g, url, &err);

	if (r < 0 && err.code != SSF_E_MALFORMED && err.code != SSF_E_DENIED)
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct egress_policy *strict;
	static struct egress_policy *open;
	struct ssf_str url = { (const char *)data, size };

	if (strict == NULL && (egress_policy_new(NULL, false, &strict, NULL) < 0 ||
			       egress_policy_new("0.0.0.0/0, ::/0", true, &open, NULL) < 0))
		abort();
	if (check(strict, url) == 0 && check(open, url) < 0)
		abort();
	check(open, url);
	return 0;
}
